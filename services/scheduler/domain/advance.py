"""`advance`: the whole life of a run as one pure function."""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from services.scheduler.domain.events import Begin, Ended, Event, Obey, Tick
from services.scheduler.domain.obey import obey
from services.scheduler.domain.step import Step
from services.scheduler.domain.tasks import is_due, retry_at, task_kind
from shared.model.failure import ErrCode, Failure
from shared.model.kinds import retry_policy
from shared.model.pipeline import INPUT
from shared.model.run import NodeState, OutboxEntry, Run, RunEventType, RunState
from shared.model.task import NodeResult, Task, TaskState


def advance(run: Run, event: Event, now: datetime) -> tuple[Run, tuple[OutboxEntry, ...]]:
    """The run after an event, and the messages that follow from it (also in the returned run's outbox).

    Commands that are written in the run are taken in first, whatever the event is: they were given before it was heard
    of, and none that was accepted may get lost because the run ends a moment later.

    An event that means nothing in this state (late, repeated, of an older attempt) returns the very same run and no
    messages. Guarantees: a node is queued once per attempt and only when its join mode allows it (G3); what is final
    never changes, but for a failed node of a live run that somebody asks to try again (G4); a run that is not final has
    a timer (G5).
    """
    step = Step(run, now)
    if run.state is RunState.REQUESTED and (run.commands or isinstance(event, Begin)):
        _begin(step)
    obey(step)
    match event:
        case Begin() | Obey() | Tick():
            pass
        case Ended(task=task):
            _ended(step, task)
        case _:
            assert_never(event)
    if step.changed or isinstance(event, Tick):
        _queue_due(step)
    if step.changed and not step.run.state.final:
        step.settle()
    return step.outcome()


def _begin(step: Step) -> None:
    """The run is under way; what starts first is found by the graph. A rerun begins with what it took over."""
    step.change(state=RunState.RUNNING, started_at=step.now)
    step.tell(RunEventType.RUN_STARTED)
    for index, node in enumerate(step.nodes):
        if node.reused is not None:
            message = f"made by run {node.reused.run_id}"
            step.change_node(index, sequence=step.tell(RunEventType.NODE_REUSED, node=index, message=message))


def _ended(step: Step, task: Task) -> None:
    """Takes in a final task of the attempt that the node waits for."""
    if step.run.state not in (RunState.RUNNING, RunState.PAUSED) or task.epoch != step.run.epoch:
        return
    node = step.nodes[task.node]
    if node.state is not NodeState.QUEUED or node.attempt != task.attempt:
        return
    if task.state is TaskState.SUCCEEDED:
        _succeeded(step, task, task.result or NodeResult())
    elif task.state is TaskState.FAILED:
        _failed(step, task, task.failure or Failure(code=ErrCode.INTERNAL, message="no reason was given"))
    elif task.state is TaskState.CANCELLED:
        _failed(step, task, Failure(code=ErrCode.INTERNAL, message="the task was cancelled"))


def _succeeded(step: Step, task: Task, result: NodeResult) -> None:
    sequence = step.tell(RunEventType.NODE_SUCCEEDED, node=task.node, attempt=task.attempt)
    step.change_node(
        task.node,
        state=NodeState.SUCCEEDED,
        # What was written stands in the task and in the output records; thousands of HLS segments would make every
        # later write of the run heavy.
        result=result.model_copy(update={"outputs": ()}),
        failure=None,
        started_at=task.claimed_at,
        finished_at=task.finished_at or step.now,
        sequence=sequence,
    )
    if step.run.nodes[task.node].kind == INPUT and result.metadata is not None:
        step.change(metadata=result.metadata)


def _failed(step: Step, task: Task, failure: Failure) -> None:
    node = step.run.nodes[task.node]
    policy = retry_policy(task_kind(node.kind), node.retry)
    tries = task.attempt - step.nodes[task.node].fresh_at
    again = failure.retryable and policy.allows(failure.code.value) and tries < policy.max_attempts
    sequence = step.tell(
        RunEventType.NODE_RETRYING if again else RunEventType.NODE_FAILED,
        node=task.node,
        attempt=task.attempt,
        code=failure.code.value,
        message=failure.message,
    )
    step.change_node(task.node, failure=failure, started_at=task.claimed_at)
    if again:
        due = retry_at(step.current(), task.node, policy, step.now)
        step.change_node(task.node, state=NodeState.WAITING, due_at=due)
        return
    step.change_node(task.node, state=NodeState.FAILED, finished_at=task.finished_at or step.now, sequence=sequence)
    if node.kind == INPUT:
        step.change(failure=failure)


def _queue_due(step: Step) -> None:
    """Queues the retries that are due."""
    if step.run.state is not RunState.RUNNING:
        return
    for index, node in enumerate(step.run.nodes):
        if is_due(node, step.nodes[index], step.now):
            step.requeue(index)
