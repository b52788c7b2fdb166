"""Enabling, disabling and removing pipelines, whoever asks for it. `find` looks the pipeline up anew for each try and
raises what the caller is to be told if it is not there or may not be changed now."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from services.api.dependencies import Context
from services.api.sinks import reopen
from services.api.versions import keep_version
from shared.model.pipeline import Pipeline, PipelineStatus
from shared.state.repository import Contention

Find = Callable[[], Awaitable[Pipeline]]
_TRIES = 5


async def switch_on(find: Find, context: Context) -> None:
    """Uploads after this moment start runs. Enabling what is enabled changes nothing."""
    records = context.deps.records
    for _ in range(_TRIES):
        pipeline = await find()
        if pipeline.status is PipelineStatus.ENABLED:
            return
        await keep_version(records, pipeline)  # from here on runs refer to it
        now = await records.now()
        enabled = pipeline.with_changes(status=PipelineStatus.ENABLED, enabled_at=now, updated_at=now)
        if await records.pipelines.replace(enabled) is not None:
            await reopen(enabled.subscriptions, context)
            return
    raise Contention("the pipeline changed under an enabling")


async def switch_off(find: Find, context: Context) -> None:
    """Uploads start nothing any more; runs that began go on. Disabling what is disabled changes nothing."""
    records = context.deps.records
    for _ in range(_TRIES):
        pipeline = await find()
        if pipeline.status is PipelineStatus.DISABLED:
            return
        disabled = pipeline.with_changes(status=PipelineStatus.DISABLED, updated_at=await records.now())
        if await records.pipelines.replace(disabled) is not None:
            return
    raise Contention("the pipeline changed under a disabling")


async def remove(find: Find, context: Context) -> None:
    """Removes a pipeline; runs carry their definition and go on."""
    records = context.deps.records
    for _ in range(_TRIES):
        pipeline = await find()
        await keep_version(records, pipeline)
        if await records.pipelines.delete(pipeline):
            return
    raise Contention("the pipeline changed under a removal")
