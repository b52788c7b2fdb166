"""CreateSchedule, ModifySchedule, DescribeSchedules, EnableSchedule, DisableSchedule, DeleteSchedule."""

from __future__ import annotations

from typing import Any

from services.api.buckets import check_buckets
from services.api.dependencies import Context
from services.api.domain.errors import ApiError, invalid
from services.api.domain.schedules import read_changes, read_listing, read_schedule, render_schedule
from services.api.switching import remove, switch_off, switch_on
from services.api.versions import keep_version
from shared.ids import new_pipeline_id
from shared.model.pipeline import Pipeline, PipelineStatus, TaskType
from shared.mps.presets import OwnTemplates
from shared.mps.schedule import (
    CreateScheduleRequest,
    DescribeSchedulesRequest,
    ModifyScheduleRequest,
    ScheduleIdRequest,
)
from shared.ports.state import DuplicateKey, Order
from shared.state.repository import Contention
from shared.state.templates import Templates

_TRIES = 5


async def create_schedule(request: CreateScheduleRequest, context: Context) -> dict[str, Any]:
    """Writes a disabled pipeline. The name is the caller's own once only."""
    records = context.deps.records
    own = await _named(request, context)
    for _ in range(_TRIES):
        now = await records.now()
        new_id = str(new_pipeline_id(now))
        draft = read_schedule(request, tenant=context.tenant, pipeline_id=new_id, now=now, own=own)
        await check_buckets(context.deps.objects, draft.buckets)
        try:
            await records.pipelines.insert(draft.pipeline)
        except DuplicateKey:
            name = draft.pipeline.name
            if await records.pipelines.count({"tenant": context.tenant, "name": name}):
                raise _name_taken(name) from None
            continue  # Two schedules made in the same millisecond drew the same random bits.
        await keep_version(records, draft.pipeline)
        return {"ScheduleId": int(draft.pipeline.id)}
    raise Contention("no free pipeline id")


async def modify_schedule(request: ModifyScheduleRequest, context: Context) -> dict[str, Any]:
    """Makes a new version of a disabled pipeline; runs that began go on with theirs. A save that changes nothing makes
    none."""
    records = context.deps.records
    for _ in range(_TRIES):
        pipeline = await own_pipeline(str(request.schedule_id), context)
        _refuse_enabled(pipeline, "modified")
        own = await _named(request, context, pipeline)
        draft = read_changes(request, pipeline, now=await records.now(), own=own)
        if draft is None:
            return {}
        await check_buckets(context.deps.objects, draft.buckets)
        await keep_version(records, pipeline)
        try:
            saved = await records.pipelines.replace(draft.pipeline)
        except DuplicateKey:
            raise _name_taken(draft.pipeline.name) from None
        if saved is not None:
            await keep_version(records, saved)
            return {}
    raise Contention(f"pipelines/{request.schedule_id} changed under a save")


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
    await switch_on(lambda: _own(request, context), context)
    return {}


async def disable_schedule(request: ScheduleIdRequest, context: Context) -> dict[str, Any]:
    """Uploads start nothing any more; runs that began go on. Disabling what is disabled changes nothing."""
    await switch_off(lambda: _own(request, context), context)
    return {}


async def delete_schedule(request: ScheduleIdRequest, context: Context) -> dict[str, Any]:
    """Removes a disabled pipeline; runs carry their definition and go on."""

    async def deletable() -> Pipeline:
        pipeline = await _own(request, context)
        _refuse_enabled(pipeline, "deleted")
        return pipeline

    await remove(deletable, context)
    return {}


async def _named(
    request: CreateScheduleRequest | ModifyScheduleRequest, context: Context, pipeline: Pipeline | None = None
) -> OwnTemplates:
    """The caller's templates that a save names, and those of the nodes that it leaves as they are."""
    params: list[object] = [activity.activity_para for activity in request.activities or ()]
    params += [node.params for node in pipeline.nodes] if pipeline else []
    return await Templates(context.deps.records).named_in(context.tenant, params)


def _refuse_enabled(pipeline: Pipeline, what: str) -> None:
    if pipeline.status is PipelineStatus.ENABLED:
        rule = f"schedule {pipeline.id} is Enabled; disable it before it is {what}"
        raise ApiError("FailedOperation", f"ScheduleId: {rule}")


def _name_taken(name: str) -> ApiError:
    return invalid("ScheduleName", f"there is a schedule named {name!r} already", "Name")


async def own_pipeline(pipeline_id: str, context: Context) -> Pipeline:
    """The caller's schedule. Raises ApiError `ResourceNotFound`, also for somebody else's, and for a workflow."""
    pipeline = await context.deps.records.pipelines.get(pipeline_id)
    if pipeline is None or pipeline.tenant != context.tenant or pipeline.task_type is not TaskType.SCHEDULE:
        raise ApiError("ResourceNotFound", f"ScheduleId: there is no schedule {pipeline_id}")
    return pipeline


async def _own(request: ScheduleIdRequest, context: Context) -> Pipeline:
    return await own_pipeline(str(request.schedule_id), context)
