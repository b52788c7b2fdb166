"""A run under test: applies events and checks after each of them what must hold, worked out from the graph alone."""

from __future__ import annotations

from datetime import datetime, timedelta

from services.scheduler.domain.advance import advance
from services.scheduler.domain.events import Begin, Ended, Event, Obey, Tick
from services.scheduler.domain.tasks import WATCH_MAX, due_at
from shared.model.commands import refusal
from shared.model.kinds import traits
from shared.model.pipeline import OUTPUT, RULES, Join, predecessors
from shared.model.run import Command, CommandKind, NodeRun, NodeState, OutboxEntry, Run, RunEventType, RunState
from shared.model.task import Task
from tests.builders import T0, ended

MAX_ATTEMPTS = traits("noop").retry.max_attempts
OPEN, FINE, UNCHOSEN, BAD = "open", "fine", "unchosen", "bad"


def edge(run: Run, before: int, index: int) -> str:
    """What the edge from one node to another has come to."""
    node = run.node_runs[before]
    if not node.state.final:
        return OPEN
    if node.state is not NodeState.SUCCEEDED:
        return UNCHOSEN if node.unchosen else BAD
    if run.nodes[before].kind == RULES and node.result is not None:
        return FINE if index in (node.result.chosen or ()) else UNCHOSEN
    return FINE


