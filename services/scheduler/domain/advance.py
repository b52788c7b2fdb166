"""`advance`: the whole life of a run as one pure function."""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from services.scheduler.domain.events import Begin, Ended, Event, Obey, Tick
from services.scheduler.domain.obey import obey
from services.scheduler.domain.step import Step
from services.scheduler.domain.tasks import retry_at, task_kind
from shared.model.failure import ErrCode, Failure
from shared.model.kinds import retry_policy
from shared.model.pipeline import INPUT
from shared.model.run import NodeRun, NodeState, OutboxEntry, Run, RunEventType, RunState
from shared.model.task import Task, TaskState


def advance(run: Run, event: Event, now: datetime) -> tuple[Run, tuple[OutboxEntry, ...]]:
    """The run after an event, and the messages that follow from it (also in the returned run's outbox).

    An event that means nothing in this state (late, repeated, of an older attempt) returns the very same run and no
    messages. Guarantees: a node is queued once per attempt and only when its join mode allows it (G3); what is final
    never changes, but for a failed node of a live run that somebody asks to try again (G4); a run that is not final has
    a timer (G5).
    """
    step = Step(run, now)
    match event:
        case Begin():
            _begin(step)
        case Ended(task=task):
            _ended(step, task)
        case Obey():
            if run.commands and run.state is RunState.REQUESTED:
                _begin(step)
            obey(step)
        case Tick():
            _tick(step)
        case _:
            assert_never(event)
    return step.outcome()


def _begin(step: Step) -> None:
    """Starts a requested run with its input node. A rerun begins with what it took over."""
    if step.run.state is not RunState.REQUESTED:
        return
    step.change(state=RunState.RUNNING, started_at=step.now)
    step.tell(RunEventType.RUN_STARTED)
    for index, node in enumerate(step.nodes):
        if node.reused is not None:
            message = f"made by run {node.reused.run_id}"
            step.change_node(index, sequence=step.tell(RunEventType.NODE_REUSED, node=index, message=message))
    start = next(index for index, node in enumerate(step.run.nodes) if node.kind == INPUT)
    if step.nodes[start].state is NodeState.PENDING:
        if not step.run.skip_probe:
            step.queue(start, [])
            return
        step.nodes[start] = NodeRun(
            state=NodeState.SUCCEEDED, source=step.run.input, started_at=step.now, finished_at=step.now
        )
    step.settle()


def _ended(step: Step, task: Task) -> None:
    """Takes in a final task of the attempt that the node waits for."""
    if step.run.state not in (RunState.RUNNING, RunState.PAUSED) or task.epoch != step.run.epoch:
        return
    node = step.nodes[task.node]
    if node.state is not NodeState.QUEUED or node.attempt != task.attempt:
        return
    if task.state is TaskState.SUCCEEDED and task.result is not None:
        _succeeded(step, task)
    elif task.state is TaskState.FAILED:
        _failed(step, task, task.failure or Failure(code=ErrCode.INTERNAL, message="no reason was given"))
    elif task.state is TaskState.CANCELLED:
        _failed(step, task, Failure(code=ErrCode.INTERNAL, message="the task was cancelled"))
    else:
        return
    step.settle()


def _succeeded(step: Step, task: Task) -> None:
    sequence = step.tell(RunEventType.NODE_SUCCEEDED, node=task.node, attempt=task.attempt)
    step.change_node(
        task.node,
        state=NodeState.SUCCEEDED,
        # What was written stands in the task and in the output records; thousands of HLS segments would make every
        # later write of the run heavy.
        result=task.result.model_copy(update={"outputs": ()}) if task.result else None,
        failure=None,
        started_at=task.claimed_at,
        finished_at=task.finished_at or step.now,
        sequence=sequence,
    )
    if step.run.nodes[task.node].kind == INPUT and task.result and task.result.metadata is not None:
        step.change(metadata=task.result.metadata)


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


def _tick(step: Step) -> None:
    """Queues the retries that are due."""
    if step.run.state is not RunState.RUNNING:
        return
    for index, node in enumerate(step.nodes):
        if node.state is NodeState.WAITING and node.due_at is not None and node.due_at <= step.now:
            step.requeue(index)
