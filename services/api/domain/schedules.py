"""Schedules into pipelines and back (contract MPS_API §4)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from services.api.domain.activities import read_activities, render_activities
from services.api.domain.errors import ApiError, invalid
from services.api.domain.fields import BUILT_IN_FORMATS, check_name, moment_text, normalise_dir, normalise_formats
from services.api.domain.notification import read_notification, read_subscriptions, render_told
from services.api.domain.outputs import check_outputs
from services.api.domain.parsing import parse
from services.api.domain.storage import BucketUse, read_output, read_trigger_place
from shared.model.pipeline import Pipeline, PipelineStatus, TaskType, UploadTrigger
from shared.mps.presets import NO_OWN, OwnTemplates
from shared.mps.schedule import (
    CreateScheduleRequest,
    DescribeSchedulesRequest,
    ModifyScheduleRequest,
    WorkflowTrigger,
)
from shared.ports.state import Filter
from shared.state.templates import bind

DEFAULT_LIMIT = 10
MAX_LIMIT = 100
MAX_BYTES = 1_000_000
"""Every run carries its graph, and documents are small [OURS]."""
TRIGGER_TYPES = ("CosFileUpload", "AwsS3FileUpload")
_ECHOED = ("OutputStorage", "OutputDir", "ResourceId")


@dataclass(frozen=True, slots=True)
class Draft:
    """A pipeline as asked for, and the buckets that must exist for it."""

    pipeline: Pipeline
    buckets: tuple[BucketUse, ...]


def read_schedule(
    request: CreateScheduleRequest, *, tenant: str, pipeline_id: str, now: datetime, own: OwnTemplates = NO_OWN
) -> Draft:
    """A disabled pipeline made of a CreateSchedule request; `own` are the templates of the tenant that it names. Raises
    ApiError.

    Nothing is kept twice: what a member of the pipeline can render again is not in `as_given`.
    """
    name = check_name(request.schedule_name)
    trigger, watched = read_trigger(request.trigger, tenant)
    graph = read_activities(request.activities, tenant, trigger.region, own)
    output, written = read_output(request.output_storage, "OutputStorage", tenant, trigger.region)
    if request.output_dir:
        output = output.model_copy(update={"dir": normalise_dir(request.output_dir, "OutputDir")})
    given = request.to_wire_as_given()
    pipeline = Pipeline(
        id=pipeline_id,
        tenant=tenant,
        name=name,
        trigger=trigger,
        nodes=graph.nodes,
        output=output,
        notification=read_notification(request.task_notify_config),
        more_subscriptions=read_subscriptions(request.subscriptions),
        created_at=now,
        updated_at=now,
        as_given={member: given[member] for member in _ECHOED if given.get(member)},
    )
    check_size(bind(pipeline, own))
    check_outputs(graph.parameters, output.bucket or trigger.bucket, output.dir, own)
    return Draft(pipeline, (watched, *written, *graph.buckets))


def check_size(*parts: BaseModel) -> None:
    """Raises ApiError if the parts, templates written into them, together take more than MAX_BYTES."""
    if sum(len(part.model_dump_json()) for part in parts) > MAX_BYTES:
        raise ApiError(
            "RequestSizeLimitExceeded", f"the activities and their templates take more than {MAX_BYTES} bytes"
        )


def read_changes(
    request: ModifyScheduleRequest, pipeline: Pipeline, *, now: datetime, own: OwnTemplates = NO_OWN
) -> Draft | None:
    """The next version of a pipeline, checked as a whole like a new one; None if the request changes nothing.

    A member that is absent stays as it is. An empty `OutputDir` or `ResourceId`, and a `TaskNotifyConfig` without
    members, take back what was set. Raises ApiError.
    """
    changes = request.to_wire_as_given()
    del changes["ScheduleId"]
    params = as_request(pipeline) | changes
    draft = read_schedule(
        parse(CreateScheduleRequest, params), tenant=pipeline.tenant, pipeline_id=pipeline.id, now=now, own=own
    )
    return next_version(draft, pipeline, now)


def next_version(draft: Draft, pipeline: Pipeline, now: datetime) -> Draft | None:
    """The next version of a pipeline as a draft says it as a whole; None if that changes nothing."""
    read = {member: getattr(draft.pipeline, member) for member in _SAVED}
    changed = pipeline.with_changes(**read)
    if changed == pipeline:
        return None
    return Draft(changed.with_changes(definition=pipeline.definition + 1, updated_at=now), draft.buckets)


_SAVED = ("name", "trigger", "nodes", "output", "notification", "more_subscriptions", "as_given")
"""What of a pipeline a save writes; the rest is its identity and its state."""


def as_request(pipeline: Pipeline) -> dict[str, Any]:
    """The CreateSchedule request that makes this pipeline."""
    found = {
        "ScheduleName": pipeline.name,
        "Trigger": pipeline.trigger.as_given,
        "Activities": render_activities(pipeline.nodes),
        **pipeline.as_given,
    }
    if pipeline.notification is not None:
        found["TaskNotifyConfig"] = pipeline.notification.as_given
    if pipeline.more_subscriptions:
        found["Subscriptions"] = [one.as_given for one in pipeline.more_subscriptions]
    return found


def read_trigger(wire: WorkflowTrigger, tenant: str) -> tuple[UploadTrigger, BucketUse]:
    """Which uploads start it, and the bucket that must exist for that. Raises ApiError."""
    place = read_trigger_place(wire, tenant)
    every_or_built_in = None if place.all_formats else BUILT_IN_FORMATS
    trigger = UploadTrigger(
        type=wire.type,
        bucket=place.bucket.bucket,
        region=place.region,
        dir=normalise_dir(place.dir, f"{place.field}.Dir") if place.dir else "/",
        formats=normalise_formats(place.formats, f"{place.field}.Formats", every_or_built_in),
        as_given=wire.to_wire_as_given(),
    )
    return trigger, place.bucket


@dataclass(frozen=True, slots=True)
class Listing:
    """What DescribeSchedules is to find, and which page of it."""

    where: Filter
    offset: int
    limit: int


def read_listing(request: DescribeSchedulesRequest, tenant: str) -> Listing:
    """Raises ApiError."""
    # What is older than this member is a schedule.
    where: dict[str, Any] = {"tenant": tenant, "task_type": {"$ne": TaskType.WORKFLOW.value}}
    if request.trigger_type:
        if request.trigger_type not in TRIGGER_TYPES:
            raise invalid("TriggerType", "must be CosFileUpload or AwsS3FileUpload")
        where["trigger.type"] = request.trigger_type
    return read_page(where, request.schedule_ids, "ScheduleIds", request.status, request.offset, request.limit)


def read_page(
    where: dict[str, Any],
    ids: list[int] | None,
    ids_field: str,
    status: str | None,
    offset: int | None,
    limit: int | None,
) -> Listing:
    """What is to be found, narrowed by what all lists of pipelines take. Raises ApiError."""
    if ids:
        if len(ids) > MAX_LIMIT:
            raise invalid(ids_field, f"must have at most {MAX_LIMIT} ids")
        where = {**where, "_id": {"$in": [str(number) for number in dict.fromkeys(ids)]}}
    if status:
        if status not in {known.value for known in PipelineStatus}:
            raise invalid("Status", "must be Enabled or Disabled")
        where = {**where, "status": status}
    offset = offset or 0
    if not 0 <= offset < 2**31:
        raise invalid("Offset", "must be 0 or more")
    return Listing(where, offset, read_limit(limit))


def read_limit(limit: int | None, most: int = MAX_LIMIT, default: int = DEFAULT_LIMIT) -> int:
    """The size of a page. Raises ApiError `.Limit`."""
    if limit is None:
        return default
    if not 1 <= limit <= most:
        raise invalid("Limit", f"must be from 1 to {most}", "Limit")
    return limit


def render_schedule(pipeline: Pipeline) -> dict[str, Any]:
    """`SchedulesInfo`."""
    return {
        "ScheduleId": int(pipeline.id),
        "ScheduleName": pipeline.name,
        "Type": "Custom",
        "Status": pipeline.status.value,
        "Trigger": pipeline.trigger.as_given,
        "Activities": render_activities(pipeline.nodes),
        "OutputStorage": pipeline.as_given.get("OutputStorage"),
        "OutputDir": pipeline.as_given.get("OutputDir"),
        **render_told(pipeline),
        "CreateTime": moment_text(pipeline.created_at),
        "UpdateTime": moment_text(pipeline.updated_at),
        "ResourceId": pipeline.as_given.get("ResourceId") or pipeline.tenant,
    }