class Life:
    """Remembers the tasks and the news of them."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.now: datetime = T0
        self.queued: dict[str, Task] = {}
        self.news: list[Ended] = []
        self.waits: dict[int, list[timedelta]] = {}
        self.before = predecessors(run.nodes)

    # -- what happens ---------------------------------------------------------------------------------------------

    def awaited(self, run: Run | None = None) -> list[Task]:
        """The tasks that the run waits for."""
        nodes = (run or self.run).node_runs
        return [
            task
            for task in self.queued.values()
            if nodes[task.node].state is NodeState.QUEUED and nodes[task.node].attempt == task.attempt
        ]

    def ends(self, task: Task, **members: object) -> None:
        """A task of the run is final."""
        news = Ended(ended(task, now=self.now, **members))  # type: ignore[arg-type]
        self.news.append(news)
        self.happens(news)

    def asks(self, kind: CommandKind, node: int | None = None) -> bool:
        """Somebody writes a command into the run, if it fits."""
        if refusal(self.run, kind, node) is not None:
            return False
        command = Command(kind=kind, node=node, at=self.now)
        self.run = self.run.with_changes(commands=(*self.run.commands, command), due_at=self.now)
        return True

    def happens(self, what: Event) -> None:
        """Anything."""
        old = self.run
        text = old.model_dump_json()
        new, messages = advance(old, what, self.now)
        assert advance(old, what, self.now) == (new, messages), "the same inputs gave something else"
        assert old.model_dump_json() == text, "the input was changed"
        self.run = new
        assert new.commands == (), "commands are taken in first"
        if not messages:
            quiet = old.with_changes(commands=(), due_at=new.due_at) if old.commands else old
            assert new == quiet, "something changed and nobody is told"
            assert old.commands or new is old
        assert new.outbox == old.outbox + messages
        assert Run.model_validate_json(new.model_dump_json()) == new
        self._check_timer(new)
        self._check_history(old, new)
        self._check_final(old, new)
        self._check_messages(old, new, messages)
        self._check_waits(old, new)
        self._check_graph(new)

    def sends(self) -> None:
        """The outbox went out; only timers are left."""
        rest = self.run.with_changes(outbox=())
        self.run = rest.with_changes(due_at=due_at(rest, self.now))
        self._check_timer(self.run)
        self._check_waits(self.run, self.run)

    def to_the_end(self) -> None:
        """Every task succeeds, every timer rings, nobody pauses any more: the run must end."""
        for _ in range(300):
            if self.run.state.final:
                return
            self.sends()
            waiting = self.awaited()
            if self.run.state is RunState.PAUSED:
                self.asks(CommandKind.RESUME)
                self.happens(Obey())
            elif waiting:
                self.ends(waiting[0])
            else:
                assert self.run.due_at is not None
                self.now = max(self.now, *(node.due_at or T0 for node in self.run.node_runs))
                self.happens(Begin() if self.run.state is RunState.REQUESTED else Tick())
        raise AssertionError(f"the run does not end: {self.run!r}")

    # -- what must hold -------------------------------------------------------------------------------------------

    def _check_timer(self, new: Run) -> None:
        if new.state.final and not new.outbox:
            return
        assert new.due_at is not None, "G5: no timer"
        if not new.state.final:
            assert new.due_at <= max(self.now, new.created_at) + WATCH_MAX, "G5: nobody looks at it for too long"

    @staticmethod
    def _check_history(old: Run, new: Run) -> None:
        assert new.history[: len(old.history)] == old.history
        assert [entry.sequence for entry in new.history] == list(range(1, len(new.history) + 1))
        told = [entry.event for entry in new.outbox[len(old.outbox) :] if entry.event is not None]
        assert tuple(told) == new.history[len(old.history) :]
        kinds = [entry.type for entry in new.history]
        assert kinds.count(RunEventType.RUN_FINISHED) == int(new.state.final)
        assert not new.state.final or kinds[-1] is RunEventType.RUN_FINISHED

    @staticmethod
    def _check_final(old: Run, new: Run) -> None:
        if old.state.final:
            assert new is old, "G4: a final run changed"
        asked = {command.node for command in old.commands if command.kind is CommandKind.RETRY_NODE}
        for index, (was, now) in enumerate(zip(old.node_runs, new.node_runs, strict=True)):
            again = asked and (
                (was.state is NodeState.FAILED and index in asked)
                or (was.state is NodeState.SKIPPED and not was.unchosen)
                or new.nodes[index].kind == OUTPUT
            )
            assert now == was or again or not was.state.final, "G4: a final node changed"
            assert now.attempt - was.attempt in (0, 1)
        if new.state.final:
            assert all(node.state.final for node in new.node_runs)

    def _check_messages(self, old: Run, new: Run, messages: tuple[OutboxEntry, ...]) -> None:
        for entry in messages:
            if entry.task is not None:
                assert new.state is RunState.RUNNING, "something starts in a run that is paused or over"
                self._check_queued(new, entry.task)
        cancelled = {entry.task_id for entry in messages if entry.kind == "cancel"}
        if new.state is RunState.CANCELLED and old.state is not RunState.CANCELLED:
            assert cancelled == {task.id for task in self.awaited(old)}, "G6: a task is left, or a stranger's is ended"
        else:
            assert not cancelled
        if old.state is RunState.RUNNING and new.state is RunState.PAUSED:
            assert {task.id for task in self.awaited()} <= {
                entry.task_id for entry in messages if entry.kind == "hold"
            }, "a pause holds everything that waits"

    def _check_queued(self, new: Run, task: Task) -> None:
        assert task.id not in self.queued, "G3: an attempt was queued twice"
        edges = [edge(new, before, task.node) for before in self.before[task.node]]
        if edges and new.nodes[task.node].join is Join.ANY:
            assert FINE in edges, "G3"
        elif edges:
            assert FINE in edges, "G3"
            assert set(edges) <= {FINE, UNCHOSEN}, "G3"
        node = new.node_runs[task.node]
        assert task.attempt == node.attempt
        assert task.attempt - node.fresh_at <= MAX_ATTEMPTS
        self.queued[task.id] = task

    def _check_waits(self, old: Run, new: Run) -> None:
        for index, (was, node) in enumerate(zip(old.node_runs, new.node_runs, strict=True)):
            if node.fresh_at != was.fresh_at:
                self.waits.pop(index, None)
            elif node.state is NodeState.WAITING and was.state is not NodeState.WAITING:
                assert node.due_at is not None
                self.waits.setdefault(index, []).append(node.due_at - self.now)
            if node.state is NodeState.WAITING and new.state is RunState.RUNNING:
                assert node.due_at is not None
                assert new.due_at is not None
                assert new.due_at <= max(node.due_at, self.now), "the run sleeps past its retry"

    def _check_graph(self, run: Run) -> None:
        """Nothing that could be decided is left undecided, and nothing is decided too early."""
        if run.state in (RunState.REQUESTED, RunState.CANCELLED):
            return
        for index, node in enumerate(run.node_runs[1:], start=1):
            edges = [edge(run, before, index) for before in self.before[index]]
            kind, join = run.nodes[index].kind, run.nodes[index].join
            if kind == OUTPUT:
                assert node.state is (NodeState.PENDING if OPEN in edges else NodeState.SUCCEEDED)
                continue
            startable = FINE in edges and (join is Join.ANY or {OPEN, BAD}.isdisjoint(edges))
            may_wait = OPEN in edges or (run.state is RunState.PAUSED and kind != RULES)
            if startable:
                assert node.state is not NodeState.SKIPPED
                assert node.state is not NodeState.PENDING or (run.state is RunState.PAUSED and kind != RULES)
            elif OPEN in edges:
                assert node.state is NodeState.PENDING or join is Join.ANY
                assert may_wait
            else:
                self._check_skipped(node, edges)

    @staticmethod
    def _check_skipped(node: NodeRun, edges: list[str]) -> None:
        assert node.state is NodeState.SKIPPED
        assert node.unchosen is (BAD not in edges), "who is to blame"
        assert node.reason

    def check_end(self) -> None:
        """What the final states must be, worked out from which nodes failed and what the rules chose."""
        run = self.run
        if run.state is RunState.CANCELLED:
            assert any(node.state is NodeState.CANCELLED for node in run.node_runs)
            return
        failed = {index for index, node in enumerate(run.node_runs) if node.state is NodeState.FAILED}
        assert run.state is (RunState.FAILED if failed else RunState.SUCCEEDED)
        came_to: dict[int, str] = {0: BAD if 0 in failed else FINE}
        for index in range(1, len(run.nodes) - 1):  # indexes are in topological order here
            edges = [self._final_edge(came_to, before, index) for before in self.before[index]]
            runs = FINE in edges and (run.nodes[index].join is Join.ANY or BAD not in edges)
            state = run.node_runs[index].state
            if not runs:
                assert state is NodeState.SKIPPED
                came_to[index] = BAD if BAD in edges else UNCHOSEN
            else:
                assert state is (NodeState.FAILED if index in failed else NodeState.SUCCEEDED)
                came_to[index] = BAD if index in failed else FINE
        assert run.node_runs[-1].state is NodeState.SUCCEEDED
        kinds = [entry.type for entry in run.history]
        assert kinds.count(RunEventType.RUN_STARTED) == 1
        for waits in self.waits.values():
            assert waits == sorted(set(waits)), "a later retry does not wait longer"
            assert len(waits) < MAX_ATTEMPTS

    def _final_edge(self, came_to: dict[int, str], before: int, index: int) -> str:
        result = self.run.node_runs[before].result
        if came_to[before] == FINE and self.run.nodes[before].kind == RULES:
            return FINE if result and index in (result.chosen or ()) else UNCHOSEN
        return came_to[before]
