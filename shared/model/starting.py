"""The run that an object starts in a pipeline: its id, its pinned input, its place for outputs.

Whoever starts it (an upload, or somebody who wants what lies there already to be processed) makes the same run.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from shared.ids import run_id
from shared.model.pipeline import OutputPlace, Pipeline, PipelineStatus, UploadTrigger
from shared.model.run import Run, new_run
from shared.model.task import MediaObject, OutputTarget
from shared.model.upload import Refusal, Rule
from shared.ports.objects import ObjectInfo


def identity(info: ObjectInfo) -> str:
    """What makes this object this upload: its version, or else its content and the second it was written. The same
    for every kind of event, for a repeated one and for a listing; another for the same bytes uploaded again later."""
    return info.version_id or f"{info.etag} {int(info.last_modified.timestamp())}"


def run_id_for(pipeline: Pipeline, info: ObjectInfo) -> str:
    """The id of the run that this very object starts in this pipeline."""
    return run_id(pipeline.tenant, pipeline.id, info.bucket, info.key, identity(info), task_type=pipeline.task_type)


def extension(key: str) -> str:
    """The lower-case extension without its dot, or nothing."""
    name = key.rsplit("/", 1)[-1]
    return name.rsplit(".", 1)[1].lower() if "." in name else ""


CLOCK_TOLERANCE = timedelta(seconds=2)
"""The storage's clock may be this much behind the store's: an upload right after enabling must not be lost. The storage
tells whole seconds, so within the second of enabling an upload counts as after it in any case."""


def refusal(pipeline: Pipeline, info: ObjectInfo) -> Refusal | None:
    """Why the object does not start this pipeline, or None if it does."""
    trigger = pipeline.trigger
    if pipeline.status is not PipelineStatus.ENABLED or pipeline.enabled_at is None:
        return Refusal(Rule.DISABLED, "the pipeline is disabled")
    if info.bucket != trigger.bucket:
        return Refusal(Rule.BUCKET, f"the pipeline watches bucket {trigger.bucket}")
    if not f"/{info.key}".startswith(trigger.dir):
        return Refusal(Rule.DIRECTORY, f"the key is not under {trigger.dir}")
    if reason := unfit(trigger, info):
        return reason
    if info.last_modified < pipeline.enabled_at.replace(microsecond=0) - CLOCK_TOLERANCE:
        return Refusal(Rule.OLDER, "the object is older than the moment of enabling")
    return None


def unfit(trigger: UploadTrigger, info: ObjectInfo) -> Refusal | None:
    """Why the object, wherever it lies, is nothing for this trigger; None if it is."""
    if info.key.endswith("/"):
        return Refusal(Rule.FOLDER, "the key is a folder")
    if trigger.formats is not None and extension(info.key) not in trigger.formats:
        text = f"format {extension(info.key) or 'none'!r} is not among {', '.join(trigger.formats)}"
        return Refusal(Rule.FORMAT, text)
    if info.size == 0:
        return Refusal(Rule.EMPTY, "the object is empty")
    return None


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


def target_of(output: OutputPlace, source: MediaObject, spelling: Literal["COS", "AWS-S3"]) -> OutputTarget:
    """Where the outputs of a run on this object go: what the pipeline does not say follows the object."""
    folder, slash, _ = source.key.rpartition("/")
    return OutputTarget(
        bucket=output.bucket or source.bucket,
        region=output.region or source.region,
        dir=output.dir or f"/{folder}{slash}",
        type=spelling,
    )


def run_for(pipeline: Pipeline, run: str, info: ObjectInfo, now: datetime) -> Run:
    """The run that this object starts in this pipeline."""
    source = media_object(info, pipeline.trigger.region)
    input_type: Literal["COS", "AWS-S3"] = "AWS-S3" if pipeline.trigger.type == "AwsS3FileUpload" else "COS"
    return new_run(
        run_id=run,
        tenant=pipeline.tenant,
        task_type=pipeline.task_type,
        pipeline_id=pipeline.id,
        pipeline_name=pipeline.name,
        definition=pipeline.definition,
        nodes=pipeline.nodes,
        source=source,
        target=target_of(pipeline.output, source, input_type),
        now=now,
        notification=pipeline.notification,
        more_subscriptions=pipeline.more_subscriptions,
        input_type=input_type,
        priority=pipeline.priority,
    )
