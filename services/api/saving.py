"""Saving pipelines, whoever asks for it: names are given once, buckets exist, and every definition is kept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import ClassVar

from services.api.buckets import check_buckets
from services.api.dependencies import Context
from services.api.domain.schedules import Draft
from services.api.sinks import check_sinks, reopen
from services.api.versions import keep_version
from shared.errors import ReelwayError
from shared.ids import new_pipeline_id
from shared.model.pipeline import Pipeline
from shared.ports.state import DuplicateKey
from shared.state.repository import Contention

_TRIES = 5

Find = Callable[[], Awaitable[Pipeline]]
"""Looks the pipeline up anew for each try; raises if it is not there or may not be changed now."""


class NameTaken(ReelwayError):
    """The tenant has a pipeline of this name already."""

    code: ClassVar[str] = "name_taken"

    def __init__(self, name: str) -> None:
        super().__init__(f"there is a pipeline named {name!r} already")
        self.name = name


async def insert_pipeline(draft_of: Callable[[str, datetime], Draft], context: Context) -> Pipeline:
    """Writes a new pipeline, made for an id and a moment. Raises NameTaken and what `draft_of` raises."""
    records = context.deps.records
    for _ in range(_TRIES):
        now = await records.now()
        draft = draft_of(str(new_pipeline_id(now)), now)
        check_sinks(draft.pipeline.subscriptions, context)
        await check_buckets(context.deps.objects, draft.buckets)
        try:
            await records.pipelines.insert(draft.pipeline)
        except DuplicateKey:
            if await name_is_taken(draft.pipeline.name, context):
                raise NameTaken(draft.pipeline.name) from None
            continue  # Two pipelines made in the same millisecond drew the same random bits.
        await keep_version(records, draft.pipeline)
        await reopen(draft.pipeline.subscriptions, context)
        return draft.pipeline
    raise Contention("no free pipeline id")


async def save_pipeline(
    find: Find, draft_of: Callable[[Pipeline, datetime], Draft | None], context: Context
) -> Pipeline:
    """Writes the next definition of a pipeline; runs that began go on with theirs. A draft of None changes nothing and
    makes no definition. Raises NameTaken and what `find` and `draft_of` raise."""
    records = context.deps.records
    for _ in range(_TRIES):
        pipeline = await find()
        draft = draft_of(pipeline, await records.now())
        if draft is None:
            return pipeline
        check_sinks(draft.pipeline.subscriptions, context)
        await check_buckets(context.deps.objects, draft.buckets)
        await keep_version(records, pipeline)
        try:
            saved = await records.pipelines.replace(draft.pipeline)
        except DuplicateKey:
            raise NameTaken(draft.pipeline.name) from None
        if saved is not None:
            await keep_version(records, saved)
            await reopen(saved.subscriptions, context)
            return saved
    raise Contention("the pipeline changed under a save")


async def name_is_taken(name: str, context: Context, *, but_by: str | None = None) -> bool:
    """Whether the tenant has a pipeline of this name, other than the one with the id `but_by`."""
    where = {"tenant": context.tenant, "name": name}
    found = await context.deps.records.pipelines.find(where, limit=1)
    return any(pipeline.id != but_by for pipeline in found)
