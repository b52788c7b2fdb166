"""Pipelines as documents: made, replaced, copied, taken back, checked. The rules are those of the MPS face; refusals
are Problems with the paths of the document."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from enum import StrEnum
from typing import Any

from services.api.buckets import check_buckets
from services.api.dependencies import Context
from services.api.domain.errors import ApiError
from services.api.domain.parsing import parse
from services.api.domain.pipeline_document import PipelineBody, document_of, to_request, with_kept_secrets
from services.api.domain.problems import conflict
from services.api.domain.schedules import Draft, as_request, next_version, read_schedule
from services.api.domain.wire_paths import problem_of_api_error
from services.api.lookup import living_pipeline
from services.api.saving import NameTaken, insert_pipeline, name_is_taken, save_pipeline
from services.api.sinks import check_sinks
from shared.model.pipeline import Pipeline, PipelineStatus, TaskType
from shared.mps.presets import OwnTemplates
from shared.mps.schedule import CreateScheduleRequest
from shared.state.templates import Templates

Check = Callable[[Pipeline], None]
"""Raises Problem if the caller did not mean the pipeline as it is now."""


def anything(_: Pipeline) -> None:
    """A check that lets everything pass."""


async def create(body: PipelineBody, context: Context) -> Pipeline:
    """A new disabled pipeline. Raises Problem."""
    return await _insert(to_request(with_kept_secrets(body, None)), body, context)


async def clone(pipeline: Pipeline, name: str, context: Context) -> Pipeline:
    """A disabled copy, with the secrets, under another name. Raises Problem."""
    _refuse_workflow(pipeline, "copied")
    return await _insert(as_request(pipeline) | {"ScheduleName": name}, None, context)


async def _insert(given: dict[str, Any], body: PipelineBody | None, context: Context) -> Pipeline:
    async with refusals(body):
        request = parse(CreateScheduleRequest, given)
        own = await _templates(request, context)

        def draft(pipeline_id: str, now: datetime) -> Draft:
            return read_schedule(request, tenant=context.tenant, pipeline_id=pipeline_id, now=now, own=own)

        return await insert_pipeline(draft, context)


async def replace(pipeline_id: str, body: PipelineBody, check: Check, context: Context) -> Pipeline:
    """The next definition of a disabled pipeline, as a whole. What is there already makes none. Raises Problem."""

    def wanted(pipeline: Pipeline) -> dict[str, Any]:
        return to_request(with_kept_secrets(body, pipeline))

    return await _save(pipeline_id, wanted, body, check, context)


async def restore(pipeline_id: str, old: Pipeline, check: Check, context: Context) -> Pipeline:
    """A new definition that says what an old one said. It is checked anew: what it names may be gone. Raises
    Problem."""
    return await _save(pipeline_id, lambda _: as_request(old), None, check, context)


async def _save(
    pipeline_id: str,
    wanted: Callable[[Pipeline], dict[str, Any]],
    body: PipelineBody | None,
    check: Check,
    context: Context,
) -> Pipeline:
    request: CreateScheduleRequest
    own: OwnTemplates = {}

    async def editable() -> Pipeline:
        nonlocal request, own
        pipeline = await living_pipeline(pipeline_id, context)
        check(pipeline)
        _refuse_workflow(pipeline, "changed")
        refuse_enabled(pipeline, "changed")
        request = parse(CreateScheduleRequest, wanted(pipeline))
        own = await _templates(request, context)
        return pipeline

    def draft(pipeline: Pipeline, now: datetime) -> Draft | None:
        new = read_schedule(request, tenant=context.tenant, pipeline_id=pipeline.id, now=now, own=own)
        if document_of(new.pipeline, secrets=True) == document_of(pipeline, secrets=True):
            return None
        return next_version(new, pipeline, now)

    async with refusals(body):
        return await save_pipeline(editable, draft, context)


class Applied(StrEnum):
    """What applying a document did."""

    CREATED = "created"
    """There was no pipeline of this name; it is disabled."""
    UPDATED = "updated"
    """The pipeline has a new definition."""
    UNCHANGED = "unchanged"
    """The pipeline says so already."""


async def apply(body: PipelineBody, context: Context) -> tuple[Pipeline, Applied]:
    """Makes the pipeline of this name be what the document says. Doing it again changes nothing. Raises Problem."""
    found = await context.deps.records.pipelines.find({"tenant": context.tenant, "name": body.name}, limit=1)
    if not found:
        return await create(body, context), Applied.CREATED
    pipeline = found[0]
    _refuse_workflow(pipeline, "changed")
    if pipeline.status is PipelineStatus.ENABLED and await _says(pipeline, body, context):
        return pipeline, Applied.UNCHANGED  # to ask for what is there is no change
    saved = await replace(pipeline.id, body, anything, context)
    return saved, Applied.UNCHANGED if saved.definition == pipeline.definition else Applied.UPDATED


async def _says(pipeline: Pipeline, body: PipelineBody, context: Context) -> bool:
    draft = await _draft(body, pipeline, context)
    return document_of(draft.pipeline, secrets=True) == document_of(pipeline, secrets=True)


async def check(
    body: PipelineBody, context: Context, *, instead_of: Pipeline | None = None, named: bool = True
) -> Draft:
    """Everything that a save would check, without one; whether the name is free only if it is to be `named`. Raises
    Problem."""
    draft = await _draft(body, instead_of, context)
    async with refusals(body):
        check_sinks(draft.pipeline.subscriptions, context)
        await check_buckets(context.deps.objects, draft.buckets)
        if named and await name_is_taken(body.name, context, but_by=instead_of.id if instead_of else None):
            raise NameTaken(body.name)
    return draft


async def _draft(body: PipelineBody, instead_of: Pipeline | None, context: Context) -> Draft:
    async with refusals(body):
        request = parse(CreateScheduleRequest, to_request(with_kept_secrets(body, instead_of)))
        own = await _templates(request, context)
        now = await context.deps.records.now()
        return read_schedule(request, tenant=context.tenant, pipeline_id="0", now=now, own=own)


@asynccontextmanager
async def refusals(body: PipelineBody | None) -> AsyncIterator[None]:
    """Turns refusals of the shared rules into Problems."""
    try:
        yield
    except ApiError as error:
        raise problem_of_api_error(error, body) from None
    except NameTaken as taken:
        fields = [{"field": "name", "rule": str(taken)}]
        raise conflict("name_taken", str(taken), errors=fields) from None


def refuse_enabled(pipeline: Pipeline, what: str) -> None:
    """Raises Problem 409 while uploads start it."""
    if pipeline.status is PipelineStatus.ENABLED:
        raise conflict("enabled", f"the pipeline {pipeline.id} is enabled; disable it before it is {what}")


def _refuse_workflow(pipeline: Pipeline, what: str) -> None:
    if pipeline.task_type is TaskType.WORKFLOW:
        raise conflict(
            "is_workflow", f"the pipeline {pipeline.id} is a workflow of the MPS face and can only be {what} there"
        )


async def _templates(request: CreateScheduleRequest, context: Context) -> OwnTemplates:
    params: list[object] = [activity.activity_para for activity in request.activities]
    return await Templates(context.deps.records).named_in(context.tenant, params)
