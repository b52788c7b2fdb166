"""Which pipelines an object starts, and why the others stay quiet."""

from __future__ import annotations

from shared.ids import digest
from shared.model.pipeline import Pipeline
from shared.model.starting import identity, refusal, run_id_for
from shared.model.upload import Match
from shared.ports.objects import ObjectInfo


def record_id(info: ObjectInfo) -> str:
    """The ledger's id of an upload."""
    return digest("upload", info.bucket, info.key, identity(info))


def observed(info: ObjectInfo) -> str:
    """The object as a listing shows it, which knows no versions."""
    return digest("observed", info.bucket, info.key, info.etag, str(int(info.last_modified.timestamp())))


def match(pipeline: Pipeline, info: ObjectInfo) -> Match:
    """The ledger's line for one pipeline."""
    reason = refusal(pipeline, info)
    run = None if reason else run_id_for(pipeline, info)
    return Match(
        pipeline_id=pipeline.id,
        pipeline_name=pipeline.name,
        tenant=pipeline.tenant,
        run_id=run,
        reason=reason,
        rule=reason.rule if reason else None,
    )
