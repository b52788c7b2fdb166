"""Random graphs, random fates of their tasks, commands, random order, duplicates and late news: the guarantees hold
after every step, and every run ends."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from services.scheduler.domain.events import Begin, Obey, Tick
from shared.model.failure import ErrCode, Failure
from shared.model.graph import check_graph
from shared.model.pipeline import Join, Node
from shared.model.run import CommandKind, NodeState
from shared.model.task import NodeResult, Task, TaskState
from tests.builders import a_graph, a_media, a_run
from tests.unit.scheduler.life import Life
from tests.unit.scheduler.moves import a_rule


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Node, ...]:
    """input, up to nine nodes, output; edges go to higher indexes; everything lies on a way from start to end. Some
    nodes are rules that choose some of their successors, some start with the first predecessor."""
    inner = draw(st.sampled_from(range(10)))  # not integers(), which like to be small
    last = inner + 1
    edges: list[set[int]] = [set() for _ in range(last + 1)]
    for node in range(1, last):
        for before in draw(st.sets(st.integers(0, node - 1), min_size=1, max_size=3)):
            edges[before].add(node)
    for node in range(last):
        if not edges[node] or draw(st.integers(0, 9)) == 0:
            edges[node].add(last)
    nodes = list(a_graph([sorted(found) for found in edges]))
    for index in range(1, last):
        ways = nodes[index].successors
        if draw(st.integers(0, 4)) == 0:
            chosen = draw(st.sets(st.sampled_from(ways)))
            nodes[index] = a_rule(*sorted(chosen), of=ways).model_copy(update={"successors": ways})
        join = draw(st.sampled_from([Join.ALL, Join.ALL, Join.ANY]))
        nodes[index] = nodes[index].model_copy(update={"join": join})
    check_graph(nodes)
    return tuple(nodes)


FATES = st.sampled_from(["succeed", "succeed", "media", "fail", "fail", "retry", "retry", "cancel"])
HAPPENINGS = st.sampled_from(["end"] * 8 + ["again", "begin", "tick", "tick", "sent", "obey", "retry", "retry"])
RARE = st.sampled_from(["pause", "pause", "resume", "resume", "cancel"])


def meets_its_fate(life: Life, task: Task, fate: str) -> None:
    match fate:
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


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(graphs(), st.booleans(), st.data())
def test_guarantees_hold_on_every_way_through_every_graph(
    nodes: tuple[Node, ...], skip_probe: bool, data: st.DataObject
) -> None:
    life = Life(a_run(nodes, skip_probe=skip_probe))
    asked = 0
    if data.draw(st.integers(0, 9)):
        life.happens(Begin())
    for _ in range(data.draw(st.sampled_from([0, 10, 20, 40]))):
        awaited = life.awaited()
        happening = data.draw(HAPPENINGS) if data.draw(st.integers(0, 7)) else data.draw(RARE)
        match happening:
            case "end" if awaited:
                meets_its_fate(life, data.draw(st.sampled_from(awaited)), data.draw(FATES))
            case "again" if life.news:
                old = data.draw(st.sampled_from(life.news))
                before, quiet = life.run, not life.run.commands
                life.happens(old)
                assert life.run is before or not quiet, "news that was taken in already changed something"
            case "begin":
                life.happens(Begin())
            case "tick":
                life.now += timedelta(seconds=data.draw(st.integers(0, 8)))
                life.happens(Tick())
            case "sent":
                life.sends()
            case "obey":
                life.happens(Obey())
            case "retry":
                # One that failed, if there is one: anything else is refused.
                nodes_now = enumerate(life.run.node_runs)
                failed = [index for index, node in nodes_now if node.state in (NodeState.FAILED, NodeState.WAITING)]
                if life.asks(CommandKind.RETRY_NODE, data.draw(st.sampled_from(failed or [0, len(nodes) - 1]))):
                    skipped = [node.state for node in life.run.node_runs].count(NodeState.SKIPPED)
                    event(f"retry, {min(skipped, 3)} skipped")
                    asked += 1
            case "pause" | "resume" | "cancel":
                asked += life.asks(CommandKind(happening))
            case _:
                pass
    life.to_the_end()
    event(f"{life.run.state.value}, {'asked' if asked else 'not asked'}")
    life.check_end()
