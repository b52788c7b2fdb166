"""Workers, queues, and runs that stand still."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from services.api.dependencies import Context
from services.api.load import (
    check_operator,
    own_attempts,
    queues,
    runs_by_state,
    set_drain,
    stuck_runs,
    workers,
)
from services.api.rest.access import changes
from services.api.rest.authentication import Caller
from services.api.rest.views import RunSummary, summary
from shared.model.base import Instant
from shared.model.credential import Role
from shared.model.run import RunState
from shared.model.task import Lane
from shared.model.worker import LaneLoad, WorkerRecord, live

router = APIRouter(tags=["operations"])


class CurrentAttempt(BaseModel):
    """What a worker is at."""

    run_id: str
    pipeline_id: str
    node: int
    attempt: int
    kind: str
    lane: Lane
    claimed_at: Instant | None
    progress: int = Field(description="Percent.")
    lease_until: Instant | None


class WorkerView(BaseModel):
    """A worker process. In `lanes`, `ended` and `failed` are attempts in each of the last 15 minutes, the present one
    first, of all tenants; `attempts` are the caller's."""

    id: str
    worker: str = Field(description="Its name, as attempts have it.")
    host: str
    pid: int
    program: str = Field(description="Which version it is.")
    cores: int
    load: float = Field(description="Of its machine, the average of a minute.")
    started_at: Instant
    seen_at: Instant
    live: bool = Field(description="False: it has been silent for too long.")
    draining: bool = Field(description="It takes nothing more, because it stops or was told to.")
    drain: bool = Field(description="It was told to take nothing more; within seconds it does.")
    lanes: dict[Lane, LaneLoad]
    attempts: list[CurrentAttempt]


class WorkerList(BaseModel):
    """By name."""

    workers: list[WorkerView]


WorkerId = Annotated[str, Path(max_length=200, description="The worker's id.")]


@router.get("/workers")
async def list_workers(caller: Caller) -> WorkerList:
    """The workers that tell of themselves. For tenants who run the installation."""
    check_operator(caller)
    return WorkerList(workers=[await _view(record, caller, is_live=there) for record, there in await workers(caller)])


@router.post("/workers/{worker_id}/drain")
@changes("worker", by=Role.ADMIN)
async def drain_worker(caller: Caller, worker_id: WorkerId) -> WorkerView:
    """Lets a worker take nothing more; what it is at goes on. It goes on again when it is told to or started anew."""
    return await _wish(worker_id, caller, drain=True)


@router.post("/workers/{worker_id}/resume")
@changes("worker", by=Role.ADMIN)
async def resume_worker(caller: Caller, worker_id: WorkerId) -> WorkerView:
    """Lets a drained worker take tasks again."""
    return await _wish(worker_id, caller, drain=False)


async def _wish(worker_id: str, caller: Context, *, drain: bool) -> WorkerView:
    check_operator(caller)
    record = await set_drain(worker_id, caller, drain=drain)
    return await _view(record, caller, is_live=live(record, await caller.deps.records.now()))


async def _view(record: WorkerRecord, caller: Context, *, is_live: bool) -> WorkerView:
    shared = {name: getattr(record, name) for name in WorkerView.model_fields if name not in ("live", "attempts")}
    attempts = [
        CurrentAttempt(**{name: getattr(task, name) for name in CurrentAttempt.model_fields})
        for task in await own_attempts(record, caller)
    ]
    return WorkerView.model_validate(shared | {"live": is_live, "attempts": attempts})


class LaneQueue(BaseModel):
    """The caller's tasks of one lane. `slots` is how many tasks of all tenants the live workers take at once; null for
    tenants who do not run the installation, as are the counts of what all workers have ended."""

    lane: Lane
    queued: int
    held: int = Field(description="Of paused runs.")
    running: int
    oldest_queued_at: Instant | None
    oldest_s: float | None = Field(description="How long the one has waited that waits longest.")
    workers: int | None
    slots: int | None
    busy: int | None
    ended_in_5_min: int | None
    failed_in_5_min: int | None


class Queues(BaseModel):
    """What waits and what is at work."""

    lanes: list[LaneQueue]
    runs: dict[RunState, int] = Field(description="Of the caller, that have not ended.")


@router.get("/queues")
async def show_queues(caller: Caller) -> Queues:
    """How many tasks wait in each lane, for how long, and what there is to take them."""
    now = await caller.deps.records.now()
    there = [record for record, is_live in await workers(caller) if is_live]
    operator = caller.tenant in caller.deps.operators
    lanes = []
    for queue in await queues(caller):
        loads = [record.lanes[queue.lane.value] for record in there if queue.lane.value in record.lanes]
        lanes.append(
            LaneQueue(
                lane=queue.lane,
                queued=queue.queued,
                held=queue.held,
                running=queue.running,
                oldest_queued_at=queue.oldest,
                oldest_s=None if queue.oldest is None else max((now - queue.oldest).total_seconds(), 0.0),
                workers=len(loads) if operator else None,
                slots=sum(load.slots for load in loads) if operator else None,
                busy=sum(load.busy for load in loads) if operator else None,
                ended_in_5_min=sum(sum(load.ended[:5]) for load in loads) if operator else None,
                failed_in_5_min=sum(sum(load.failed[:5]) for load in loads) if operator else None,
            )
        )
    return Queues(lanes=lanes, runs=await runs_by_state(caller))


class StuckRun(BaseModel):
    """A run without a sign of life since `since`, and what it waits for."""

    run: RunSummary
    since: Instant
    reasons: list[str]


class StuckList(BaseModel):
    """The longest first."""

    runs: list[StuckRun]


@router.get("/stuck")
async def list_stuck_runs(
    caller: Caller,
    older_s: Annotated[int, Query(ge=1, le=30 * 86_400, description="Seconds without anything new.")] = 600,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> StuckList:
    """The caller's runs in which nothing happens: no node ends, no progress, no worker takes up its tasks. Of each
    state the 500 oldest are looked at."""
    found = await stuck_runs(timedelta(seconds=older_s), limit, caller)
    return StuckList(runs=[StuckRun(run=summary(one.run), since=one.since, reasons=one.reasons) for one in found])
