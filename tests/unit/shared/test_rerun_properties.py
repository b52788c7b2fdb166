"""Random graphs with rules, random fates, random wishes: a rerun is whole, and it runs to its end."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from services.scheduler.domain import step as step_module
from services.scheduler.domain.advance import advance
from services.scheduler.domain.edges import Reached, Skip, Start, verdict
from services.scheduler.domain.events import Begin, Ended
from services.scheduler.domain.rules import Decision
from shared.model.failure import ErrCode, Failure
from shared.model.pipeline import OUTPUT, RULES, Join, Node, predecessors
from shared.model.rerun import Basis, Fate, RerunScope, origin_of, plan, rerun
from shared.model.run import NodeRun, NodeState, Run, RunState
from shared.model.task import NodeResult
from tests.builders import T0, a_graph, a_run, ended

BAD = (NodeState.FAILED, NodeState.CANCELLED)


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Node, ...]:
    """input, up to nine nodes (some of them rules, some joining any, some alike), output."""
    inner = draw(st.integers(0, 9))
    last = inner + 1
    edges: list[set[int]] = [set() for _ in range(last + 1)]
    for node in range(1, last):
        for before in draw(st.sets(st.integers(0, node - 1), min_size=1, max_size=3)):
            edges[before].add(node)
    for node in range(last):
        if not edges[node] or draw(st.integers(0, 9)) == 0:
            edges[node].add(last)
    kinds = {
        f"n{node}": Node(
            kind=draw(st.sampled_from(["noop", "noop", RULES])),
            join=draw(st.sampled_from([Join.ALL, Join.ALL, Join.ANY])),
            params={"SleepMs": draw(st.integers(0, 2))},
        )
        for node in range(1, last)
    }
    return a_graph([sorted(found) for found in edges], **kinds)


def chosen_by(draw: st.DrawFn, node: Node) -> tuple[int, ...]:
    return tuple(one for one in node.successors if draw(st.booleans()))


@st.composite
def ended_runs(draw: st.DrawFn, bad: tuple[NodeState, ...] = BAD) -> Run:
    """A run as it may have ended: what becomes of its nodes is drawn, what follows from that is the scheduler's."""
    nodes = draw(graphs())
    run = a_run(nodes)
    before = predecessors(nodes)
    states = list(run.node_runs)
    for index, node in enumerate(nodes):
        match verdict(run, states, index, before[index]) if before[index] else Start(()):
            case Start() if bad and draw(st.integers(0, 3)) == 0:
                state = draw(st.sampled_from(bad))
                failure = Failure(code=ErrCode.INTERNAL, message="drawn") if state is NodeState.FAILED else None
                states[index] = NodeRun(state=state, attempt=1, failure=failure)
            case Start():
                chosen = chosen_by(draw, node) if node.kind == RULES else None
                result = NodeResult(payload=index, chosen=chosen)
                states[index] = NodeRun(state=NodeState.SUCCEEDED, attempt=draw(st.integers(1, 3)), result=result)
            case Skip(reason, unchosen):
                states[index] = NodeRun(state=NodeState.SKIPPED, reason=reason, unchosen=unchosen)
            case Reached():
                states[index] = NodeRun(state=NodeState.SUCCEEDED)
            case other:
                raise AssertionError(f"node {index} would wait: {other}")
    has_failed = any(state.state is NodeState.FAILED for state in states)
    return run.with_changes(
        node_runs=tuple(states), state=RunState.FAILED if has_failed else RunState.SUCCEEDED, finished_at=T0
    )


def behind(nodes: Sequence[Node], starts: set[int]) -> set[int]:
    found = set(starts)
    for index in range(len(nodes)):
        if index in found:
            found |= set(nodes[index].successors)  # edges go to higher indexes
    return found


def check_whole(run: Run, basis: Basis, fates: Sequence[Fate]) -> Run:
    """What holds for every rerun, whatever was asked for."""
    again = rerun(run, basis, fates, T0)
    before = predecessors(basis.nodes)
    assert len(fates) == len(basis.nodes)
    for index, fate in enumerate(fates):
        state = again.node_runs[index]
        match fate.action:
            case "reused":
                assert fate.old is not None
                old = run.node_runs[fate.old]
                assert (state.state, state.result, old.state) == (NodeState.SUCCEEDED, old.result, NodeState.SUCCEEDED)
                assert state.reused == fate.origin == origin_of(run, fate.old)
                assert run.nodes[fate.old].kind == basis.nodes[index].kind
                assert run.nodes[fate.old].params == basis.nodes[index].params
            case "unchosen":
                assert (state.state, state.unchosen, state.reused) == (NodeState.SKIPPED, True, None)
            case "redone":
                assert state == NodeRun()
        if fate.action != "redone":
            assert all(fates[one].action != "redone" for one in before[index]), "reused behind what is redone"
            # The scheduler, if it had to decide now, would come to the same.
            if before[index]:
                found = verdict(again, again.node_runs, index, before[index])
                assert isinstance(found, Start if fate.action == "reused" else Skip)
    olds = [fate.old for fate in fates if fate.old is not None]
    assert len(set(olds)) == len(olds)
    assert fates[-1].action == "redone"
    return again


