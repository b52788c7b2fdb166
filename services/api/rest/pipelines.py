"""Pipelines: list, look, make, change, delete, enable, disable, copy."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from services.api import pipelines
from services.api.dependencies import Context
from services.api.domain.pipeline_document import PipelineBody
from services.api.lookup import living_pipeline
from services.api.rest.access import changes
from services.api.rest.authentication import Caller
from services.api.rest.etags import IfMatch, check_match, etag_of
from services.api.rest.idempotency import RepeatableRoute
from services.api.rest.paging import Sort, page_of
from services.api.rest.parameters import PipelineId
from services.api.rest.pipeline_views import PipelineDetail, PipelineSummary, Status, detail, summary
from services.api.switching import remove, switch_off, switch_on
from shared.model.pipeline import Pipeline, PipelineStatus

router = APIRouter(prefix="/pipelines", tags=["pipelines"], route_class=RepeatableRoute)


class PipelinePage(BaseModel):
    """Some pipelines. `cursor` leads to those after them; null at the end."""

    pipelines: list[PipelineSummary]
    cursor: str | None


class PipelineFilter(BaseModel):
    """Which pipelines. Those made while somebody turns pages move nothing."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(
        default=None, min_length=1, max_length=128, description="A piece of the name, Latin letters in either case."
    )
    status: Status | None = None
    bucket: str | None = Field(default=None, max_length=63, description="The trigger's.")
    sort: Sort = Field(default=Sort.NEWEST, description="`-created_at` is newest first.")
    limit: int = Field(default=20, ge=1, le=100)
    cursor: str | None = Field(default=None, max_length=1000)


@router.get("")
async def list_pipelines(caller: Caller, wanted: Annotated[PipelineFilter, Query()]) -> PipelinePage:
    """The caller's pipelines, by the time they were made."""
    where: dict[str, Any] = {"tenant": caller.tenant}
    if wanted.name is not None:
        where["name"] = {"$contains": wanted.name}
    if wanted.status is not None:
        where["status"] = PipelineStatus.ENABLED if wanted.status == "enabled" else PipelineStatus.DISABLED
    if wanted.bucket is not None:
        where["trigger.bucket"] = wanted.bucket
    page, cursor = await page_of(
        caller.deps.records.pipelines,
        lambda pipeline: pipeline.created_at,
        where,
        sort=wanted.sort,
        limit=wanted.limit,
        cursor=wanted.cursor,
    )
    return PipelinePage(pipelines=[summary(one, etag_of(one)) for one in page], cursor=cursor)


@router.post("", status_code=201)
@changes("pipeline")
async def create_pipeline(caller: Caller, body: PipelineBody, response: Response) -> PipelineDetail:
    """Saves a new pipeline; it is disabled."""
    return made(await pipelines.create(body, caller), response)


@router.get("/{pipeline_id}")
async def show_pipeline(caller: Caller, pipeline_id: PipelineId, response: Response) -> PipelineDetail:
    """One pipeline. The ETag is for If-Match."""
    return shown(await living_pipeline(pipeline_id, caller), response)


@router.put("/{pipeline_id}")
@changes("pipeline")
async def replace_pipeline(
    caller: Caller, pipeline_id: PipelineId, body: PipelineBody, response: Response, if_match: IfMatch = None
) -> PipelineDetail:
    """Saves a disabled pipeline as a whole: a new definition, or none if nothing changes. Needs If-Match. Runs that
    began go on with their definition."""

    def seen(pipeline: Pipeline) -> None:
        check_match(if_match, pipeline, required=True)

    return shown(await pipelines.replace(pipeline_id, body, seen, caller), response)


@router.delete("/{pipeline_id}", status_code=204)
@changes("pipeline")
async def delete_pipeline(caller: Caller, pipeline_id: PipelineId, if_match: IfMatch = None) -> None:
    """Removes a disabled pipeline. Its runs go on and stay."""

    async def deletable() -> Pipeline:
        pipeline = await living_pipeline(pipeline_id, caller)
        check_match(if_match, pipeline)
        pipelines.refuse_enabled(pipeline, "deleted")
        return pipeline

    await remove(deletable, caller)


@router.post("/{pipeline_id}/enable")
@changes("pipeline")
async def enable_pipeline(
    caller: Caller, pipeline_id: PipelineId, response: Response, if_match: IfMatch = None
) -> PipelineDetail:
    """Uploads after this moment start runs. Enabling what is enabled changes nothing."""
    await switch_on(lambda: _seen(pipeline_id, if_match, caller), caller)
    return shown(await living_pipeline(pipeline_id, caller), response)


@router.post("/{pipeline_id}/disable")
@changes("pipeline")
async def disable_pipeline(
    caller: Caller, pipeline_id: PipelineId, response: Response, if_match: IfMatch = None
) -> PipelineDetail:
    """Uploads start nothing any more; runs that began go on. Disabling what is disabled changes nothing."""
    await switch_off(lambda: _seen(pipeline_id, if_match, caller), caller)
    return shown(await living_pipeline(pipeline_id, caller), response)


class Clone(BaseModel):
    """What the copy is called."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=4096)


@router.post("/{pipeline_id}/clone", status_code=201)
@changes("pipeline")
async def clone_pipeline(caller: Caller, pipeline_id: PipelineId, wish: Clone, response: Response) -> PipelineDetail:
    """A disabled copy under another name, secrets included."""
    pipeline = await living_pipeline(pipeline_id, caller)
    return made(await pipelines.clone(pipeline, wish.name, caller), response)


async def _seen(pipeline_id: str, if_match: str | None, context: Context) -> Pipeline:
    pipeline = await living_pipeline(pipeline_id, context)
    check_match(if_match, pipeline)
    return pipeline


def shown(pipeline: Pipeline, response: Response) -> PipelineDetail:
    """The answer about one pipeline, with its ETag."""
    response.headers["etag"] = etag_of(pipeline)
    return detail(pipeline, etag_of(pipeline))


def made(pipeline: Pipeline, response: Response) -> PipelineDetail:
    """The answer about a new one."""
    response.headers["location"] = f"/api/v1/pipelines/{pipeline.id}"
    return shown(pipeline, response)
