"""`advance`: the whole life of a run as one pure function."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import assert_never

from services.scheduler.domain.events import Begin, Ended, Event, Tick
from services.scheduler.domain.tasks import due_at, retry_at, source_of, task_for, task_kind
from shared.model.failure import ErrCode, Failure
from shared.model.kinds import traits
from shared.model.pipeline import INPUT, OUTPUT, predecessors
from shared.model.run import (
    NodeRun,
    NodeState,
    OutboxEntry,
    Run,
    RunEvent,
    RunEventType,
    RunState,
    notifiable,
)
from shared.model.task import Task, TaskState

NOTIFY_PATIENCE = timedelta(seconds=3)
"""How long the notifier may take to write the deliveries before its sweeper looks for them."""


def advance(run: Run, event: Event, now: datetime) -> tuple[Run, tuple[OutboxEntry, ...]]:
    """The run after an event, and the messages that follow from it (also in the returned run's outbox).

    An event that means nothing in this state (late, repeated, of an older attempt) returns the very same run and no
    messages. Guarantees: a node is queued once per attempt and only when all its predecessors are final and fine (G3);
    what is final never changes (G4); a run that is not final has a timer (G5).
    """
    step = _Step(run, now)
    match event:
        case Begin():
            step.begin()
        case Ended(task=task):
            step.ended(task)
        case Tick():
            step.tick()
        case _:
            assert_never(event)
    return step.outcome()


class _Step:
    """One transition in the making; lives for one call of `advance`."""

    def __init__(self, run: Run, now: datetime) -> None:
        self._before = run
        self._now = now
        self._run = run
        self._nodes = list(run.node_runs)
        self._history = list(run.history)
        self._messages: list[OutboxEntry] = []

    # -- events ---------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Starts a requested run with its input node."""
        if self._run.state is not RunState.REQUESTED:
            return
        self._change(state=RunState.RUNNING, started_at=self._now)
        self._tell(RunEventType.RUN_STARTED)
        start = next(index for index, node in enumerate(self._run.nodes) if node.kind == INPUT)
        if self._run.skip_probe:
            self._nodes[start] = NodeRun(
                state=NodeState.SUCCEEDED, source=self._run.input, started_at=self._now, finished_at=self._now
            )
            self._settle()
        else:
            self._queue(start, [])

    def ended(self, task: Task) -> None:
        """Takes in a final task of the attempt that the node waits for."""
        if self._run.state is not RunState.RUNNING or task.epoch != self._run.epoch:
            return
        node = self._nodes[task.node]
        if node.state is not NodeState.QUEUED or node.attempt != task.attempt:
            return
        if task.state is TaskState.SUCCEEDED and task.result is not None:
            self._succeeded(task)
        elif task.state is TaskState.FAILED:
            self._failed(task, task.failure or Failure(code=ErrCode.INTERNAL, message="no reason was given"))
        elif task.state is TaskState.CANCELLED:
            self._failed(task, Failure(code=ErrCode.INTERNAL, message="the task was cancelled"))
        else:
            return
        self._settle()

    def tick(self) -> None:
        """Queues the retries that are due."""
        if self._run.state is not RunState.RUNNING:
            return
        before = predecessors(self._run.nodes)
        for index, node in enumerate(self._nodes):
            if node.state is NodeState.WAITING and node.due_at is not None and node.due_at <= self._now:
                self._queue(index, before[index])

    # -- nodes ----------------------------------------------------------------------------------------------------

    def _succeeded(self, task: Task) -> None:
        self._tell(RunEventType.NODE_SUCCEEDED, node=task.node, attempt=task.attempt)
        self._nodes[task.node] = self._nodes[task.node].model_copy(
            update={
                "state": NodeState.SUCCEEDED,
                # What was written stands in the task and in the output records; thousands of HLS segments would make
                # every later write of the run heavy.
                "result": task.result.model_copy(update={"outputs": ()}) if task.result else None,
                "failure": None,
                "started_at": task.claimed_at,
                "finished_at": task.finished_at or self._now,
                "sequence": self._history[-1].sequence,
            }
        )
        if self._run.nodes[task.node].kind == INPUT and task.result and task.result.metadata is not None:
            self._change(metadata=task.result.metadata)

    def _failed(self, task: Task, failure: Failure) -> None:
        policy = traits(task_kind(self._run.nodes[task.node].kind)).retry
        again = failure.retryable and task.attempt < policy.max_attempts
        self._tell(
            RunEventType.NODE_RETRYING if again else RunEventType.NODE_FAILED,
            node=task.node,
            attempt=task.attempt,
            code=failure.code.value,
            message=failure.message,
        )
        update: dict[str, object] = {"failure": failure, "started_at": task.claimed_at}
        if again:
            update |= {
                "state": NodeState.WAITING,
                "due_at": retry_at(self._current(), task.node, policy, self._now),
            }
        else:
            update |= {
                "state": NodeState.FAILED,
                "finished_at": task.finished_at or self._now,
                "sequence": self._history[-1].sequence,
            }
            if self._run.nodes[task.node].kind == INPUT:
                self._change(failure=failure)
        self._nodes[task.node] = self._nodes[task.node].model_copy(update=update)

    def _queue(self, index: int, before: Sequence[int]) -> None:
        node = self._nodes[index]
        self._nodes[index] = node.model_copy(
            update={
                "state": NodeState.QUEUED,
                "attempt": node.attempt + 1,
                "source": source_of(self._current(), index, list(before)),
                "queued_at": self._now,
                "due_at": None,
            }
        )
        self._messages.append(OutboxEntry(kind="task", task=task_for(self._current(), index, self._now)))

    def _settle(self) -> None:
        """Follows the graph until nothing more can be decided, and ends the run when all nodes are final."""
        before = predecessors(self._run.nodes)
        open_nodes = [index for index, node in enumerate(self._nodes) if node.state is NodeState.PENDING]
        moved = True
        while moved and open_nodes:
            moved = False
            for index in list(open_nodes):
                if all(self._nodes[predecessor].state.final for predecessor in before[index]):
                    self._decide(index, before[index])
                    open_nodes.remove(index)
                    moved = True
        if all(node.state.final for node in self._nodes):
            self._finish()

    def _decide(self, index: int, before: Sequence[int]) -> None:
        bad = [predecessor for predecessor in before if self._nodes[predecessor].state is not NodeState.SUCCEEDED]
        if self._run.nodes[index].kind == OUTPUT:
            # The end is reached whatever became of the branches; it does no work and is no event.
            self._nodes[index] = NodeRun(state=NodeState.SUCCEEDED, finished_at=self._now)
        elif bad:
            first = bad[0]
            reason = f"node {first} ({self._run.nodes[first].kind}) {self._nodes[first].state.value}"
            self._tell(RunEventType.NODE_SKIPPED, node=index, message=reason)
            self._nodes[index] = NodeRun(
                state=NodeState.SKIPPED,
                reason=reason,
                finished_at=self._now,
                sequence=self._history[-1].sequence,
            )
        else:
            self._queue(index, before)

    def _finish(self) -> None:
        failed = any(node.state is NodeState.FAILED for node in self._nodes)
        state = RunState.FAILED if failed else RunState.SUCCEEDED
        self._change(state=state, finished_at=self._now)
        self._tell(RunEventType.RUN_FINISHED, state=state.value)

    # -- bookkeeping ----------------------------------------------------------------------------------------------

    def _current(self) -> Run:
        return self._run.model_copy(update={"node_runs": tuple(self._nodes)})

    def _change(self, **update: object) -> None:
        self._run = self._run.model_copy(update=update)

    def _tell(self, kind: RunEventType, **about: object) -> None:
        sequence = self._history[-1].sequence + 1 if self._history else 1
        event = RunEvent.model_validate({"sequence": sequence, "type": kind, "at": self._now, **about})
        self._history.append(event)
        self._messages.append(OutboxEntry(kind="event", event=event))
        if notifiable(self._run, event) and self._run.notify_due_at is None:
            self._change(notify_due_at=self._now + NOTIFY_PATIENCE)

    def outcome(self) -> tuple[Run, tuple[OutboxEntry, ...]]:
        """The new run with its outbox and timer, or the old one untouched."""
        if self._run is self._before and not self._messages and self._nodes == list(self._before.node_runs):
            return self._before, ()
        messages = tuple(self._messages)
        run = self._run.model_copy(
            update={
                "node_runs": tuple(self._nodes),
                "history": tuple(self._history),
                "outbox": self._before.outbox + messages,
            }
        )
        return run.model_copy(update={"due_at": due_at(run, self._now)}), messages
