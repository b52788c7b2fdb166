"""What a node may say of its own: attempts, waits, classes of error, time limits, priority."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from services.scheduler.domain.tasks import due_at, retry_at, task_for
from shared.model.failure import ErrCode, Failure
from shared.model.kinds import RetryPolicy, retry_policy, time_limits, traits
from shared.model.pipeline import Node, RetryRule, Timeouts
from shared.model.run import CommandKind, NodeState, RunEventType
from shared.model.task import Task, queue_order
from tests.builders import T0, a_graph
from tests.unit.scheduler.moves import BROKEN, FLAKY, fails, obeys, probed, succeeds, ticks

TIMEOUT = Failure(code=ErrCode.TIMEOUT, message="slow", retryable=True)


def a_node(**members: Any) -> Node:
    return Node.model_validate({"kind": "noop"} | members)


def one(**members: Any) -> tuple[Any, Task]:
    """A run whose only node says this of itself, and its task."""
    run, tasks = probed(a_graph([[1], [2], []], n1=a_node(**members)))
    return run, tasks[1]


# -- retries ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("attempts", [1, 2, 5])
def test_node_is_tried_as_often_as_it_says(attempts: int) -> None:
    run, task = one(retry={"max_attempts": attempts, "base_s": 0})
    for attempt in range(1, attempts + 1):
        assert task.attempt == attempt
        run, following = fails(run, task, FLAKY)
        if following:
            [task] = following
    assert run.node_runs[1].state is NodeState.FAILED
    assert run.node_runs[1].attempt == attempts


def test_wait_of_nothing_queues_the_next_attempt_in_the_same_step() -> None:
    run, task = one(retry={"base_s": 0})
    run, [again] = fails(run, task, FLAKY)
    assert (again.attempt, run.node_runs[1].state, run.node_runs[1].due_at) == (2, NodeState.QUEUED, None)
    assert [event.type for event in run.history[-1:]] == [RunEventType.NODE_RETRYING]


@pytest.mark.parametrize(
    ("on", "failure", "again"),
    [
        (None, FLAKY, True),
        (None, TIMEOUT, True),
        (None, BROKEN, False),
        (("InternalError",), FLAKY, True),
        (("InternalError",), TIMEOUT, True),
        (("InternalError.Timeout",), FLAKY, False),
        (("InternalError.Timeout",), TIMEOUT, True),
        (("InternalErr",), FLAKY, False),
        (("SourceFileError",), BROKEN, False),
        (("SourceFileError", "InternalError"), FLAKY, True),
        ((), FLAKY, False),
    ],
)
def test_only_failures_of_the_named_classes_are_tried_again_and_never_what_is_hopeless(
    on: tuple[str, ...] | None, failure: Failure, again: bool
) -> None:
    run, task = one(retry=None if on is None else {"on": on})
    run, _ = fails(run, task, failure)
    assert run.node_runs[1].state is (NodeState.WAITING if again else NodeState.FAILED)


def test_waits_grow_from_the_nodes_base_to_its_cap() -> None:
    run, task = one(retry={"max_attempts": 6, "base_s": 10, "cap_s": 30})
    now = T0
    for least in (10, 20, 30, 30, 30):
        run, _ = fails(run, task, FLAKY, now)
        due = run.node_runs[1].due_at
        assert timedelta(seconds=least) <= due - now <= timedelta(seconds=least * 1.5)
        assert due_at(run.with_changes(outbox=()), now) <= due
        now = due
        run, [task] = ticks(run, now)


def test_members_that_a_node_leaves_out_follow_its_kind() -> None:
    kind = traits("noop").retry
    assert retry_policy("noop", None) == kind
    assert retry_policy("noop", RetryRule()) == kind
    assert retry_policy("noop", RetryRule(max_attempts=9)) == RetryPolicy(9, kind.base, kind.cap, kind.on)


def test_cap_that_was_asked_for_holds_and_a_long_first_wait_is_not_cut_to_the_kinds_cap() -> None:
    capped = retry_policy("noop", RetryRule(cap_s=0.5))
    assert (capped.base, capped.cap) == (timedelta(seconds=2), timedelta(seconds=0.5))
    patient = retry_policy("noop", RetryRule(base_s=300))
    assert patient.cap == timedelta(seconds=300)
    run, _ = one(retry={"cap_s": 0.5})
    node = run.node_runs[1]
    assert retry_at(run, 1, capped, T0) - T0 <= timedelta(seconds=0.75)
    assert node.attempt == 1


def test_longest_rule_does_not_overflow() -> None:
    rule = RetryRule(max_attempts=20, base_s=86_400, cap_s=86_400)
    run, _ = one()
    states = (run.node_runs[0], run.node_runs[1].model_copy(update={"attempt": 20}), run.node_runs[2])
    due = retry_at(run.with_changes(node_runs=states), 1, retry_policy("noop", rule), T0)
    assert timedelta(days=1) <= due - T0 <= timedelta(days=1.5)


# -- limits -------------------------------------------------------------------------------------------------------


def test_task_carries_the_limits_of_its_node_or_of_its_kind() -> None:
    limits = traits("noop").limits
    _, task = one()
    assert (task.running_s, task.stalled_s) == (limits.running.total_seconds(), limits.stalled.total_seconds())
    _, task = one(timeouts={"running_s": 5, "stalled_s": 2.5})
    assert (task.running_s, task.stalled_s) == (5, 2.5)
    given = time_limits("noop", Timeouts(queued_s=60))
    assert (given.queued, given.running, given.stalled) == (timedelta(minutes=1), limits.running, limits.stalled)


def test_run_wakes_when_its_task_has_waited_long_enough_and_not_for_what_is_past() -> None:
    run, _ = one(timeouts={"queued_s": 3})
    run = run.with_changes(outbox=())
    assert due_at(run, T0 + timedelta(seconds=1)) == T0 + timedelta(seconds=3)
    after = T0 + timedelta(seconds=4)
    assert due_at(run, after) == after + timedelta(seconds=5)


def test_timer_of_a_node_is_kept_while_messages_are_out() -> None:
    run, task = one(retry={"base_s": 1, "cap_s": 1})
    run, _ = fails(run, task, FLAKY)
    assert run.outbox != ()
    assert run.due_at == run.node_runs[1].due_at


# -- priority -----------------------------------------------------------------------------------------------------


def test_node_goes_by_its_own_priority_or_by_its_runs() -> None:
    nodes = a_graph([[1, 2], [3], [3], []], n1=a_node(priority=-3))
    run, tasks = probed(nodes, priority=7)
    assert (tasks[1].priority, tasks[2].priority) == (-3, 7)
    assert (tasks[1].order, tasks[2].order) == (queue_order(-3, T0), queue_order(7, T0))
    assert task_for(run, 0, T0).priority == 7
    urgent, _ = probed(a_graph([[1], [2], []], n1=a_node(priority=0)), priority=7)
    assert task_for(urgent, 1, T0).priority == 0, "0 is a priority, not none"


def test_retry_of_a_node_has_its_priority_and_a_new_age() -> None:
    run, tasks = probed(a_graph([[1, 2], [3], [3], []], n1=a_node(priority=5)))
    run, _ = fails(run, tasks[1])
    later = T0 + timedelta(minutes=1)
    run, [again] = obeys(run, (CommandKind.RETRY_NODE, 1), now=later)
    assert again.order == queue_order(5, later)
    run, _ = succeeds(run, again)
