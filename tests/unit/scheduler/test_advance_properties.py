"""Random graphs, random fates of their tasks, random order, duplicates and late news: the guarantees hold after every
step, and every run ends."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from services.scheduler.domain.advance import advance
from services.scheduler.domain.events import Begin, Ended, Event, Tick
from shared.model.failure import ErrCode, Failure
from shared.model.kinds import traits
from shared.model.pipeline import OUTPUT, Node, predecessors
from shared.model.run import NodeState, Run, RunEventType, RunState
from shared.model.task import NodeResult, Task, TaskState
from tests.builders import T0, a_graph, a_media, a_run, ended

MAX_ATTEMPTS = traits("noop").retry.max_attempts


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Node, ...]:
    """input, up to seven nodes, output; edges go to higher indexes; everything lies on a way from start to end."""
    inner = draw(st.integers(0, 7))
    last = inner + 1
    edges: list[set[int]] = [set() for _ in range(last + 1)]
    for node in range(1, last):
        for before in draw(st.sets(st.integers(0, node - 1), min_size=1, max_size=3)):
            edges[before].add(node)
    for node in range(last):
        if not edges[node] or draw(st.integers(0, 9)) == 0:
            edges[node].add(last)
    return a_graph([sorted(found) for found in edges])


class Life:
    """A run under test: applies events, checks what must hold after each, remembers the tasks."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.now: datetime = T0
        self.queued: dict[str, Task] = {}
        self.news: list[Ended] = []
        self.waits: dict[int, list[timedelta]] = {}
        self.before = predecessors(run.nodes)

    def awaited(self) -> list[Task]:
        """The tasks that the run waits for."""
        return [
            task
            for task in self.queued.values()
            if self.run.node_runs[task.node].state is NodeState.QUEUED
            and self.run.node_runs[task.node].attempt == task.attempt
        ]

    def ends(self, task: Task, **members: object) -> None:
        news = Ended(ended(task, now=self.now, **members))  # type: ignore[arg-type]
        self.news.append(news)
        self.happens(news)

    def happens(self, what: Event) -> None:
        old = self.run
        text = old.model_dump_json()
        new, messages = advance(old, what, self.now)
        assert advance(old, what, self.now) == (new, messages), "the same inputs gave something else"
        assert old.model_dump_json() == text, "the input was changed"
        self.run = new
        if not messages:
            assert new is old, "something changed and nobody is told"
        self._check_history(old, new)
        self._check_final(old, new)
        assert new.outbox == old.outbox + messages
        if not new.state.final or new.outbox:
            assert new.due_at is not None, "G5: no timer"
        assert Run.model_validate_json(new.model_dump_json()) == new
        for entry in messages:
            if entry.task is not None:
                self._check_queued(old, new, entry.task)
        for index, node in enumerate(new.node_runs):
            if node.state is NodeState.WAITING and old.node_runs[index].state is not NodeState.WAITING:
                assert node.due_at is not None
                self.waits.setdefault(index, []).append(node.due_at - self.now)
                assert new.due_at is not None
                assert new.due_at <= node.due_at, "the run sleeps past its retry"
        self._check_graph(new)

    @staticmethod
    def _check_history(old: Run, new: Run) -> None:
        assert new.history[: len(old.history)] == old.history
        assert [entry.sequence for entry in new.history] == list(range(1, len(new.history) + 1))
        told = [entry.event for entry in new.outbox[len(old.outbox) :] if entry.event is not None]
        assert tuple(told) == new.history[len(old.history) :]

    @staticmethod
    def _check_final(old: Run, new: Run) -> None:
        if old.state.final:
            assert new is old, "G4: a final run changed"
        for was, now in zip(old.node_runs, new.node_runs, strict=True):
            assert now == was or not was.state.final, "G4: a final node changed"
            assert now.attempt - was.attempt in (0, 1)
        if new.state.final:
            assert all(node.state.final for node in new.node_runs)

    def _check_queued(self, old: Run, new: Run, task: Task) -> None:
        assert task.id not in self.queued, "G3: an attempt was queued twice"
        assert all(new.node_runs[index].state is NodeState.SUCCEEDED for index in self.before[task.node]), "G3"
        assert old.node_runs[task.node].state in (NodeState.PENDING, NodeState.WAITING)
        assert task.attempt == new.node_runs[task.node].attempt <= MAX_ATTEMPTS
        self.queued[task.id] = task

    def _check_graph(self, run: Run) -> None:
        """Nothing that could be decided is left undecided, and nothing is decided too early."""
        if run.state is RunState.REQUESTED:
            return
        for index, node in enumerate(run.node_runs[1:], start=1):
            first = [run.node_runs[before].state for before in self.before[index]]
            assert (node.state is NodeState.PENDING) is not all(state.final for state in first)
            if run.nodes[index].kind == OUTPUT or node.state is NodeState.PENDING:
                continue
            assert (node.state is NodeState.SKIPPED) is any(state is not NodeState.SUCCEEDED for state in first)
            assert (node.reason is not None) is (node.state is NodeState.SKIPPED)

    def to_the_end(self) -> None:
        """Every task succeeds and every timer rings from here on: the run must end."""
        for _ in range(200):
            if self.run.state.final:
                return
            self.run = self.run.with_changes(outbox=())
            waiting = self.awaited()
            if waiting:
                self.ends(waiting[0])
            else:
                assert self.run.due_at is not None
                self.now = max(self.now, *(node.due_at or T0 for node in self.run.node_runs))
                self.happens(Begin() if self.run.state is RunState.REQUESTED else Tick())
        raise AssertionError(f"the run does not end: {self.run!r}")


