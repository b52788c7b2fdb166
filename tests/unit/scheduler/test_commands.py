"""Commands: what they do in every state, and in every order with everything else."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.scheduler.domain.advance import advance
from services.scheduler.domain.events import Begin, Ended, Event, Obey, Tick
from services.scheduler.domain.tasks import due_at
from shared.ids import task_id
from shared.model.commands import refusal
from shared.model.pipeline import Join, Node
from shared.model.run import Command, CommandKind, NodeState, Run, RunEventType, RunState
from shared.model.task import TaskState
from tests.builders import T0, a_chain, a_diamond, a_graph, a_media, a_run, ended
from tests.unit.scheduler.moves import (
    BROKEN,
    FLAKY,
    LATER,
    a_rule,
    asked,
    begun,
    fails,
    obeys,
    probed,
    signals,
    states,
    step,
    succeeds,
    ticks,
    told,
)

CANCEL, PAUSE, RESUME = CommandKind.CANCEL, CommandKind.PAUSE, CommandKind.RESUME
RETRY = CommandKind.RETRY_NODE


def sent(run: Run) -> Run:
    """The run after its outbox went out."""
    return run.with_changes(outbox=(), due_at=due_at(run.with_changes(outbox=()), T0))


def paused(run: Run) -> Run:
    return sent(obeys(sent(run), PAUSE)[0])


# -- cancel -------------------------------------------------------------------------------------------------------


def test_cancel_ends_everything_that_is_not_final() -> None:
    run, tasks = probed(a_graph([[1, 2, 3, 4], [5], [5], [5], [5], [6], []]))
    run, _ = succeeds(run, tasks[1])
    run, _ = fails(run, tasks[2], FLAKY)
    run, _ = fails(run, tasks[3])
    run, following = obeys(sent(run), CANCEL, now=LATER)
    assert following == []
    assert states(run) == ["succeeded", "succeeded", "cancelled", "failed", "cancelled", "cancelled", "cancelled"]
    assert (run.state, run.finished_at) == (RunState.CANCELLED, LATER)
    assert signals(run) == [("cancel", tasks[4].id)]
    assert told(run)[-3:] == [("node.cancelled", 2), ("node.cancelled", 4), ("run.finished", None)]
    assert run.history[-1].state == "cancelled"
    assert all(node.due_at is None for node in run.node_runs)


def test_cancel_before_the_start_starts_nothing() -> None:
    run, following = obeys(a_run(a_chain()), CANCEL)
    assert (following, signals(run)) == ([], [])
    assert (run.state, set(states(run))) == (RunState.CANCELLED, {"cancelled"})
    assert told(run) == [("run.started", None), ("run.finished", None)]
    for event in (Begin(), Tick(), Obey()):
        assert advance(run, event, LATER) == (run, ())


def test_cancel_of_a_paused_run_ends_its_held_tasks() -> None:
    run, tasks = probed(a_diamond())
    run, _ = obeys(paused(run), CANCEL)
    assert signals(run) == [("cancel", tasks[node].id) for node in (1, 2, 3)]
    assert run.state is RunState.CANCELLED


def test_cancelled_run_takes_nothing_in_any_more() -> None:
    run, tasks = probed(a_diamond())
    run, _ = obeys(run, CANCEL)
    for event in (
        Ended(ended(tasks[1])),
        Ended(ended(tasks[2], TaskState.FAILED, failure=FLAKY)),
        Ended(ended(tasks[3], TaskState.CANCELLED)),
        Tick(),
        Begin(),
        Obey(),
    ):
        assert advance(run, event, LATER) == (run, ())
    assert due_at(sent(run), LATER) is None


# -- pause and resume ---------------------------------------------------------------------------------------------


def test_pause_holds_what_waits_for_a_worker_and_queues_nothing_new() -> None:
    run, tasks = probed(a_chain(2))
    run, following = obeys(sent(run), PAUSE)
    assert (following, run.state, told(run)[-1]) == ([], RunState.PAUSED, ("run.paused", None))
    assert signals(run) == [("hold", tasks[1].id)]
    run, following = succeeds(run, tasks[1])
    assert (following, states(run)[1:3]) == ([], ["succeeded", "pending"]), "what was at work is taken in"
    run, [second] = obeys(sent(run), RESUME)
    assert (second.node, run.state, told(run)[-1]) == (2, RunState.RUNNING, ("run.resumed", None))
    assert signals(run) == []


def test_pause_before_the_start_starts_nothing() -> None:
    run, following = obeys(a_run(a_chain()), PAUSE)
    assert (following, signals(run), states(run)) == ([], [], ["pending"] * 3)
    assert (run.state, told(run)) == (RunState.PAUSED, [("run.started", None), ("run.paused", None)])
    assert advance(sent(run), Begin(), T0)[1] == ()
    run, [probe] = obeys(sent(run), RESUME)
    assert probe.node == 0


def test_pause_before_the_start_of_a_run_without_probe() -> None:
    run, following = obeys(a_run(a_chain(), skip_probe=True), PAUSE)
    assert (following, states(run)) == ([], ["succeeded", "pending", "pending"])
    run, [first] = obeys(sent(run), RESUME)
    assert first.node == 1


def test_retry_that_becomes_due_during_a_pause_waits_for_the_resume() -> None:
    run, tasks = probed(a_diamond())
    run, _ = fails(run, tasks[1], FLAKY)
    run = paused(run)
    assert ticks(run)[1] == []
    due = run.node_runs[1].due_at
    assert due is not None
    early, following = obeys(run, RESUME, now=due - timedelta(seconds=1))
    assert (following, early.node_runs[1].state) == ([], NodeState.WAITING)
    assert due_at(sent(early), due - timedelta(seconds=1)) == due
    late, [again] = obeys(run, RESUME, now=due)
    assert (again.node, again.attempt) == (1, 2)
    assert signals(late) == [("unhold", tasks[node].id) for node in (2, 3)]


def test_failure_during_a_pause_is_tried_again_after_the_resume() -> None:
    run, tasks = probed(a_chain())
    run, following = fails(paused(run), tasks[1], FLAKY)
    assert (following, run.node_runs[1].state, run.state) == ([], NodeState.WAITING, RunState.PAUSED)
    _, [again] = obeys(run, RESUME, now=LATER)
    assert again.attempt == 2


def test_paused_run_ends_with_its_last_node() -> None:
    for fate, state in ((succeeds, RunState.SUCCEEDED), (fails, RunState.FAILED)):
        run, tasks = probed(a_chain())
        run, _ = fate(paused(run), tasks[1])
        assert (run.state, told(run)[-1]) == (state, ("run.finished", None))


def test_rules_are_decided_and_skips_told_during_a_pause() -> None:
    nodes = a_graph([[1], [2], [3, 4], [5], [5], []], n2=a_rule(3, of=(3, 4)))
    run, tasks = probed(nodes)
    run, following = succeeds(paused(run), tasks[1])
    assert (following, states(run)) == (
        [],
        ["succeeded", "succeeded", "succeeded", "pending", "skipped", "pending"],
    )
    _, [chosen] = obeys(run, RESUME)
    assert chosen.node == 3


def test_wishes_of_pause_and_resume_carry_the_number_of_their_event() -> None:
    run, tasks = probed(a_chain())
    run, _ = obeys(sent(run), PAUSE)
    run, _ = obeys(run, RESUME)
    run, _ = obeys(run, PAUSE)
    wishes = [(entry.kind, entry.sequence) for entry in run.outbox if entry.task_id == tasks[1].id]
    turns = [event.sequence for event in run.history if event.type.value in ("run.paused", "run.resumed")]
    assert wishes == list(zip(["hold", "unhold", "hold"], turns, strict=True))
    assert run.paused_sequence == turns[-1]
    assert begun(a_chain())[0].paused_sequence == 0


def test_paused_run_has_a_timer_and_no_task_of_it_waits_too_long() -> None:
    nodes = a_graph([[1], [2], []], n1=Node.model_validate({"kind": "noop", "timeouts": {"queued_s": 7}}))
    run, _ = probed(nodes)
    assert due_at(sent(run), T0 + timedelta(seconds=3)) == T0 + timedelta(seconds=7)
    assert due_at(paused(run), T0 + timedelta(seconds=3)) == T0 + timedelta(seconds=8)


# -- retry of one node --------------------------------------------------------------------------------------------


def test_failed_node_is_tried_again_while_the_rest_runs() -> None:
    run, tasks = probed(a_diamond())
    run, _ = fails(run, tasks[1], now=T0)
    assert run.node_runs[4].state is NodeState.PENDING
    run, [again] = obeys(sent(run), (RETRY, 1), now=LATER)
    assert (again.id, again.source, again.queued_at) == (task_id("run-1", 1, 2), tasks[1].source, LATER)
    node = run.node_runs[1]
    assert (node.state, node.attempt, node.fresh_at, node.finished_at, node.sequence) == (
        NodeState.QUEUED,
        2,
        1,
        None,
        None,
    )
    assert told(run)[-1] == ("node.reset", 1)
    for task in (tasks[2], tasks[3], again):
        run, following = succeeds(run, task)
    assert [task.node for task in following] == [4]
    run, _ = succeeds(run, following[0])
    assert run.state is RunState.SUCCEEDED


def test_what_the_failure_skipped_waits_again_and_runs_once() -> None:
    """1 -> 3, 4 -> 5 (a diamond behind the failure) while 2 keeps the run going."""
    run, tasks = probed(a_graph([[1, 2], [3, 4], [6], [5], [5], [6], []]))
    run, _ = fails(run, tasks[1])
    assert states(run) == ["succeeded", "failed", "queued", "skipped", "skipped", "skipped", "pending"]
    run, [again] = obeys(sent(run), (RETRY, 1))
    assert states(run) == ["succeeded", "queued", "queued", "pending", "pending", "pending", "pending"]
    assert all(node.reason is None and node.sequence is None for node in run.node_runs[3:6])
    made = a_media("out/again.mp4")
    run, following = succeeds(run, again, media=made)
    assert [(task.node, task.source) for task in following] == [(3, made), (4, made)]
    for task in following:
        run, after = succeeds(run, task)
    assert [task.node for task in after] == [5]
    run, _ = succeeds(run, tasks[2])
    run, _ = succeeds(run, after[0])
    assert run.state is RunState.SUCCEEDED
    assert [event.type for event in run.history].count(RunEventType.NODE_SKIPPED) == 3


def test_what_another_failure_skips_is_skipped_again() -> None:
    run, tasks = probed(a_graph([[1, 2, 3], [4], [4], [5], [5], []]))
    run, _ = fails(run, tasks[1])
    run, _ = fails(run, tasks[2])
    assert run.node_runs[4].state is NodeState.SKIPPED
    run, [again] = obeys(run, (RETRY, 1))
    assert run.node_runs[4].state is NodeState.PENDING
    run, _ = succeeds(run, again)
    assert (run.node_runs[4].state, run.node_runs[4].reason) == (NodeState.SKIPPED, "node 2 (noop) failed")


def test_what_rules_did_not_choose_stays_passed_by() -> None:
    """2 fails; 3 was not chosen; 4 follows both."""
    nodes = a_graph([[1, 5], [2, 3], [4], [4], [6], [6], []], n1=a_rule(2, of=(2, 3)))
    run, probe = begun(nodes)
    run, tasks = succeeds(run, probe)
    branch, other = tasks
    run, _ = fails(run, branch)
    run, [again] = obeys(run, (RETRY, 2))
    assert [(node.state.value, node.unchosen) for node in run.node_runs[3:5]] == [
        ("skipped", True),
        ("pending", False),
    ]
    run, [after] = succeeds(run, again)
    assert after.node == 4
    run, _ = succeeds(run, after)
    run, _ = succeeds(run, other)
    assert run.state is RunState.SUCCEEDED


def test_join_of_any_that_began_is_not_begun_again_by_a_retry() -> None:
    nodes = a_graph([[1, 2, 3], [4], [4], [5], [5], []], n4=Node(kind="noop", join=Join.ANY))
    run, tasks = probed(nodes)
    run, _ = fails(run, tasks[1])
    run, [join] = succeeds(run, tasks[2])
    run, [again] = obeys(run, (RETRY, 1))
    run, following = succeeds(run, again)
    assert following == []
    run, _ = succeeds(run, join)
    run, _ = succeeds(run, tasks[3])
    assert run.state is RunState.SUCCEEDED


def test_waiting_node_is_tried_at_once() -> None:
    run, tasks = probed(a_chain())
    run, _ = fails(run, tasks[1], FLAKY)
    run, [again] = obeys(run, (RETRY, 1))
    assert (again.attempt, run.node_runs[1].fresh_at) == (2, 1)
    assert ticks(run)[1] == [], "the timer it had is gone"


def test_retry_gives_a_fresh_count_of_attempts_and_waits() -> None:
    run, tasks = probed(a_graph([[1, 2], [3], [3], []]))
    task, now = tasks[1], T0
    for _ in range(2):
        run, _ = fails(run, task, FLAKY, now)
        now += timedelta(minutes=5)
        run, [task] = ticks(run, now)
    run, _ = fails(run, task, FLAKY, now)
    assert (run.node_runs[1].state, task.attempt) == (NodeState.FAILED, 3)
    run, [task] = obeys(run, (RETRY, 1), now=now)
    for attempt in (4, 5):
        assert task.attempt == attempt
        run, _ = fails(run, task, FLAKY, now)
        node = run.node_runs[1]
        assert node.state is NodeState.WAITING
        assert node.due_at is not None
        longest = 2 * 2 ** (attempt - 4) * 1.5
        assert node.due_at - now <= timedelta(seconds=longest), "the wait starts small again"
        now += timedelta(minutes=5)
        run, [task] = ticks(run, now)
    run, _ = fails(run, task, FLAKY, now)
    assert (run.node_runs[1].state, run.node_runs[1].attempt) == (NodeState.FAILED, 6)


def test_retry_during_a_pause_starts_with_the_resume() -> None:
    run, tasks = probed(a_graph([[1, 2], [3], [3], []]))
    run, _ = fails(run, tasks[1])
    run = paused(run)
    run, following = obeys(run, (RETRY, 1))
    assert (following, run.node_runs[1].state, signals(run)) == ([], NodeState.WAITING, [])
    assert ticks(run)[1] == []
    _, [again] = obeys(sent(run), RESUME)
    assert (again.node, again.attempt) == (1, 2)


def test_news_of_the_attempt_before_the_retry_means_nothing() -> None:
    run, tasks = probed(a_graph([[1, 2], [3], [3], []]))
    run, _ = fails(run, tasks[1])
    run, _ = obeys(run, (RETRY, 1))
    for news in (ended(tasks[1]), ended(tasks[1], TaskState.FAILED, failure=BROKEN)):
        assert advance(run, Ended(news), LATER) == (run, ())


# -- what fits ----------------------------------------------------------------------------------------------------


def test_refusals_say_what_is_the_matter() -> None:
    requested = a_run(a_chain())
    run, tasks = probed(a_chain())
    done, _ = succeeds(run, tasks[1])
    assert [refusal(done, kind, 1) for kind in CommandKind] == ["the run has ended (succeeded)"] * 4
    assert refusal(run, RESUME) == "the run is not paused"
    assert refusal(paused(run), PAUSE) == "the run is paused already"
    assert [refusal(requested, kind) for kind in (CANCEL, PAUSE)] == [None, None]
    assert refusal(requested, RESUME) == "the run is not paused"
    for node in (None, -1, 3):
        assert refusal(run, RETRY, node) == f"node {node} does not exist: the run has nodes 0 to 2"
    assert "node 1 is queued" in (refusal(run, RETRY, 1) or "")
    failed, _ = fails(probed(a_graph([[1, 2], [3], [3], []]))[0], tasks[1])
    assert refusal(failed, RETRY, 1) is None
    assert refusal(paused(failed), RETRY, 1) is None


@pytest.mark.parametrize("kind", list(CommandKind))
def test_command_that_does_not_fit_any_more_is_dropped_without_a_trace(kind: CommandKind) -> None:
    run, _ = probed(a_chain())
    run = sent(run if kind in (RESUME, RETRY) else obeys(run, PAUSE)[0])
    if kind is CANCEL:
        run, _ = obeys(run, CANCEL)
        run = sent(run)
    stray = run.with_changes(commands=(Command(kind=kind, node=1, at=T0),))
    after, messages = advance(stray, Obey(), LATER)
    assert messages == ()
    assert after.with_changes(due_at=run.due_at) == run


def test_commands_are_taken_in_in_their_order_at_once() -> None:
    run, tasks = probed(a_diamond())
    run, _ = fails(run, tasks[1])
    run, following = obeys(sent(run), PAUSE, (RETRY, 1), RESUME, CANCEL, RESUME)
    assert told(run)[-7:] == [
        ("run.paused", None),
        ("node.reset", 1),
        ("run.resumed", None),
        ("node.cancelled", 1),
        ("node.cancelled", 2),
        ("node.cancelled", 3),
        ("run.finished", None),
    ]
    assert (following, run.commands) == ([], ())


@pytest.mark.parametrize("fate", [succeeds, fails], ids=["success", "failure"])
def test_accepted_retry_is_not_lost_though_the_run_would_end_first(fate) -> None:  # type: ignore[no-untyped-def]
    """The command is in the document when the news of the last task comes."""
    run, tasks = probed(a_graph([[1, 2], [3], [3], []]))
    run, _ = fails(run, tasks[1])
    run, [again] = fate(asked(run, (RETRY, 1)), tasks[2])
    assert (run.state, again.node, run.commands) == (RunState.RUNNING, 1, ())


@pytest.mark.parametrize("event", [Begin(), Tick(), Obey()])
def test_commands_are_taken_in_with_whatever_comes_first(event: Event) -> None:
    run, _ = probed(a_chain())
    run, _ = step(asked(run, CANCEL), event)
    assert run.state is RunState.CANCELLED


def test_run_that_ends_has_no_commands_left() -> None:
    run, _ = probed(a_chain())
    run, _ = step(asked(run, CANCEL, CANCEL, PAUSE), Tick())
    assert run.commands == ()
