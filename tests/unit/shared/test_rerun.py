"""What a rerun takes over and what it does again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from shared.ids import run_id
from shared.model.failure import ErrCode, Failure
from shared.model.pipeline import RULES, Node, OutputPlace, TaskType
from shared.model.rerun import Basis, RerunScope, plan, rerun, rerun_id
from shared.model.run import NodeRun, NodeState, Reused, Run, RunState
from shared.model.task import NodeResult, OutputTarget
from tests.builders import BUCKET, REGION, T0, TENANT, a_diamond, a_graph, a_media, a_notification, a_pipeline, a_run

LATER = T0 + timedelta(hours=1)


def made(payload: object = "p", **members: Any) -> NodeRun:
    return NodeRun(
        state=NodeState.SUCCEEDED,
        attempt=2,
        sequence=9,
        source=a_media(),
        queued_at=T0,
        started_at=T0 + timedelta(seconds=1),
        finished_at=T0 + timedelta(seconds=2),
        result=NodeResult(payload=payload, **members),
    )


def failed() -> NodeRun:
    return NodeRun(
        state=NodeState.FAILED, attempt=3, failure=Failure(code=ErrCode.INTERNAL, message="no bucket"), sequence=7
    )


def skipped(reason: str = "node 1 (noop) failed") -> NodeRun:
    return NodeRun(state=NodeState.SKIPPED, reason=reason, sequence=8)


UNCHOSEN = NodeRun(state=NodeState.SKIPPED, unchosen=True, reason="not chosen by node 1 (rules)", sequence=5)
CANCELLED = NodeRun(state=NodeState.CANCELLED, attempt=1)
END = NodeRun(state=NodeState.SUCCEEDED)


def ended(nodes: tuple[Node, ...], *node_runs: NodeRun, state: RunState = RunState.FAILED, **members: Any) -> Run:
    run = a_run(nodes, run_id=run_id(TENANT, "first"), metadata={"Duration": 5}, **members)
    return run.with_changes(state=state, node_runs=(*node_runs, END), finished_at=T0)


def actions(run: Run, scope: RerunScope, **how: Any) -> list[str]:
    return [fate.action for fate in plan(run, how.pop("basis", None) or Basis.same(run), scope, **how)]


ONE_OF_THREE_FAILED = ended(a_diamond(), made(), failed(), made("two"), made("three"), skipped())


def test_from_failed_nodes_redoes_them_and_what_follows_and_reuses_the_rest() -> None:
    fates = plan(ONE_OF_THREE_FAILED, Basis.same(ONE_OF_THREE_FAILED), RerunScope.FAILED)
    assert [fate.action for fate in fates] == ["reused", "redone", "reused", "reused", "redone", "redone"]
    assert [fate.reason for fate in fates if fate.action == "redone"] == [
        "failed: no bucket",
        "follows node 1, which is done again",
        "the end of the graph",
    ]
    assert fates[2].origin == Reused(run_id=ONE_OF_THREE_FAILED.id, node=2, attempt=2)


def test_whole_rerun_redoes_everything() -> None:
    assert set(actions(ONE_OF_THREE_FAILED, RerunScope.ALL)) == {"redone"}


def test_one_node_is_redone_with_what_follows() -> None:
    run = ended(a_diamond(), made(), made(), made(), made(), made(), state=RunState.SUCCEEDED)
    assert actions(run, RerunScope.NODE, node=2) == ["reused", "reused", "redone", "reused", "redone", "redone"]
    assert actions(run, RerunScope.NODE, node=0) == ["redone"] * 6


def test_one_node_of_a_failed_run_comes_with_what_has_no_result() -> None:
    assert actions(ONE_OF_THREE_FAILED, RerunScope.NODE, node=2) == [
        "reused", "redone", "redone", "reused", "redone", "redone"
    ]  # fmt: skip


def test_cancelled_nodes_are_redone() -> None:
    run = ended(a_diamond(), made(), made(), CANCELLED, CANCELLED, CANCELLED, state=RunState.CANCELLED)
    assert actions(run, RerunScope.FAILED) == ["reused", "reused", "redone", "redone", "redone", "redone"]


def test_spoiled_results_are_redone_with_what_follows() -> None:
    run = ended(a_diamond(), made(), made(), made(), made(), made(), state=RunState.SUCCEEDED)
    fates = plan(run, Basis.same(run), RerunScope.FAILED, spoiled={3: "its output is gone"})
    assert [fate.action for fate in fates] == ["reused", "reused", "reused", "redone", "redone", "redone"]
    assert fates[3].reason == "its output is gone"


# 0 -> 1 rules -> 2 (chosen), 3 (not) -> 4 join; 5 after 3; 6 the end
BRANCHES = a_graph([[1], [2, 3], [4], [4, 5], [6], [6], []], n1=Node(kind=RULES))
BRANCHED = ended(
    BRANCHES, made(), made(chosen=(2,)), failed(), UNCHOSEN, skipped("node 2 (noop) failed"), UNCHOSEN
)  # fmt: skip


def test_a_rule_that_is_not_done_again_keeps_its_choice() -> None:
    assert actions(BRANCHED, RerunScope.FAILED) == [
        "reused", "reused", "redone", "unchosen", "redone", "unchosen", "redone"
    ]  # fmt: skip
    run = rerun(BRANCHED, Basis.same(BRANCHED), plan(BRANCHED, Basis.same(BRANCHED), RerunScope.FAILED), LATER)
    assert [node.state.value for node in run.node_runs] == [
        "succeeded", "succeeded", "pending", "skipped", "pending", "skipped", "pending"
    ]  # fmt: skip
    assert run.node_runs[3] == UNCHOSEN.model_copy(update={"sequence": None})
    assert run.node_runs[1].result.chosen == (2,)


def test_a_rule_that_is_done_again_chooses_anew() -> None:
    assert actions(BRANCHED, RerunScope.NODE, node=1) == ["reused"] + ["redone"] * 6


def test_twins_behind_a_rule_are_not_taken_for_each_other() -> None:
    """The chosen one of two nodes that do the same work moved: by its work alone it could be either."""
    edges = [[1], [2, 3], [4], [4], []]
    run = ended(a_graph(edges, n1=Node(kind=RULES)), made(), made(chosen=(3,)), UNCHOSEN, made(), state=RunState.FAILED)
    latest = a_graph(edges, n1=Node(kind=RULES), n2=Node(kind="probe"))
    fates = plan(run, Basis(latest, 2, "p", run.target, None), RerunScope.FAILED)
    assert [fate.old for fate in fates[:4]] == [0, 1, None, 2]
    assert [fate.action for fate in fates[:4]] == ["reused", "reused", "redone", "redone"]
    assert fates[3].reason == "the rules before it were answered otherwise"


def test_new_run_is_due_and_carries_what_the_old_one_was_told() -> None:
    run = ended(
        a_diamond(),
        made(),
        failed(),
        made(),
        made(),
        skipped(),
        notification=a_notification(),
        priority=4,
        session_id="s",
        session_context="c",
    )
    again = rerun(run, Basis.same(run), plan(run, Basis.same(run), RerunScope.FAILED), LATER)
    assert again.id == rerun_id(run) == run_id(TENANT, "rerun", run.id, "1")
    assert (again.rerun_of, again.root, again.epoch, again.version) == (run.id, run.id, 1, 0)
    assert (again.state, again.created_at, again.due_at) == (RunState.REQUESTED, LATER, LATER)
    for member in ("tenant", "pipeline_id", "definition", "nodes", "input", "target", "notification", "priority",
                   "session_id", "session_context", "metadata", "skip_probe"):  # fmt: skip
        assert getattr(again, member) == getattr(run, member), member
    assert (again.history, again.outbox, again.commands, again.failure) == ((), (), (), None)
    kept = run.node_runs[2]
    origin = Reused(run_id=run.id, node=2, attempt=2)
    assert again.node_runs[2] == kept.model_copy(update={"reused": origin, "sequence": None})
    assert again.node_runs[1] == NodeRun()


def test_a_rerun_is_the_same_type_of_task() -> None:
    old = ended(a_diamond(), made(), made(), failed(), made(), skipped(), task_type=TaskType.WORKFLOW)
    again = rerun(old, Basis.same(old), plan(old, Basis.same(old), RerunScope.ALL), LATER)
    assert again.task_type is TaskType.WORKFLOW
    assert again.id.split("-")[1] == "WorkflowTask"


def test_metadata_goes_with_the_probe() -> None:
    run = rerun(
        ONE_OF_THREE_FAILED,
        Basis.same(ONE_OF_THREE_FAILED),
        plan(ONE_OF_THREE_FAILED, Basis.same(ONE_OF_THREE_FAILED), RerunScope.ALL),
        LATER,
    )
    assert run.metadata is None


def test_origin_is_the_attempt_that_made_it_through_chains_of_reruns() -> None:
    first = ONE_OF_THREE_FAILED
    second = rerun(first, Basis.same(first), plan(first, Basis.same(first), RerunScope.FAILED), LATER)
    nodes = [*second.node_runs[:1], failed(), *second.node_runs[2:4], skipped(), END]
    second = second.with_changes(state=RunState.FAILED, node_runs=tuple(nodes))
    third = rerun(second, Basis.same(second), plan(second, Basis.same(second), RerunScope.FAILED), LATER)
    assert third.id == run_id(TENANT, "rerun", first.id, "2")
    assert (third.rerun_of, third.root, third.epoch) == (second.id, first.id, 2)
    assert third.node_runs[2].reused == Reused(run_id=first.id, node=2, attempt=2)


# -- the latest definition ----------------------------------------------------------------------------------------


def latest(run: Run, nodes: tuple[Node, ...], **pipeline: Any) -> Basis:
    place = OutputPlace(bucket=BUCKET, region=REGION, dir="/out/")
    return Basis.latest(run, a_pipeline(nodes=nodes, **({"definition": 2, "output": place} | pipeline)))


def test_latest_definition_reuses_what_is_the_same_work() -> None:
    one, two, three = (Node(kind="noop", params={"SleepMs": ms}) for ms in (1, 2, 3))
    run = ended(a_graph([[1, 2], [3], [3], []], n1=one, n2=two), made(), made("one"), made("two"))
    basis = latest(run, a_graph([[1, 2, 3], [4], [4], [4], []], n1=two, n2=three, n3=one), name="renamed")
    fates = plan(run, basis, RerunScope.FAILED)
    assert [fate.action for fate in fates] == ["reused", "reused", "redone", "reused", "redone"]
    assert fates[2].reason == "new or changed in this definition"
    again = rerun(run, basis, fates, LATER)
    assert [node.result.payload if node.result else None for node in again.node_runs] == ["p", "two", None, "one", None]
    assert again.node_runs[1].reused == Reused(run_id=run.id, node=2, attempt=2)
    assert (again.definition, again.pipeline_name, again.nodes) == (2, "renamed", basis.nodes)


def test_latest_definition_brings_its_notification_and_place() -> None:
    run = ended(a_diamond(), made(), made(), made(), made(), made())
    basis = latest(run, a_diamond(), notification=a_notification(), output=OutputPlace(dir="/elsewhere/"))
    fates = plan(run, basis, RerunScope.FAILED)
    again = rerun(run, basis, fates, LATER)
    assert again.target == OutputTarget(bucket=BUCKET, region=REGION, dir="/elsewhere/")
    assert again.notification == a_notification()
    # The probe wrote nothing; everything else would have written elsewhere.
    assert [fate.action for fate in fates] == ["reused"] + ["redone"] * 5
    assert fates[1].reason == "its outputs go to another place now"


def test_asking_for_a_node_that_the_latest_definition_has_not_redoes_what_is_new() -> None:
    run = ended(a_graph([[1], [2], []], n1=Node(kind="noop", params={"a": 1})), made(), made())
    basis = latest(run, a_graph([[1], [2], []], n1=Node(kind="noop", params={"a": 2})))
    assert actions(run, RerunScope.NODE, node=1, basis=basis) == ["reused", "redone", "redone"]


@pytest.mark.parametrize("scope", list(RerunScope))
def test_failed_probe_redoes_everything(scope: RerunScope) -> None:
    run = ended(a_diamond(), failed(), *[skipped()] * 4)
    assert set(actions(run, scope, node=0 if scope is RerunScope.NODE else None)) == {"redone"}
