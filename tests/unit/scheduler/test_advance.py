from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from services.scheduler.domain.advance import advance
from services.scheduler.domain.events import Begin, Ended, Tick
from services.scheduler.domain.step import NOTIFY_PATIENCE
from services.scheduler.domain.tasks import OUTBOX_PATIENCE, WATCH_MAX, WATCH_MIN, due_at, retry_at
from shared.ids import task_id
from shared.model.kinds import PROBE, RetryPolicy
from shared.model.pipeline import Node, NotifyMode
from shared.model.run import NodeState, RunEventType, RunState
from shared.model.task import Lane, NodeResult, TaskState
from tests.builders import T0, a_chain, a_diamond, a_graph, a_media, a_notification, a_run, ended
from tests.unit.scheduler.moves import BROKEN, FLAKY, begun, probed, states, step, told

# -- begin --------------------------------------------------------------------------------------------------------


def test_begin_queues_the_probe_of_the_input_and_tells_of_the_start() -> None:
    run, [probe] = step(a_run(a_diamond(), priority=3, traceparent="00-t"), Begin())
    assert (probe.id, probe.kind, probe.lane, probe.node, probe.attempt) == ("run-1:0.0:1", PROBE, Lane.LIGHT, 0, 1)
    assert (probe.source, probe.original, probe.priority, probe.traceparent) == (run.input, run.input, 3, "00-t")
    assert (run.state, run.started_at) == (RunState.RUNNING, T0)
    assert told(run) == [("run.started", None)]
    assert states(run) == ["queued", *["pending"] * 5]


def test_second_begin_means_nothing() -> None:
    run, _ = begun(a_chain())
    again, messages = advance(run, Begin(), T0 + timedelta(minutes=1))
    assert again is run
    assert messages == ()


def test_begin_without_probe_queues_what_follows_the_input() -> None:
    run, tasks = step(a_run(a_diamond(), skip_probe=True), Begin())
    assert [task.node for task in tasks] == [1, 2, 3]
    assert states(run)[0] == "succeeded"
    assert tasks[0].source == run.input


def test_graph_of_input_and_output_alone_ends_with_its_probe() -> None:
    run, probe = begun(a_graph([[1], []]))
    run, tasks = step(run, Ended(ended(probe)))
    assert (tasks, run.state, states(run)) == ([], RunState.SUCCEEDED, ["succeeded", "succeeded"])
    skipped, tasks = step(a_run(a_graph([[1], []]), skip_probe=True), Begin())
    assert (tasks, skipped.state, told(skipped)) == (
        [],
        RunState.SUCCEEDED,
        [("run.started", None), ("run.finished", None)],
    )


# -- fan-out and join ---------------------------------------------------------------------------------------------


def test_join_is_queued_once_after_its_last_predecessor() -> None:
    run, tasks = probed(a_diamond())
    assert sorted(tasks) == [1, 2, 3]
    for node in (2, 1):
        run, following = step(run, Ended(ended(tasks[node])))
        assert following == []
    run, [join] = step(run, Ended(ended(tasks[3])))
    assert (join.node, states(run)) == (4, ["succeeded"] * 4 + ["queued", "pending"])
    for node in (1, 2, 3):
        assert advance(run, Ended(ended(tasks[node])), T0) == (run, ())
    run, following = step(run, Ended(ended(join)))
    assert (following, run.state, run.finished_at) == ([], RunState.SUCCEEDED, T0)
    assert told(run)[-1] == ("run.finished", None)
    assert run.history[-1].state == "succeeded"


def test_results_and_times_are_kept() -> None:
    run, tasks = probed(a_chain())
    result = NodeResult(outputs=(a_media("out/a.mp4"),), payload={"a": [1, {"b": None}]})
    later = T0 + timedelta(seconds=9)
    run, _ = step(run, Ended(ended(tasks[1], result=result, now=later)), later + timedelta(seconds=1))
    node = run.node_runs[1]
    kept = result.model_copy(update={"outputs": ()})  # the list of objects stays in the task
    assert (node.result, node.queued_at, node.started_at, node.finished_at) == (kept, T0, later, later)
    assert node.sequence == next(event.sequence for event in run.history if event.node == 1)
    assert run.metadata == {"Duration": 5}


# -- failures -----------------------------------------------------------------------------------------------------


