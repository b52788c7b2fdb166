"""What waits, what is at work, and what has come to a stop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.api.dependencies import Context
from services.api.domain.problems import Problem, not_found
from shared.ids import task_id
from shared.model.base import instant_text
from shared.model.run import NodeState, Run, RunState
from shared.model.task import Lane, Task, TaskState
from shared.model.worker import WorkerRecord, live
from shared.ports.state import Order

MAX_WORKERS = 1000
LOOKED_AT = 500
"""Runs of each state that are looked at, the oldest: whatever stands still is among them sooner or later."""


def check_operator(context: Context) -> None:
    """Raises Problem 403: workers serve all tenants, and are the business of those who run them."""
    if context.tenant not in context.deps.operators:
        raise Problem(403, "operators_only", "only tenants who run this installation may see and change its workers")


async def workers(context: Context) -> list[tuple[WorkerRecord, bool]]:
    """All that are known, by name, and whether they are there now."""
    now = await context.deps.records.now()
    found = await context.deps.records.workers.find({}, limit=MAX_WORKERS)
    return [(one, live(one, now)) for one in sorted(found, key=lambda one: (one.worker, one.id))]


async def own_attempts(record: WorkerRecord, context: Context) -> list[Task]:
    """What a worker is at for the caller, oldest first."""
    where = {"state": TaskState.RUNNING.value, "worker": record.worker}
    found = await context.deps.records.tasks.find(where, limit=1000)
    mine = [one for one in found if one.owner == record.owner and one.tenant == context.tenant]
    return sorted(mine, key=lambda one: one.claimed_at or one.queued_at)


async def set_drain(worker_id: str, context: Context, *, drain: bool) -> WorkerRecord:
    """Writes the wish; the worker hears it within its beat. Raises Problem 404."""
    changed = await context.deps.records.workers.change(
        worker_id, lambda old: None if old.drain is drain else old.with_changes(drain=drain)
    )
    if changed is None:
        raise not_found("worker", worker_id)
    return changed


@dataclass(frozen=True, slots=True)
class Queue:
    """The caller's tasks of one lane."""

    lane: Lane
    queued: int
    held: int
    running: int
    oldest: datetime | None


async def queues(context: Context) -> list[Queue]:
    """Every lane."""
    tasks = context.deps.records.tasks

    async def count(lane: Lane, state: TaskState) -> int:
        return await tasks.count({"state": state.value, "lane": lane.value, "tenant": context.tenant})

    return [
        Queue(
            lane=lane,
            queued=await count(lane, TaskState.QUEUED),
            held=await count(lane, TaskState.HELD),
            running=await count(lane, TaskState.RUNNING),
            oldest=await _oldest(lane, context),
        )
        for lane in Lane
    ]


async def _oldest(lane: Lane, context: Context) -> datetime | None:
    """Since when the one waits that waits longest. The queue is in order of priority first: one look for each."""
    moments: list[datetime] = []
    behind = ""
    while True:
        where = {
            "state": TaskState.QUEUED.value,
            "lane": lane.value,
            "tenant": context.tenant,
            "order": {"$gt": behind},
        }
        found = await context.deps.records.tasks.find(where, sort=[("order", Order.ASC)], limit=1)
        if not found:
            return min(moments, default=None)
        moments.append(found[0].queued_at)
        # Behind all of this priority: its number, and what sorts after every moment.
        behind = f"{found[0].order.partition(' ')[0]} ~"


async def runs_by_state(context: Context) -> dict[RunState, int]:
    """How many of the caller's runs have not ended."""
    runs = context.deps.records.runs
    return {
        state: await runs.count({"tenant": context.tenant, "state": state.value})
        for state in RunState
        if not state.final
    }


@dataclass(frozen=True, slots=True)
class Stuck:
    """A run in which nothing has happened since `since`, and what it waits for."""

    run: Run
    since: datetime
    reasons: list[str]


async def stuck_runs(older: timedelta, limit: int, context: Context) -> list[Stuck]:
    """The caller's runs without any sign of life for so long, the longest first. Paused runs are as they should be."""
    now = await context.deps.records.now()
    found: list[Stuck] = []
    for state in (RunState.REQUESTED, RunState.RUNNING):
        where = {
            "tenant": context.tenant,
            "state": state.value,
            "created_at": {"$lt": instant_text(now - older)},
        }
        runs = await context.deps.records.runs.find(where, sort=[("created_at", Order.ASC)], limit=LOOKED_AT)
        tasks = await _current_tasks(runs, context)
        for run in runs:
            one = _signs(run, tasks.get(run.id, []), now)
            if one.since < now - older:
                found.append(one)
    return sorted(found, key=lambda one: one.since)[:limit]


async def _current_tasks(runs: Sequence[Run], context: Context) -> dict[str, list[Task]]:
    """By run."""
    names = [
        task_id(run.id, index, node.attempt, run.epoch)
        for run in runs
        for index, node in enumerate(run.node_runs)
        if node.state is NodeState.QUEUED
    ]
    found: dict[str, list[Task]] = {}
    for first in range(0, len(names), LOOKED_AT):
        for task in (await context.deps.records.tasks.get_many(names[first : first + LOOKED_AT])).values():
            found.setdefault(task.run_id, []).append(task)
    return found


def _signs(run: Run, tasks: Sequence[Task], now: datetime) -> Stuck:
    moments = [run.news_at or run.created_at]
    reasons: list[str] = []
    if run.state is RunState.REQUESTED:
        reasons.append("no scheduler has begun it")
    for task in sorted(tasks, key=lambda one: one.node):
        moments += [moment for moment in (task.queued_at, task.claimed_at, task.progressed_at) if moment is not None]
        match task.state:
            case TaskState.RUNNING:
                reasons.append(f"node {task.node} is at {task.progress} % on worker {task.worker}")
            case TaskState.QUEUED:
                reasons.append(f"node {task.node} waits for a worker of the lane {task.lane.value}")
            case TaskState.HELD:
                reasons.append(f"node {task.node} is held")
            case _:
                reasons.append(f"node {task.node} has ended and no scheduler has taken it in")
    for index, node in enumerate(run.node_runs):
        if node.state is NodeState.WAITING and node.due_at is not None:
            reasons.append(f"node {index} is tried again at {instant_text(node.due_at)}")
            if node.due_at > now:
                moments.append(now)
    return Stuck(run, max(moments), reasons or ["nothing of it waits or works"])
