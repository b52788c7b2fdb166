"""Looks after the tasks that runs wait for: ends those whose time is up, puts right what does not fit a paused run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import structlog

from services.scheduler.domain.tasks import queued_until
from shared.model.run import Run, RunState
from shared.model.task import Task, TaskState
from shared.state.task_queue import OVERTIME, TaskQueue

log = structlog.get_logger(__name__)


class TaskCare:
    """Works from what the store says alone, so it may look at the same tasks again and again."""

    def __init__(self, queue: TaskQueue) -> None:
        self._queue = queue

    async def look_after(self, runs: Sequence[Run], tasks: Mapping[str, Task], now: datetime) -> dict[str, Task]:
        """`tasks` are those that the runs wait for. Returns those that were changed here. Raises StateUnavailable."""
        by_id = {run.id: run for run in runs}
        changed: dict[str, Task] = {}
        for task in tasks.values():
            after = await self._look_at(by_id[task.run_id], task, now)
            if after is not None:
                changed[task.id] = after
        return changed

    async def _look_at(self, run: Run, task: Task, now: datetime) -> Task | None:
        match task.state:
            case TaskState.QUEUED if run.state is RunState.PAUSED:
                await self._queue.hold({task.id: run.paused_sequence})
            case TaskState.HELD if run.state is RunState.RUNNING:
                freed = await self._queue.unhold({task.id: run.paused_sequence})
                return freed[0] if freed else None
            case TaskState.QUEUED if queued_until(run, task.node, task.queued_at) <= now:
                return await self._time_out(task, "waited too long for a worker")
            case TaskState.RUNNING if _runs_too_long(task, now):
                return await self._time_out(task, f"ran for more than {task.running_s:g} s")
        return None

    async def _time_out(self, task: Task, why: str) -> Task | None:
        log.warning("task timed out", task=task.id, run=task.run_id, node=task.node, why=why)
        return await self._queue.time_out(task, why)


def _runs_too_long(task: Task, now: datetime) -> bool:
    if task.running_s is None or task.claimed_at is None:
        return False
    return now - task.claimed_at > timedelta(seconds=task.running_s) + OVERTIME