def test_failed_node_skips_exactly_its_dependants_with_the_reason_and_siblings_run() -> None:
    # 1 -> 4 -> 5 and 2, 3 alongside; 6 joins 3 and 5, 7 follows 2
    nodes = a_graph([[1, 2, 3], [4], [7], [6], [5], [6], [8], [8], []])
    run, tasks = probed(nodes)
    run, following = step(run, Ended(ended(tasks[1], TaskState.FAILED, failure=BROKEN)))
    assert following == []
    assert states(run) == [
        "succeeded", "failed", "queued", "queued", "skipped", "skipped", "pending", "pending", "pending"
    ]  # fmt: skip
    assert run.node_runs[4].reason == "node 1 (noop) failed"
    assert run.node_runs[5].reason == "node 4 (noop) skipped"
    run, [seventh] = step(run, Ended(ended(tasks[2])))
    assert seventh.node == 7
    run, following = step(run, Ended(ended(tasks[3])))
    assert (following, run.node_runs[6].reason) == ([], "node 5 (noop) skipped")
    assert run.state is RunState.RUNNING
    run, _ = step(run, Ended(ended(seventh)))
    assert (run.state, states(run)[7:]) == (RunState.FAILED, ["succeeded", "succeeded"])
    assert run.node_runs[1].failure == BROKEN


def test_failed_probe_ends_the_run_and_says_why() -> None:
    run, probe = begun(a_diamond())
    run, tasks = step(run, Ended(ended(probe, TaskState.FAILED, failure=BROKEN)))
    assert (tasks, run.state, run.failure) == ([], RunState.FAILED, BROKEN)
    assert states(run) == ["failed", *["skipped"] * 4, "succeeded"]


def test_failure_that_is_not_retryable_is_final_at_once() -> None:
    run, tasks = probed(a_chain())
    run, _ = step(run, Ended(ended(tasks[1], TaskState.FAILED, failure=BROKEN)))
    assert run.node_runs[1].state is NodeState.FAILED
    failed = next(event for event in run.history if event.type is RunEventType.NODE_FAILED)
    assert (failed.node, failed.attempt, failed.code, failed.message) == (1, 1, "SourceFileError", "damaged")


@pytest.mark.parametrize(
    ("members", "message"), [({"state": TaskState.CANCELLED}, "cancelled"), ({"state": TaskState.FAILED}, "no reason")]
)
def test_task_that_ended_without_a_failure_fails_its_node(members: dict[str, Any], message: str) -> None:
    run, tasks = probed(a_chain())
    run, _ = step(run, Ended(ended(tasks[1], **members)))
    assert run.state is RunState.FAILED
    assert message in (run.node_runs[1].failure or BROKEN).message


def test_task_that_is_not_final_means_nothing() -> None:
    run, tasks = probed(a_chain())
    for task in (tasks[1], tasks[1].with_changes(state=TaskState.RUNNING)):
        assert advance(run, Ended(task), T0) == (run, ())


def test_success_without_a_result_is_no_reason_to_wait_for_ever() -> None:
    run, tasks = probed(a_chain())
    run, _ = step(run, Ended(ended(tasks[1]).with_changes(result=None)))
    assert (run.state, run.node_runs[1].result) == (RunState.SUCCEEDED, NodeResult())


def test_retryable_failure_waits_longer_each_time_and_is_then_final() -> None:
    run, tasks = probed(a_chain())
    task, now, waits = tasks[1], T0, []
    for attempt in (1, 2):
        run, following = step(run, Ended(ended(task, TaskState.FAILED, failure=FLAKY)), now)
        assert following == []
        node = run.node_runs[1]
        assert (node.state, node.attempt) == (NodeState.WAITING, attempt)
        assert node.due_at is not None
        assert run.history[-1].type is RunEventType.NODE_RETRYING
        waits.append(node.due_at - now)
        early, messages = advance(run, Tick(), node.due_at - timedelta(microseconds=1))
        assert (early, messages) == (run, ())
        now = node.due_at
        run, [task] = step(run, Tick(), now)
        assert (task.attempt, task.id) == (attempt + 1, task_id("run-1", 1, attempt + 1))
        assert advance(run, Tick(), now) == (run, ())
    assert timedelta(seconds=2) <= waits[0] <= timedelta(seconds=3)
    assert timedelta(seconds=4) <= waits[1] <= timedelta(seconds=6)
    run, _ = step(run, Ended(ended(task, TaskState.FAILED, failure=FLAKY)), now)
    assert (run.state, run.node_runs[1].state, run.node_runs[1].attempt) == (RunState.FAILED, NodeState.FAILED, 3)


def test_success_after_a_retry_forgets_the_failure() -> None:
    run, tasks = probed(a_chain())
    run, _ = step(run, Ended(ended(tasks[1], TaskState.FAILED, failure=FLAKY)))
    run, [again] = step(run, Tick(), T0 + timedelta(minutes=1))
    run, _ = step(run, Ended(ended(again)), T0 + timedelta(minutes=2))
    assert (run.state, run.node_runs[1].failure, run.node_runs[1].attempt) == (RunState.SUCCEEDED, None, 2)


def test_result_of_an_older_attempt_means_nothing() -> None:
    run, tasks = probed(a_chain())
    run, _ = step(run, Ended(ended(tasks[1], TaskState.FAILED, failure=FLAKY)))
    assert advance(run, Ended(ended(tasks[1])), T0) == (run, ())
    run, _ = step(run, Tick(), T0 + timedelta(minutes=1))
    assert advance(run, Ended(ended(tasks[1])), T0) == (run, ())


