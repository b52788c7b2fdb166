"""What users do while runs are under way: cancel, pause, resume, try a node again, rerun. They speak to the API's own
functions; only HTTP is left out."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from services.api.commanding import command_run
from services.api.dependencies import Context, Dependencies
from services.api.domain.problems import Problem
from services.api.rerunning import Wish, rerun_run
from shared.errors import ReelwayError
from shared.model.rerun import RerunScope
from shared.model.run import CommandKind, NodeState, Run, RunState
from tests.builders import TENANT

if TYPE_CHECKING:
    from tests.fault.simulation.process import Process
    from tests.fault.simulation.world import World

RESUME_EVERY_S = 5.0
MOST_RERUNS = 4


class Users:
    """Ask things of runs, through whichever API process answers."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._doors: dict[Process, Dependencies] = {}
        self.asked: Counter[str] = Counter()

    async def serve(self, deps: Dependencies, *_: Any) -> None:
        """Stands in for the HTTP server of an API process: opens the door, until cancelled."""
        loop: Any = asyncio.get_running_loop()
        self._doors[loop.owner] = deps
        await loop.create_future()

    def _door(self) -> tuple[Process, Dependencies] | None:
        open_doors = [(process, deps) for process, deps in self._doors.items() if process.alive]
        return self._world.rng.choice(open_doors) if open_doors else None

    def _ask(self, what: str, call: Callable[[Context], Coroutine[Any, Any, Any]], done: Callable[[], None]) -> None:
        """Calls the API, if one is there. `done` is called if it answers that it is done."""
        door = self._door()
        if door is None or door[0].loop is None:
            return
        process, deps = door
        context = Context(TENANT, what, deps)
        self._world.trace.add("asks", what, "user")

        async def ask() -> None:
            try:
                await call(context)
            except (Problem, ReelwayError) as error:
                self._world.trace.add("is refused", f"{what}: {error}", "user")
                return
            self.asked[what.split()[0]] += 1
            self._world.trace.add("is told", f"{what}: done", "user")
            done()

        process.loop.create_task(ask())

    def _runs(self) -> list[Run]:
        world = self._world
        return [world.records.runs._load(doc) for doc in world.checker.documents.runs.values()]

    def command(self) -> None:
        """Somebody wants something of some run."""
        rng = self._world.rng
        runs = self._runs()
        alive = [run for run in runs if not run.state.final]
        ended = [run for run in runs if run.state.final and run.epoch < MOST_RERUNS]
        if ended and (not alive or rng.random() < 0.3):
            self._rerun(rng.choice(ended))
            return
        if not alive:
            return
        run = rng.choice(alive)
        kind = rng.choice((CommandKind.CANCEL, CommandKind.PAUSE, CommandKind.PAUSE, CommandKind.RESUME))
        node = None
        wanted = (NodeState.FAILED, NodeState.WAITING)
        nodes = [index for index, state in enumerate(run.node_runs) if state.state in wanted]
        if nodes and rng.random() < 0.7:
            kind, node = CommandKind.RETRY_NODE, rng.choice(nodes)
        self._command(run.id, kind, node)
        if rng.random() < 0.2:
            # Impatience: the same again, or something else before the first was taken in.
            self._command(run.id, rng.choice((kind, CommandKind.RESUME, CommandKind.CANCEL)), node)

    def _command(self, run_id: str, kind: CommandKind, node: int | None = None) -> None:
        what = f"{kind.value} {run_id}" + ("" if node is None else f" node {node}")
        only = node if kind is CommandKind.RETRY_NODE else None
        self._ask(
            what,
            lambda context: command_run(run_id, kind, context, node=only),
            lambda: self._world.checker.commanded(run_id, kind.value),
        )

    def _rerun(self, run: Run) -> None:
        rng = self._world.rng
        scope = rng.choice(list(RerunScope))
        node = rng.randrange(len(run.nodes)) if scope is RerunScope.NODE else None
        wish = Wish(scope, latest=rng.random() < 0.5, node=node)
        self._ask(f"rerun {run.id} {scope.value}", lambda context: rerun_run(run, wish, context), lambda: None)

    def resume_all(self) -> None:
        """In the end nobody leaves a run paused."""
        for run in self._runs():
            if run.state is RunState.PAUSED and not run.commands:
                self._command(run.id, CommandKind.RESUME)
        self._world.timeline.after(RESUME_EVERY_S, self.resume_all)
