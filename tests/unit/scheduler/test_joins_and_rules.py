"""When a node starts, is skipped, or is passed by: joins of both modes, behind branches that rules chose or not."""

from __future__ import annotations

import time

import pytest

from services.scheduler.domain.advance import advance
from services.scheduler.domain.events import Begin, Ended
from shared.model.pipeline import Join, Node
from shared.model.run import NodeState, RunEventType, RunState
from shared.model.task import TaskState
from tests.builders import T0, a_graph, a_media, a_run, ended
from tests.unit.scheduler.moves import FLAKY, a_rule, begun, fails, probed, states, step, succeeds, ticks, told

ANY = Node(kind="noop", join=Join.ANY)


# -- any ----------------------------------------------------------------------------------------------------------


def test_join_of_any_starts_with_the_first_success_and_once() -> None:
    run, tasks = probed(a_graph([[1, 2, 3], [4], [4], [4], [5], []], n4=ANY))
    run, [join] = succeeds(run, tasks[2], media=a_media("out/two.mp4"))
    assert (join.node, join.source.key) == (4, "out/two.mp4"), "it reads what the first one made"
    for node in (1, 3):
        run, following = succeeds(run, tasks[node], media=a_media("out/other.mp4"))
        assert following == []
    run, _ = succeeds(run, join)
    assert run.state is RunState.SUCCEEDED
    assert [node for kind, node in told(run) if kind == "node.succeeded"].count(4) == 1


def test_join_of_any_waits_past_failures_for_a_success() -> None:
    run, tasks = probed(a_graph([[1, 2], [3], [3], [4], []], n3=ANY))
    run, following = fails(run, tasks[1])
    assert (following, run.node_runs[3].state) == ([], NodeState.PENDING)
    run, [join] = succeeds(run, tasks[2])
    run, _ = succeeds(run, join)
    assert states(run) == ["succeeded", "failed", "succeeded", "succeeded", "succeeded"]
    assert run.state is RunState.FAILED, "a node failed"


def test_join_of_any_is_skipped_when_nothing_succeeded() -> None:
    run, tasks = probed(a_graph([[1, 2], [3], [3], [4], []], n3=ANY))
    run, _ = fails(run, tasks[1])
    run, _ = fails(run, tasks[2])
    node = run.node_runs[3]
    assert (node.state, node.unchosen, node.reason) == (NodeState.SKIPPED, False, "node 1 (noop) failed")
    assert run.state is RunState.FAILED


def test_join_of_any_does_not_start_for_a_retry() -> None:
    run, tasks = probed(a_graph([[1, 2], [3], [3], [4], []], n3=ANY))
    run, _ = fails(run, tasks[1], FLAKY)
    assert run.node_runs[3].state is NodeState.PENDING
    run, [again] = ticks(run)
    run, [join] = succeeds(run, again)
    assert join.node == 3


def test_branch_that_is_skipped_after_the_join_of_any_began_changes_nothing() -> None:
    run, tasks = probed(a_graph([[1, 2], [4], [3], [4], [5], []], n4=ANY))
    run, [join] = succeeds(run, tasks[1])
    run, following = fails(run, tasks[2])
    assert (following, states(run)[3:]) == ([], ["skipped", "queued", "pending"])
    run, _ = succeeds(run, join)
    assert run.state is RunState.FAILED


def test_run_ends_only_after_what_the_join_did_not_wait_for() -> None:
    run, tasks = probed(a_graph([[1, 2], [3], [3], [4], []], n3=ANY))
    run, [join] = succeeds(run, tasks[1])
    run, _ = succeeds(run, join)
    assert (run.state, run.node_runs[4].state) == (RunState.RUNNING, NodeState.SUCCEEDED)
    run, _ = succeeds(run, tasks[2])
    assert run.state is RunState.SUCCEEDED


# -- rules --------------------------------------------------------------------------------------------------------


def test_rules_run_what_they_chose_and_say_why_the_rest_is_skipped() -> None:
    run, probe = begun(a_graph([[1], [2, 3], [4], [4], []], n1=a_rule(3, of=(2, 3))))
    run, tasks = succeeds(run, probe)
    assert [task.node for task in tasks] == [3]
    rules, skipped = run.node_runs[1], run.node_runs[2]
    assert (rules.state, rules.attempt, rules.source) == (NodeState.SUCCEEDED, 1, run.input)
    assert rules.result is not None
    assert rules.result.chosen == (3,)
    assert "rule holds" in (rules.reason or "")
    assert (skipped.state, skipped.unchosen, skipped.reason) == (
        NodeState.SKIPPED,
        True,
        "not chosen by node 1 (rules)",
    )
    run, _ = succeeds(run, tasks[0])
    assert run.state is RunState.SUCCEEDED, "what was not chosen is nobody's failure"


def test_all_that_follows_only_from_what_was_not_chosen_is_not_chosen() -> None:
    run, probe = begun(a_graph([[1], [2, 5], [3], [4], [6], [6], []], n1=a_rule(5, of=(2, 5))))
    run, [chosen] = succeeds(run, probe)
    assert [(node.state.value, node.unchosen) for node in run.node_runs[2:5]] == [("skipped", True)] * 3
    assert run.node_runs[4].reason == "node 3 (noop) was not chosen"
    run, _ = succeeds(run, chosen)
    assert run.state is RunState.SUCCEEDED


