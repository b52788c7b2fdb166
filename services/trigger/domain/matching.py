"""Which pipelines an object starts, and why the others stay quiet."""

from __future__ import annotations

from datetime import timedelta

from shared.ids import digest
from shared.model.pipeline import Pipeline, PipelineStatus
from shared.model.starting import identity, run_id_for, unfit
from shared.model.upload import Match
from shared.ports.objects import ObjectInfo

CLOCK_TOLERANCE = timedelta(seconds=2)
"""The storage's clock may be this much behind the store's: an upload right after enabling must not be lost. The storage
tells whole seconds, so within the second of enabling an upload counts as after it in any case."""


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
    if not f"/{info.key}".startswith(trigger.dir):
        return f"the key is not under {trigger.dir}"
    if reason := unfit(trigger, info):
        return reason
    if info.last_modified < pipeline.enabled_at.replace(microsecond=0) - CLOCK_TOLERANCE:
        return "the object is older than the moment of enabling"
    return None


def match(pipeline: Pipeline, info: ObjectInfo) -> Match:
    """The ledger's line for one pipeline."""
    reason = refusal(pipeline, info)
    run = None if reason else run_id_for(pipeline, info)
    return Match(pipeline_id=pipeline.id, pipeline_name=pipeline.name, run_id=run, reason=reason)
