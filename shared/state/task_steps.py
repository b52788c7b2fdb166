"""How a task's document changes: pure, one function a change. Each returns the changed task, or None where there is
nothing to change; `TaskQueue` writes it by compare-and-set."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.model.failure import ErrCode, Failure
from shared.model.task import Task, TaskState

MAX_LOST = 3
"""A task whose worker died this often is failed: it would kill the next one too."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who claims: a worker's stable name and the one process behind it."""

    worker: str
    owner: str


# -- the holder's -------------------------------------------------------------------------------------------------


def claimed(task: Task, holder: Holder, now: datetime, lease: timedelta) -> Task:
    """The task with a new holder, whose fence shuts out all earlier ones."""
    return task.with_changes(
        state=TaskState.RUNNING,
        fence=task.fence + 1,
        worker=holder.worker,
        owner=holder.owner,
        claimed_at=now,
        lease_until=now + lease,
        progress=0,
        progressed_at=None,
    )


def renewed(task: Task, now: datetime, lease: timedelta, progress: int) -> Task:
    """The task with a lease that is as long as at first, and how far it is."""
    progressed_at = task.progressed_at if progress == task.progress else now
    return task.with_changes(lease_until=now + lease, progress=progress, progressed_at=progressed_at)


def holds(task: Task, owner: str, fence: int) -> bool:
    """Whether this very claim still stands."""
    return task.state is TaskState.RUNNING and task.owner == owner and task.fence == fence


def slipped(task: Task | None, owner: str, fence: int) -> bool:
    """Whether the task was taken from this holder, rather than being held or ended by it."""
    if task is None:
        return True
    ended = task.state in (TaskState.SUCCEEDED, TaskState.FAILED) and task.owner == owner and task.fence == fence
    return not ended and not holds(task, owner, fence)


def requeued(task: Task, now: datetime, *, lost: int) -> Task:
    """The task without a holder, ready for the next one, or held back if its run is paused."""
    return task.with_changes(
        state=TaskState.HELD if task.paused else TaskState.QUEUED,
        queued_at=now,
        worker=None,
        owner=None,
        lease_until=None,
        claimed_at=None,
        lost=lost,
        progress=0,
        progressed_at=None,
    )


def taken_back(task: Task, now: datetime) -> Task:
    """The task after its worker died: queued again, or failed after `MAX_LOST` such losses."""
    lost = task.lost + 1
    if lost < MAX_LOST:
        return requeued(task, now, lost=lost)
    why = f"the worker died {lost} times while running this task"
    return _failed_by_us(task.with_changes(lost=lost), now, Failure(code=ErrCode.INTERNAL, message=why))


# -- the run's ----------------------------------------------------------------------------------------------------


def cancelled(task: Task, now: datetime) -> Task | None:
    """The task ended whatever it was at; final ones stay as they are."""
    if task.state.final:
        return None
    return task.with_changes(state=TaskState.CANCELLED, finished_at=now, lease_until=None)


def held(task: Task, sequence: int) -> Task | None:
    """The task as its paused run wants it: not claimed from now on. What a worker holds goes on."""
    if task.state.final or task.paused_sequence >= sequence:
        return None
    state = TaskState.HELD if task.state is TaskState.QUEUED else task.state
    return task.with_changes(state=state, paused=True, paused_sequence=sequence)


def unheld(task: Task, now: datetime, sequence: int) -> Task | None:
    """The task as its resumed run wants it. The wait of one that was held begins anew: a pause is not its fault."""
    if task.state.final or task.paused_sequence >= sequence:
        return None
    free = task.with_changes(paused=False, paused_sequence=sequence)
    return free.with_changes(state=TaskState.QUEUED, queued_at=now) if task.state is TaskState.HELD else free


def timed_out(task: Task, now: datetime, seen: Task, why: str) -> Task | None:
    """The task failed for having waited or run too long; not if it moved on from what was seen, for then it waits, or
    runs, since another moment."""
    if (task.state, task.fence, task.queued_at) != (seen.state, seen.fence, seen.queued_at):
        return None
    return _failed_by_us(task, now, Failure(code=ErrCode.TIMEOUT, message=why, retryable=True))


def _failed_by_us(task: Task, now: datetime, failure: Failure) -> Task:
    # Without its owner: the holder that lost it must not take this end for its own.
    return task.with_changes(state=TaskState.FAILED, failure=failure, finished_at=now, lease_until=None, owner=None)
