"""A notification may be sent days after its event. Random runs with rules, joins, pauses, retries and cancels, moved by
the real `advance`: what an event shows is the same at every later moment of the run."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from services.scheduler.domain.advance import advance
from services.scheduler.domain.events import Begin, Ended, Obey, Tick
from shared.model.failure import ErrCode, Failure
from shared.model.pipeline import Join, Node, predecessors
from shared.model.run import Command, CommandKind, NodeState, Run
from shared.model.task import NodeResult, Task, TaskState
from shared.mps.render import mps_task
from tests.builders import T0, a_graph, a_run, ended

BROKEN = Failure(code=ErrCode.SOURCE_FILE, message="damaged")
FLAKY = Failure(code=ErrCode.INTERNAL, message="storage", retryable=True)


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Node, ...]:
    """input, up to six transcodes and rules, output; some joins take any."""
    inner = draw(st.integers(1, 6))
    last = inner + 1
    edges: list[set[int]] = [set() for _ in range(last + 1)]
    for node in range(1, last):
        for before in draw(st.sets(st.integers(0, node - 1), min_size=1, max_size=3)):
            edges[before].add(node)
    for node in range(last):
        if not edges[node] or draw(st.integers(0, 5)) == 0:
            edges[node].add(last)
    nodes: dict[str, Any] = {}
    before = predecessors(a_graph([sorted(found) for found in edges]))
    for node in range(1, last):
        join = Join.ANY if len(before[node]) > 1 and draw(st.booleans()) else Join.ALL
        if draw(st.integers(0, 2)):
            nodes[f"n{node}"] = Node(kind="transcode", params={"Definition": 100010}, join=join)
        else:
            nodes[f"n{node}"] = Node(kind="rules", params=some_rules(draw, sorted(edges[node])), join=join)
    return a_graph([sorted(found) for found in edges], **nodes)


def some_rules(draw: st.DrawFn, successors: list[int]) -> dict[str, Any]:
    chosen = draw(st.lists(st.sampled_from(successors), unique=True, min_size=1))
    holds = draw(st.booleans())
    other = draw(st.lists(st.sampled_from(successors), unique=True))
    rule = {"Id": "r", "Expression": "true" if holds else "false", "RearDriveIndexs": chosen}
    return {"Rules": [rule], "ElseRearDriveIndexs": other}


class Life:
    """A run that is moved, with a copy of it after every step."""

    def __init__(self, nodes: tuple[Node, ...]) -> None:
        self.run = a_run(nodes)
        self.now: datetime = T0
        self.stages: list[Run] = []
        self.tasks: list[Task] = []

    def happens(self, what: Any) -> None:
        self.run, messages = advance(self.run, what, self.now)
        self.run = self.run.with_changes(outbox=())
        self.tasks += [entry.task for entry in messages if entry.task is not None]
        self.stages.append(self.run)

    def command(self, kind: CommandKind, node: int | None = None) -> None:
        self.run = self.run.with_changes(commands=(Command(kind=kind, at=self.now, node=node),))
        self.happens(Obey())

    def awaited(self) -> list[Task]:
        nodes = self.run.node_runs
        queued = [task for task in self.tasks if nodes[task.node].state is NodeState.QUEUED]
        return [task for task in queued if nodes[task.node].attempt == task.attempt]

    def indexes(self, *states: NodeState) -> list[int]:
        return [index for index, node in enumerate(self.run.node_runs) if node.state in states]


def one_step(life: Life, data: st.DataObject) -> None:
    life.now += timedelta(seconds=1)
    awaited = life.awaited()
    failed = life.indexes(NodeState.FAILED, NodeState.WAITING)
    match data.draw(st.sampled_from(["end", "end", "end", "end", "fail", "flaky", "tick", "pause", "resume", "retry"])):
        case "end" if awaited:
            result = NodeResult(payload={"Path": "/a.mp4"}, metadata={"Width": 640})
            life.happens(Ended(ended(data.draw(st.sampled_from(awaited)), now=life.now, result=result)))
        case "fail" | "flaky" as how if awaited:
            failure = FLAKY if how == "flaky" else BROKEN
            task = data.draw(st.sampled_from(awaited))
            life.happens(Ended(ended(task, state=TaskState.FAILED, now=life.now, failure=failure)))
        case "tick":
            life.now += timedelta(seconds=100)
            life.happens(Tick())
        case "pause":
            life.command(CommandKind.PAUSE)
        case "resume":
            life.command(CommandKind.RESUME)
        case "retry" if failed:
            life.command(CommandKind.RETRY_NODE, data.draw(st.sampled_from(failed)))
        case _:
            pass


_STATUS = {
    NodeState.SUCCEEDED: "SUCCESS",
    NodeState.FAILED: "FAIL",
    NodeState.QUEUED: "PROCESSING",
    NodeState.WAITING: "PROCESSING",
}


def expected(run: Run) -> list[str]:
    """What must be shown of the run as it is now; skipped, cancelled and pending nodes are not."""
    states = [state.state for state in run.node_runs[1:-1]]
    return [_STATUS[state] for state in states if state in _STATUS]


def shown(task: dict[str, Any]) -> list[str]:
    items = [item["ActivityResItem"] for item in task["ActivityResultSet"]]
    return [member["Status"] for item in items for member in item.values() if member is not None]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(graphs(), st.data())
def test_an_event_shows_the_same_whenever_it_is_rendered(nodes: tuple[Node, ...], data: st.DataObject) -> None:
    life = Life(nodes)
    life.happens(Begin())
    for _ in range(data.draw(st.integers(0, 30))):
        one_step(life, data)
    if data.draw(st.integers(0, 3)) == 0:
        life.command(CommandKind.CANCEL)
    last = life.run
    by_hand = any(node.fresh_at for node in last.node_runs)
    event(f"{last.state.value}, {'with' if by_hand else 'without'} a retry by hand")
    for stage in life.stages:
        assert shown(mps_task(stage, up_to=stage.sequence)) == expected(stage)
        for sequence in range(1, stage.sequence + 1):
            assert mps_task(stage, up_to=sequence) == mps_task(last, up_to=sequence)
    if last.state.final:
        assert mps_task(last, up_to=last.sequence) == mps_task(last)
