"""CreateSchedule, ModifySchedule, DescribeSchedules, EnableSchedule, DisableSchedule, DeleteSchedule."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from services.api.dependencies import Context
from services.api.domain.errors import ApiError, invalid
from services.api.domain.schedules import Draft, read_changes, read_listing, read_schedule, render_schedule
from services.api.saving import NameTaken, insert_pipeline, save_pipeline
from services.api.switching import remove, switch_off, switch_on
from shared.model.pipeline import Pipeline, PipelineStatus, TaskType
from shared.mps.presets import OwnTemplates
from shared.mps.schedule import (
    CreateScheduleRequest,
    DescribeSchedulesRequest,
    ModifyScheduleRequest,
    ScheduleIdRequest,
)
from shared.ports.state import Order
from shared.state.templates import Templates


async def create_schedule(request: CreateScheduleRequest, context: Context) -> dict[str, Any]:
    """Writes a disabled pipeline. The name is the caller's own once only."""
    own = await _named(request, context)

    def draft(pipeline_id: str, now: datetime) -> Draft:
        return read_schedule(request, tenant=context.tenant, pipeline_id=pipeline_id, now=now, own=own)

    try:
        made = await insert_pipeline(draft, context)
    except NameTaken as taken:
        raise _name_taken(taken.name) from None
    return {"ScheduleId": int(made.id)}


async def modify_schedule(request: ModifyScheduleRequest, context: Context) -> dict[str, Any]:
    """Makes a new version of a disabled pipeline; runs that began go on with theirs. A save that changes nothing makes
    none."""
    own: OwnTemplates = {}

    async def editable() -> Pipeline:
        nonlocal own
        pipeline = await own_pipeline(str(request.schedule_id), context)
        _refuse_enabled(pipeline, "modified")
        own = await _named(request, context, pipeline)
        return pipeline

    try:
        await save_pipeline(editable, lambda pipeline, now: read_changes(request, pipeline, now=now, own=own), context)
    except NameTaken as taken:
        raise _name_taken(taken.name) from None
    return {}


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
