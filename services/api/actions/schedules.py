"""CreateSchedule, DescribeSchedules, EnableSchedule, DisableSchedule, DeleteSchedule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from services.api.buckets import check_buckets
from services.api.dependencies import Context
from services.api.domain.errors import ApiError, invalid
from services.api.domain.schedules import read_listing, read_schedule, render_schedule
from shared.ids import new_pipeline_id
from shared.model.pipeline import Pipeline, PipelineStatus
from shared.mps.schedule import CreateScheduleRequest, DescribeSchedulesRequest, ScheduleIdRequest
from shared.ports.state import DuplicateKey, Order
from shared.state.repository import Contention

_TRIES = 5


async def create_schedule(request: CreateScheduleRequest, context: Context) -> dict[str, Any]:
    """Writes a disabled pipeline. The name is the caller's own once only."""
    records = context.deps.records
    for _ in range(_TRIES):
        now = await records.now()
        draft = read_schedule(request, tenant=context.tenant, pipeline_id=str(new_pipeline_id(now)), now=now)
        await check_buckets(context.deps.objects, draft.buckets)
        try:
            await records.pipelines.insert(draft.pipeline)
        except DuplicateKey:
            name = draft.pipeline.name
            if await records.pipelines.count({"tenant": context.tenant, "name": name}):
                raise invalid("ScheduleName", f"there is a schedule named {name!r} already", "Name") from None
            continue  # Two schedules made in the same millisecond drew the same random bits.
        await _keep_definition(context, draft.pipeline)
        return {"ScheduleId": int(draft.pipeline.id)}
    raise Contention("no free pipeline id")


async def _keep_definition(context: Context, pipeline: Pipeline) -> None:
    """Every saved definition is kept; writing it twice is harmless."""
    kept = pipeline.with_changes(id=f"{pipeline.id}:{pipeline.definition}", version=0)
    await context.deps.records.versions.insert_many([kept])


async def describe_schedules(request: DescribeSchedulesRequest, context: Context) -> dict[str, Any]:
    """The caller's pipelines, newest first."""
    listing = read_listing(request, context.tenant)
    pipelines = context.deps.records.pipelines
    found = await pipelines.find(
        listing.where, sort=[("created_at", Order.DESC)], limit=listing.limit, offset=listing.offset
    )
    total = await pipelines.count(listing.where)
    return {"TotalCount": total, "ScheduleInfoSet": [render_schedule(pipeline) for pipeline in found]}


async def enable_schedule(request: ScheduleIdRequest, context: Context) -> dict[str, Any]:
    """Uploads after this moment start runs. Enabling what is enabled changes nothing."""
    now = await context.deps.records.now()

    def step(pipeline: Pipeline) -> Pipeline | None:
        if pipeline.status is PipelineStatus.ENABLED:
            return None
        return pipeline.with_changes(status=PipelineStatus.ENABLED, enabled_at=now, updated_at=now)

    # A crash after creation may have lost the kept definition; from here on runs refer to it.
    await _keep_definition(context, await _own(request, context))
    await _change(request, context, step)
    return {}


async def disable_schedule(request: ScheduleIdRequest, context: Context) -> dict[str, Any]:
    """Uploads start nothing any more; runs that began go on. Disabling what is disabled changes nothing."""
    now = await context.deps.records.now()

    def step(pipeline: Pipeline) -> Pipeline | None:
        if pipeline.status is PipelineStatus.DISABLED:
            return None
        return pipeline.with_changes(status=PipelineStatus.DISABLED, updated_at=now)

    await _change(request, context, step)
    return {}


async def delete_schedule(request: ScheduleIdRequest, context: Context) -> dict[str, Any]:
    """Removes a disabled pipeline; runs carry their definition and go on."""
    for _ in range(_TRIES):
        pipeline = await _own(request, context)
        if pipeline.status is PipelineStatus.ENABLED:
            raise ApiError(
                "FailedOperation", f"ScheduleId: schedule {pipeline.id} is Enabled; disable it before it is deleted"
            )
        if await context.deps.records.pipelines.delete(pipeline):
            return {}
    raise Contention(f"pipelines/{request.schedule_id} changed under a delete")


async def own_pipeline(pipeline_id: str, context: Context) -> Pipeline:
    """The caller's pipeline. Raises ApiError `ResourceNotFound`, also for somebody else's."""
    pipeline = await context.deps.records.pipelines.get(pipeline_id)
    if pipeline is None or pipeline.tenant != context.tenant:
        raise ApiError("ResourceNotFound", f"ScheduleId: there is no schedule {pipeline_id}")
    return pipeline


async def _own(request: ScheduleIdRequest, context: Context) -> Pipeline:
    return await own_pipeline(str(request.schedule_id), context)


async def _change(request: ScheduleIdRequest, context: Context, step: Callable[[Pipeline], Pipeline | None]) -> None:
    pipeline = await _own(request, context)
    if await context.deps.records.pipelines.change(pipeline.id, step) is None:
        raise ApiError("ResourceNotFound", f"ScheduleId: there is no schedule {pipeline.id}")