def test_task_of_another_epoch_means_nothing() -> None:
    run, tasks = probed(a_chain())
    assert advance(run, Ended(ended(tasks[1]).with_changes(epoch=1)), T0) == (run, ())


def test_final_run_never_changes() -> None:
    run, tasks = probed(a_chain())
    run, _ = step(run, Ended(ended(tasks[1])))
    for event in (Begin(), Tick(), Ended(ended(tasks[1], TaskState.FAILED, failure=FLAKY))):
        assert advance(run, event, T0 + timedelta(days=1)) == (run, ())


# -- what a node reads --------------------------------------------------------------------------------------------


def test_node_reads_its_predecessors_media_or_else_what_that_one_read() -> None:
    run, tasks = probed(a_chain(4))
    assert tasks[1].source == run.input
    assert tasks[1].metadata == {"Duration": 5}
    made = a_media("out/made.mp4", etag="m")
    run, [second] = step(run, Ended(ended(tasks[1], result=NodeResult(outputs=(made,), media=made))))
    assert (second.source, second.original, second.metadata) == (made, run.input, None)
    picture = a_media("out/picture.jpg", etag="p")
    run, [third] = step(run, Ended(ended(second, result=NodeResult(outputs=(picture,)))))
    assert third.source == made
    run, [fourth] = step(run, Ended(ended(third)))
    assert fourth.source == made


def test_node_that_wants_the_original_gets_it_with_its_metadata() -> None:
    nodes = a_graph([[1], [2], [3], []], n2=Node(kind="noop", source="original"))
    run, tasks = probed(nodes)
    made = a_media("out/made.mp4")
    run, [second] = step(run, Ended(ended(tasks[1], result=NodeResult(media=made))))
    assert (second.source, second.metadata) == (run.input, {"Duration": 5})


def test_join_reads_the_media_of_its_first_predecessor_that_made_some() -> None:
    made = a_media("out/made.mp4")
    run, tasks = probed(a_diamond())
    run, _ = step(run, Ended(ended(tasks[3], result=NodeResult(media=a_media("out/three.mp4")))))
    run, _ = step(run, Ended(ended(tasks[2], result=NodeResult(media=made))))
    run, [join] = step(run, Ended(ended(tasks[1])))
    assert join.source == made


def test_retry_reads_the_same_source_again() -> None:
    made = a_media("out/made.mp4")
    run, tasks = probed(a_chain(2))
    run, [second] = step(run, Ended(ended(tasks[1], result=NodeResult(media=made))))
    run, _ = step(run, Ended(ended(second, TaskState.FAILED, failure=FLAKY)))
    run, [again] = step(run, Tick(), T0 + timedelta(minutes=1))
    assert again.source == made


# -- timers -------------------------------------------------------------------------------------------------------


def test_timer_is_short_while_messages_are_out_and_none_at_the_end() -> None:
    run, _ = begun(a_chain())
    assert run.due_at == T0 + OUTBOX_PATIENCE
    assert due_at(run.with_changes(outbox=()), T0) == T0 + WATCH_MIN
    assert due_at(run.with_changes(outbox=()), T0 + timedelta(hours=2)) == T0 + timedelta(hours=2) + WATCH_MAX
    done = run.with_changes(state=RunState.SUCCEEDED)
    assert due_at(done, T0) == T0 + OUTBOX_PATIENCE
    assert due_at(done.with_changes(outbox=()), T0) is None


def test_timer_of_a_waiting_node_comes_first() -> None:
    run, tasks = probed(a_chain())
    run, _ = step(run, Ended(ended(tasks[1], TaskState.FAILED, failure=FLAKY)))
    assert due_at(run.with_changes(outbox=()), T0) == run.node_runs[1].due_at


def test_retry_time_is_capped_and_the_same_for_the_same_attempt() -> None:
    run, _ = begun(a_chain())
    node = run.node_runs[1].model_copy(update={"attempt": 20})
    run = run.with_changes(node_runs=(run.node_runs[0], node, run.node_runs[2]))
    policy = RetryPolicy(max_attempts=30)
    due = retry_at(run, 1, policy, T0)
    assert T0 + policy.cap <= due <= T0 + policy.cap * 1.5
    assert retry_at(run, 1, policy, T0) == due
    assert retry_at(run.with_changes(id="run-2"), 1, policy, T0) != due


# -- notification -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "at_start"), [(None, None), (NotifyMode.FINISH, None), (NotifyMode.CHANGE, T0 + NOTIFY_PATIENCE)]
)
def test_notifier_is_due_when_there_is_something_to_notify(mode: NotifyMode | None, at_start: Any) -> None:
    notification = None if mode is None else a_notification(mode)
    run, probe = begun(a_graph([[1], []]), notification=notification)
    assert run.notify_due_at == at_start
    run, _ = step(run, Ended(ended(probe)))
    assert (run.notify_due_at is None) is (mode is None)
