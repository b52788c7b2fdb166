"""Versions of pipelines: list, look, compare, take back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from services.api import pipelines
from services.api.dependencies import Context
from services.api.domain.differences import Difference, differences, text_of
from services.api.domain.pipeline_document import PipelineBody, document_of
from services.api.domain.problems import not_found
from services.api.lookup import living_pipeline
from services.api.rest.access import changes
from services.api.rest.authentication import Caller
from services.api.rest.etags import IfMatch, check_match
from services.api.rest.idempotency import RepeatableRoute
from services.api.rest.parameters import PipelineId
from services.api.rest.pipeline_views import PipelineDetail
from services.api.rest.pipelines import shown
from services.api.versions import version_id
from shared.model.base import Instant
from shared.model.pipeline import Pipeline

router = APIRouter(prefix="/pipelines/{pipeline_id}", tags=["pipelines"], route_class=RepeatableRoute)

_MOST = 2**31
Definition = Annotated[int, Path(ge=1, lt=_MOST, description="The number of a saved definition, from 1.")]


class VersionSummary(BaseModel):
    """One saved definition. It never changes."""

    definition: int
    name: str
    nodes_count: int
    saved_at: Instant
    current: bool


class VersionDetail(VersionSummary):
    """A saved definition with what it says. Secrets are hidden."""

    document: PipelineBody


class VersionPage(BaseModel):
    """Some versions, newest first. `cursor` leads to those before them; null at the end."""

    versions: list[VersionSummary]
    cursor: str | None


class Diff(BaseModel):
    """What changes from one definition to another."""

    before: int
    after: int
    differences: list[Difference]
    text: str = Field(description="The same for people: both as YAML, in the unified form. Empty: no difference.")


class Rollback(BaseModel):
    """Which definition is to hold again."""

    model_config = ConfigDict(extra="forbid")

    definition: int = Field(ge=1, lt=_MOST)


@router.get("/versions")
async def list_versions(
    caller: Caller,
    pipeline_id: PipelineId,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(max_length=20, pattern="^[0-9]{1,10}$")] = None,
) -> VersionPage:
    """Every definition that was saved, newest first."""
    pipeline = await living_pipeline(pipeline_id, caller)
    # Definitions are numbered without gaps, so a page is known before it is read.
    newest = min(pipeline.definition, int(cursor) - 1) if cursor else pipeline.definition
    numbers = list(range(newest, max(newest - limit, 0), -1))
    ids = [version_id(pipeline.id, number) for number in numbers]
    kept = await caller.deps.records.versions.get_many(ids)
    if numbers and numbers[0] == pipeline.definition:
        kept.setdefault(ids[0], pipeline)  # a crash may have left the newest known to the pipeline alone
    more = numbers and numbers[-1] > 1
    return VersionPage(
        versions=[_summary(kept[name], pipeline) for name in ids if name in kept],
        cursor=str(numbers[-1]) if more else None,
    )


@router.get("/versions/{definition}")
async def show_version(caller: Caller, pipeline_id: PipelineId, definition: Definition) -> VersionDetail:
    """One saved definition."""
    pipeline = await living_pipeline(pipeline_id, caller)
    version = await _version(pipeline, definition, caller)
    return VersionDetail(**dict(_summary(version, pipeline)), document=document_of(version))


@router.get("/diff")
async def diff_versions(
    caller: Caller,
    pipeline_id: PipelineId,
    before: Annotated[int, Query(ge=1, lt=_MOST)],
    after: Annotated[int | None, Query(ge=1, lt=_MOST, description="Default: the current one.")] = None,
) -> Diff:
    """What changed from one definition to another, member by member and as a text."""
    pipeline = await living_pipeline(pipeline_id, caller)
    numbers = (before, after or pipeline.definition)
    old, new = [document_of(await _version(pipeline, number, caller)) for number in numbers]
    names = (f"{pipeline.name} {numbers[0]}", f"{pipeline.name} {numbers[1]}")
    return Diff(before=numbers[0], after=numbers[1], differences=differences(old, new), text=text_of(old, new, names))


@router.post("/rollback")
@changes("pipeline")
async def roll_back(
    caller: Caller, pipeline_id: PipelineId, wish: Rollback, response: Response, if_match: IfMatch = None
) -> PipelineDetail:
    """Makes a new definition that says what an old one said. The pipeline must be disabled, and what the old one names
    must still be there."""
    pipeline = await living_pipeline(pipeline_id, caller)
    old = await _version(pipeline, wish.definition, caller)

    def seen(now: Pipeline) -> None:
        check_match(if_match, now)

    return shown(await pipelines.restore(pipeline_id, old, seen, caller), response)


async def _version(pipeline: Pipeline, definition: int, context: Context) -> Pipeline:
    """The definition as it was kept. Raises Problem 404."""
    if definition == pipeline.definition:
        return pipeline
    kept = await context.deps.records.versions.get(version_id(pipeline.id, definition))
    if kept is None or kept.tenant != context.tenant:
        raise not_found("definition", str(definition))
    return kept


def _summary(version: Pipeline, pipeline: Pipeline) -> VersionSummary:
    return VersionSummary(
        definition=version.definition,
        name=version.name,
        nodes_count=len(version.nodes),
        saved_at=version.updated_at,
        current=version.definition == pipeline.definition,
    )
