"""A dry run: the file is looked at, everything is decided as a run would decide it, and nothing is made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from services.api.actions.metadata import probed
from services.api.dependencies import Context
from services.api.domain.dry_run import NodePlan, plan_run
from services.api.domain.errors import ApiError
from services.api.domain.problems import Problem, invalid
from services.api.domain.storage import COS, S3, BucketUse, InputPlace
from services.api.own_buckets import checked_key, own_bucket, storage_answers
from shared.model.pipeline import Pipeline, PipelineStatus
from shared.model.run import Run
from shared.model.starting import refusal, run_for
from shared.model.upload import Refusal
from shared.mps.media import MediaMetaData
from shared.mps.presets import UnknownTemplate
from shared.ports.objects import ObjectInfo
from shared.state.templates import Templates

PROBE_S = 25.0
"""For a worker to read the file; less than what a call may take."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What to run on: an object of a bucket (the trigger's if None), or one that is only thought of, which the metadata
    tells of."""

    bucket: str | None = None
    key: str | None = None
    metadata: MediaMetaData | None = None


@dataclass(frozen=True, slots=True)
class DryRun:
    """What would happen. `refused` is why an upload of the object would start nothing if the pipeline were enabled;
    `metadata` is None if nobody knows it."""

    run: Run
    real: bool
    refused: Refusal | None
    metadata: MediaMetaData | None
    nodes: list[NodePlan]


async def dry_run(pipeline: Pipeline, subject: Subject, context: Context) -> DryRun:
    """Raises Problem if the object is not there or is no media."""
    try:
        [bound] = await Templates(context.deps.records).bound([pipeline])
        now = await context.deps.records.now()
        info, real = await _object(bound, subject, now, context)
        run = run_for(bound, "dry", info, now)
        metadata = subject.metadata
        if metadata is None and real:
            metadata = await _read(run, context)
        if metadata is not None:
            run = _with_metadata(run, metadata)
        watching = bound.with_changes(status=PipelineStatus.ENABLED, enabled_at=info.last_modified)
        return DryRun(run, real, refusal(watching, info), metadata, plan_run(run, metadata))
    except UnknownTemplate as error:
        raise invalid("nodes", f"{error}: a run would fail") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise invalid("nodes", f"parameters that this version takes no more: {first['msg']}") from None


async def _object(pipeline: Pipeline, subject: Subject, now: datetime, context: Context) -> tuple[ObjectInfo, bool]:
    """The object, and whether it is really there."""
    trigger = pipeline.trigger
    bucket = own_bucket(subject.bucket or trigger.bucket, context)
    if subject.key is not None and subject.metadata is None:
        key = checked_key(subject.key, "object.key")
        with storage_answers(f"{bucket}/{key}"):
            return await context.deps.objects.head(bucket, key), True
    formats = trigger.formats or ("mp4",)
    key = checked_key(subject.key or f"{trigger.dir}example.{formats[0]}", "object.key")
    size = subject.metadata.size if subject.metadata else 0
    return ObjectInfo(bucket, key, size or 1, "", now), False


async def _read(run: Run, context: Context) -> MediaMetaData:
    """By a worker, as every untrusted file is read."""
    source = run.input
    place = InputPlace(
        S3 if run.input_type == S3 else COS,
        BucketUse(source.bucket, "object.bucket"),
        source.region,
        source.key,
        "object.key",
    )
    try:
        ended = await probed(place, source, context, PROBE_S)
    except ApiError as error:
        raise _unread(error) from None
    result = ended.node_runs[0].result
    if result is None or result.metadata is None:
        raise Problem(503, "busy", "the reading of the object was ended by somebody; try again")
    return MediaMetaData.model_validate(result.metadata)


def _unread(error: ApiError) -> Problem:
    rule = error.message.partition(": ")[2] or error.message
    if error.wire_code.startswith("InvalidParameterValue"):
        return invalid("object.key", rule)
    return Problem(503, "busy", rule, headers={"retry-after": "1"})


def _with_metadata(run: Run, metadata: MediaMetaData) -> Run:
    return run.with_changes(metadata=metadata.to_wire())
