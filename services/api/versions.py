"""Saved definitions: every save of a pipeline makes one, and none is ever changed."""

from __future__ import annotations

from shared.model.pipeline import Pipeline, PipelineStatus
from shared.state.records import Records


def version_id(pipeline_id: str, definition: int) -> str:
    """The id under which a definition is kept."""
    return f"{pipeline_id}:{definition}"


async def keep_version(records: Records, pipeline: Pipeline) -> None:
    """Keeps the definition that the pipeline has now. Keeping it twice changes nothing.

    The pipeline is written first and its version after it, so a crash in between leaves a definition that only the
    pipeline knows. Whoever is about to use it (enable, run) or to replace it (modify, delete) therefore keeps it again;
    what is kept does not depend on who did it.
    """
    kept = pipeline.with_changes(
        id=version_id(pipeline.id, pipeline.definition), version=0, status=PipelineStatus.DISABLED, enabled_at=None
    )
    await records.versions.insert_many([kept])