@given(ended_runs(), st.data())
def test_from_failed_nodes_redoes_exactly_what_has_no_result_and_what_follows(run: Run, data: st.DataObject) -> None:
    spoiled = {
        index: "gone"
        for index, node in enumerate(run.node_runs)
        if node.state is NodeState.SUCCEEDED and data.draw(st.integers(0, 5)) == 0
    }
    fates = plan(run, Basis.same(run), RerunScope.FAILED, spoiled=spoiled)
    check_whole(run, Basis.same(run), fates)
    without = {
        index
        for index, node in enumerate(run.node_runs)
        if node.state is not NodeState.SUCCEEDED and not (node.state is NodeState.SKIPPED and node.unchosen)
    }
    wanted = behind(run.nodes, without | set(spoiled)) | {len(run.nodes) - 1}
    assert {index for index, fate in enumerate(fates) if fate.action == "redone"} == wanted


@given(ended_runs(bad=()), st.data())
def test_one_node_of_a_sound_run_redoes_exactly_it_and_what_follows(run: Run, data: st.DataObject) -> None:
    node = data.draw(st.integers(0, len(run.nodes) - 1))
    fates = plan(run, Basis.same(run), RerunScope.NODE, node)
    check_whole(run, Basis.same(run), fates)
    wanted = behind(run.nodes, {node}) | {len(run.nodes) - 1}
    assert {index for index, fate in enumerate(fates) if fate.action == "redone"} == wanted


@given(ended_runs(), graphs(), st.sampled_from([RerunScope.ALL, RerunScope.FAILED]))
def test_any_other_definition_makes_a_whole_rerun(run: Run, nodes: tuple[Node, ...], scope: RerunScope) -> None:
    basis = Basis(nodes, 2, "p", run.target, None)
    fates = plan(run, basis, scope)
    check_whole(run, basis, fates)
    if scope is RerunScope.ALL:
        assert {fate.action for fate in fates} == {"redone"}


@settings(suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(ended_runs(bad=()), st.data())
def test_a_definition_with_its_nodes_in_another_order_reuses_them_all(run: Run, data: st.DataObject) -> None:
    inner = list(range(1, len(run.nodes) - 1))
    places = [0, *data.draw(st.permutations(inner)), len(run.nodes) - 1]
    # Rules name their successors by index; and of several predecessors the first by index is read.
    assume(all(node.kind != RULES for node in run.nodes))
    for before in predecessors(run.nodes)[:-1]:
        assume([places[one] for one in before] == sorted(places[one] for one in before))
    moved: list[Node] = [Node(kind=OUTPUT)] * len(run.nodes)
    for index, node in enumerate(run.nodes):
        after = tuple(sorted(places[one] for one in node.successors))
        moved[places[index]] = node.model_copy(update={"successors": after})
    fates = plan(run, Basis(tuple(moved), 2, "p", run.target, None), RerunScope.FAILED)
    assert all(fate.action == "reused" for fate in fates[:-1])


@settings(max_examples=60)
@given(ended_runs(), st.data())
def test_the_scheduler_takes_a_rerun_to_its_end_and_leaves_what_is_reused_alone(run: Run, data: st.DataObject) -> None:
    scope = data.draw(st.sampled_from([RerunScope.ALL, RerunScope.FAILED]))
    again = check_whole(run, Basis.same(run), plan(run, Basis.same(run), scope))

    def decide(_: Run, index: int, before: int) -> Decision:
        return Decision(NodeResult(chosen=tuple(run.nodes[index].successors[:1])), "the first")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(step_module, "decide", decide)
        now, messages = advance(again, Begin(), T0)
        tasks = [entry.task for entry in messages if entry.task is not None]
        while tasks:
            task = tasks.pop(data.draw(st.integers(0, len(tasks) - 1)))
            assert again.node_runs[task.node].state is NodeState.PENDING, "what was taken over is done again"
            now, messages = advance(now, Ended(ended(task)), T0)
            tasks += [entry.task for entry in messages if entry.task is not None]
    assert now.state is RunState.SUCCEEDED
    for index, node in enumerate(again.node_runs):
        if node.state is not NodeState.PENDING:
            assert now.node_runs[index].model_copy(update={"sequence": None}) == node