@pytest.mark.parametrize("join", list(Join))
def test_join_behind_branches_waits_only_for_those_that_were_chosen(join: Join) -> None:
    nodes = a_graph([[1], [2, 3], [4], [4], [5], []], n1=a_rule(3, of=(2, 3)), n4=Node(kind="noop", join=join))
    run, probe = begun(nodes)
    run, [branch] = succeeds(run, probe)
    made = a_media("out/three.mp4")
    run, [after] = succeeds(run, branch, media=made)
    assert (after.node, after.source) == (4, made)


@pytest.mark.parametrize("join", list(Join))
@pytest.mark.parametrize("chosen_first", [True, False])
def test_join_of_what_was_not_chosen_and_what_failed_is_skipped_for_the_failure(join: Join, chosen_first: bool) -> None:
    way, other = (2, 3) if chosen_first else (3, 2)
    nodes = a_graph([[1], [2, 3], [4], [4], [5], []], n1=a_rule(way, of=(2, 3)), n4=Node(kind="noop", join=join))
    run, probe = begun(nodes)
    run, [branch] = succeeds(run, probe)
    run, following = fails(run, branch)
    after = run.node_runs[4]
    assert (following, after.state, after.unchosen) == ([], NodeState.SKIPPED, False)
    assert after.reason == f"node {way} (noop) failed"
    assert run.node_runs[other].unchosen
    assert run.state is RunState.FAILED


def test_rules_that_choose_nothing_end_the_run_well() -> None:
    run, probe = begun(a_graph([[1], [2, 3], [4], [4], []], n1=a_rule(of=(2, 3))))
    run, following = succeeds(run, probe)
    assert following == []
    assert states(run) == ["succeeded", "succeeded", "skipped", "skipped", "succeeded"]
    assert (run.state, run.history[-1].state) == (RunState.SUCCEEDED, "succeeded")


def test_rules_may_lead_straight_to_the_end() -> None:
    run, probe = begun(a_graph([[1], [2, 3], [3], []], n1=a_rule(3, of=(2, 3))))
    run, _ = succeeds(run, probe)
    assert states(run) == ["succeeded", "succeeded", "skipped", "succeeded"]
    assert run.state is RunState.SUCCEEDED


def test_rules_behind_rules_are_decided_in_the_same_step() -> None:
    nodes = a_graph([[1], [2, 3], [4], [4, 5], [5], []], n1=a_rule(3, of=(2, 3)), n3=a_rule(5, of=(4, 5)))
    run, probe = begun(nodes)
    run, following = succeeds(run, probe)
    assert (following, run.state) == ([], RunState.SUCCEEDED)
    assert states(run) == ["succeeded", "succeeded", "skipped", "succeeded", "skipped", "succeeded"]
    assert (run.node_runs[4].unchosen, run.node_runs[4].reason) == (True, "node 2 (noop) was not chosen")


def test_rules_after_a_failure_are_skipped_with_all_their_branches() -> None:
    run, tasks = probed(a_graph([[1], [2], [3, 4], [5], [5], []], n2=a_rule(3, of=(3, 4))))
    run, _ = fails(run, tasks[1])
    assert states(run) == ["succeeded", "failed", "skipped", "skipped", "skipped", "succeeded"]
    assert not any(node.unchosen for node in run.node_runs)
    assert run.node_runs[3].reason == "node 2 (rules) skipped"


def test_rules_see_what_the_source_is() -> None:
    wide = {"Id": "wide", "Expression": "MetaData.Width >= 1080", "RearDriveIndexs": [2]}
    rules = Node(kind="rules", params={"Rules": [wide], "ElseRearDriveIndexs": [3]})
    for width, chosen in ((1920, 2), (640, 3)):
        run, probe = begun(a_graph([[1], [2, 3], [4], [4], []], n1=rules))
        run, [task] = succeeds(run, probe, metadata={"Width": width})
        assert task.node == chosen


def test_rules_first_of_all_with_the_probe_skipped() -> None:
    run, [task] = step(a_run(a_graph([[1], [2, 3], [4], [4], []], n1=a_rule(2, of=(2, 3))), skip_probe=True), Begin())
    assert (task.node, task.source) == (2, run.input)


# -- size ---------------------------------------------------------------------------------------------------------


def test_failure_at_the_head_of_a_thousand_nodes_in_the_worst_order_is_settled_at_once() -> None:
    """Edges that lead from higher to lower indexes: a pass over all nodes for each of them would take seconds."""
    size = 1000
    edges: list[list[int]] = [[size - 2], *([index - 1] for index in range(1, size - 1)), []]
    edges[1] = [size - 1]
    run, probe = begun(a_graph(edges))
    began = time.process_time()
    run, _ = step(run, Ended(ended(probe, TaskState.FAILED)))
    assert time.process_time() - began < 0.4
    assert run.state is RunState.FAILED
    assert states(run).count("skipped") == size - 2
    assert [event.type for event in run.history].count(RunEventType.NODE_SKIPPED) == size - 2


def test_fan_of_a_thousand_nodes_is_queued_and_joined_once() -> None:
    size = 1000
    began = time.process_time()
    run, tasks = probed(a_graph([list(range(1, size - 2)), *([size - 2] for _ in range(size - 3)), [size - 1], []]))
    assert time.process_time() - began < 0.6
    assert len(tasks) == size - 3
    *most, last = tasks.values()
    nodes = [node.model_copy(update={"state": NodeState.SUCCEEDED}) for node in run.node_runs[: len(most) + 1]]
    run = run.with_changes(node_runs=(*nodes, *run.node_runs[len(most) + 1 :]), outbox=())
    run, messages = advance(run, Ended(ended(last)), T0)
    assert [entry.task.node for entry in messages if entry.task] == [size - 2]
