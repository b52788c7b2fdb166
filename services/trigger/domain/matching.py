"""Which pipelines an object starts, and why the others stay quiet."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from shared.ids import digest, run_id
from shared.model.pipeline import Pipeline, PipelineStatus
from shared.model.run import Run, new_run
from shared.model.task import MediaObject, OutputTarget
from shared.model.upload import Match
from shared.ports.objects import ObjectInfo

CLOCK_TOLERANCE = timedelta(seconds=2)
"""The storage's clock may be this much behind the store's: an upload right after enabling must not be lost. The storage
tells whole seconds, so within the second of enabling an upload counts as after it in any case."""


def identity(info: ObjectInfo) -> str:
    """What makes this object this upload: its version, or else its content and the second it was written. The same
    for every kind of event, for a repeated one and for a listing; another for the same bytes uploaded again later."""
    return info.version_id or f"{info.etag} {int(info.last_modified.timestamp())}"


def record_id(info: ObjectInfo) -> str:
    """The ledger's id of an upload."""
    return digest("upload", info.bucket, info.key, identity(info))


def observed(info: ObjectInfo) -> str:
    """The object as a listing shows it, which knows no versions."""
    return digest("observed", info.bucket, info.key, info.etag, str(int(info.last_modified.timestamp())))


def refusal(pipeline: Pipeline, info: ObjectInfo) -> str | None:
    """Why the object does not start this pipeline, or None if it does."""
    trigger = pipeline.trigger
    if pipeline.status is not PipelineStatus.ENABLED or pipeline.enabled_at is None:
        return "the pipeline is disabled"
    if info.bucket != trigger.bucket:
        return f"the pipeline watches bucket {trigger.bucket}"
    if info.key.endswith("/"):
        return "the key is a folder"
    if not f"/{info.key}".startswith(trigger.dir):
        return f"the key is not under {trigger.dir}"
    if trigger.formats is not None and extension(info.key) not in trigger.formats:
        return f"format {extension(info.key) or 'none'!r} is not among {', '.join(trigger.formats)}"
    if info.size == 0:
        return "the object is empty"
    if info.last_modified < pipeline.enabled_at.replace(microsecond=0) - CLOCK_TOLERANCE:
        return "the object is older than the moment of enabling"
    return None


def extension(key: str) -> str:
    """The lower-case extension without its dot, or nothing."""
    name = key.rsplit("/", 1)[-1]
    return name.rsplit(".", 1)[1].lower() if "." in name else ""


def match(pipeline: Pipeline, info: ObjectInfo) -> Match:
    """The ledger's line for one pipeline."""
    reason = refusal(pipeline, info)
    run = None if reason else run_id(pipeline.tenant, pipeline.id, info.bucket, info.key, identity(info))
    return Match(pipeline_id=pipeline.id, pipeline_name=pipeline.name, run_id=run, reason=reason)


def media_object(info: ObjectInfo, region: str) -> MediaObject:
    """The pinned object."""
    return MediaObject(
        bucket=info.bucket,
        region=region,
        key=info.key,
        etag=info.etag,
        size=info.size,
        version_id=info.version_id,
        last_modified=info.last_modified,
    )


def run_for(pipeline: Pipeline, run: str, info: ObjectInfo, now: datetime) -> Run:
    """The run that this upload starts in this pipeline."""
    folder = "/" + info.key.rpartition("/")[0]
    input_type: Literal["COS", "AWS-S3"] = "AWS-S3" if pipeline.trigger.type == "AwsS3FileUpload" else "COS"
    return new_run(
        run_id=run,
        tenant=pipeline.tenant,
        pipeline_id=pipeline.id,
        pipeline_name=pipeline.name,
        definition=pipeline.definition,
        nodes=pipeline.nodes,
        source=media_object(info, pipeline.trigger.region),
        target=OutputTarget(
            bucket=pipeline.output.bucket or info.bucket,
            region=pipeline.output.region or pipeline.trigger.region,
            dir=pipeline.output.dir or (folder if folder.endswith("/") else folder + "/"),
            type=input_type,
        ),
        now=now,
        notification=pipeline.notification,
        input_type=input_type,
    )