FATES = st.sampled_from(["succeed", "succeed", "succeed", "media", "fail", "retry", "retry", "cancel"])


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(graphs(), st.booleans(), st.data())
def test_guarantees_hold_on_every_way_through_every_graph(
    nodes: tuple[Node, ...], skip_probe: bool, data: st.DataObject
) -> None:
    life = Life(a_run(nodes, skip_probe=skip_probe))
    if data.draw(st.integers(0, 9)):
        life.happens(Begin())
    for _ in range(data.draw(st.integers(0, 25))):
        awaited = life.awaited()
        match data.draw(st.sampled_from(["end", "end", "end", "again", "begin", "tick", "sent"])):
            case "end" if awaited:
                task = data.draw(st.sampled_from(awaited))
                match data.draw(FATES):
                    case "succeed":
                        life.ends(task)
                    case "media":
                        life.ends(task, result=NodeResult(media=a_media(f"out/{task.node}.mp4")))
                    case "fail":
                        life.ends(task, state=TaskState.FAILED, failure=Failure(code=ErrCode.SOURCE_FILE, message="x"))
                    case "retry":
                        failure = Failure(code=ErrCode.INTERNAL, message="x", retryable=True)
                        life.ends(task, state=TaskState.FAILED, failure=failure)
                    case "cancel":
                        life.ends(task, state=TaskState.CANCELLED)
            case "again" if life.news:
                old = data.draw(st.sampled_from(life.news))
                before = life.run
                life.happens(old)
                assert life.run is before, "news that was taken in already changed something"
            case "begin":
                life.happens(Begin())
            case "tick":
                life.now += timedelta(seconds=data.draw(st.integers(0, 8)))
                life.happens(Tick())
            case "sent":
                life.run = life.run.with_changes(outbox=())
            case _:
                pass
    life.to_the_end()
    run = life.run
    event(f"{run.state.value}, {len(nodes)} nodes")
    assert_ended_right(run, life)


def assert_ended_right(run: Run, life: Life) -> None:
    """What the final states must be, worked out from the failed nodes alone."""
    lost: set[int] = {index for index, node in enumerate(run.node_runs) if node.state is NodeState.FAILED}
    assert run.state is (RunState.FAILED if lost else RunState.SUCCEEDED)
    for index in range(len(run.nodes) - 1):  # indexes are in topological order here
        state = run.node_runs[index].state
        if index in lost:
            assert state is NodeState.FAILED
        elif any(before in lost for before in life.before[index]):
            assert state is NodeState.SKIPPED
            lost.add(index)
        else:
            assert state is NodeState.SUCCEEDED
    assert run.node_runs[-1].state is NodeState.SUCCEEDED
    kinds = [entry.type for entry in run.history]
    assert kinds.count(RunEventType.RUN_STARTED) == kinds.count(RunEventType.RUN_FINISHED) == 1
    assert kinds[-1] is RunEventType.RUN_FINISHED
    for waits in life.waits.values():
        assert waits == sorted(set(waits)), "a later retry does not wait longer"
        assert len(waits) < MAX_ATTEMPTS
