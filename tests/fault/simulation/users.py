"""What users do while runs are under way: cancel, pause, resume, try a node again."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from shared.messages.codec import encode
from shared.messages.messages import RunRequested
from shared.model.commands import refusal
from shared.model.run import Command, CommandKind, NodeState, Run, RunState
from shared.state.repository import Repository

if TYPE_CHECKING:
    from tests.fault.simulation.world import World

RESUME_EVERY_S = 5.0


class Users:
    """Write commands into runs as the API does: one compare-and-set, then news that may be lost."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.commands: dict[str, int] = {}

    def _runs(self) -> list[Run]:
        world = self._world
        return [world.records.runs._load(doc) for doc in world.checker.documents.runs.values()]

    def command(self) -> None:
        """Somebody wants something of some run."""
        rng: Random = self._world.rng
        runs = [run for run in self._runs() if not run.state.final]
        if not runs:
            return
        run = rng.choice(runs)
        kind = rng.choice((CommandKind.CANCEL, CommandKind.PAUSE, CommandKind.RESUME))
        node = None
        wanted = (NodeState.FAILED, NodeState.WAITING)
        nodes = [index for index, state in enumerate(run.node_runs) if state.state in wanted]
        if nodes and rng.random() < 0.7:
            kind, node = CommandKind.RETRY_NODE, rng.choice(nodes)
        self._write(run, kind, node)
        if rng.random() < 0.2:
            # Impatience: the same again, or the opposite before the first was taken in.
            self._write(self._world.records.runs._load(self._world.checker.documents.runs[run.id]), kind, node)

    def _write(self, run: Run, kind: CommandKind, node: int | None = None) -> None:
        world = self._world
        if refusal(run, kind, node) is not None:
            return
        self.commands[kind.value] = self.commands.get(kind.value, 0) + 1
        world.trace.add(f"command {kind.value}", f"{run.id} {'' if node is None else node}", "user")
        command = Command(kind=kind, at=world.timeline.instant(), node=node)
        wanted = run.with_changes(commands=(*run.commands, command), due_at=world.timeline.instant())
        if not world.store.replace_now("runs", Repository._dump(wanted)):
            raise AssertionError("nobody comes between")
        message = RunRequested(run_id=run.id)
        world.broker.append(world.topics.runs, message.subject, encode(message))

    def resume_all(self) -> None:
        """In the end nobody leaves a run paused."""
        for run in self._runs():
            if run.state is RunState.PAUSED and not run.commands:
                self._write(run, CommandKind.RESUME)
        self._world.timeline.after(RESUME_EVERY_S, self.resume_all)
