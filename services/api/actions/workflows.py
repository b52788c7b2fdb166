"""CreateWorkflow, ResetWorkflow, EnableWorkflow, DisableWorkflow, DeleteWorkflow, DescribeWorkflows: thin pipelines."""

from __future__ import annotations

from typing import Any

from services.api.buckets import check_buckets
from services.api.dependencies import Context
from services.api.domain.errors import ApiError, invalid
from services.api.domain.workflows import read_workflow, read_workflow_listing, render_workflow, reset
from services.api.switching import remove, switch_off, switch_on
from services.api.versions import keep_version
from shared.ids import new_pipeline_id
from shared.model.pipeline import Pipeline, PipelineStatus, TaskType
from shared.mps.presets import OwnTemplates
from shared.mps.workflow import (
    CreateWorkflowRequest,
    DescribeWorkflowsRequest,
    ResetWorkflowRequest,
    WorkflowIdRequest,
)
from shared.ports.state import DuplicateKey, Order
from shared.state.repository import Contention
from shared.state.templates import Templates

_TRIES = 5


async def create_workflow(request: CreateWorkflowRequest, context: Context) -> dict[str, Any]:
    """Writes a disabled pipeline whose uploads make WorkflowTasks. Names are shared with schedules."""
    records = context.deps.records
    own = await _named(request, context)
    for _ in range(_TRIES):
        now = await records.now()
        draft = read_workflow(request, tenant=context.tenant, pipeline_id=str(new_pipeline_id(now)), now=now, own=own)
        await check_buckets(context.deps.objects, draft.buckets)
        try:
            await records.pipelines.insert(draft.pipeline)
        except DuplicateKey:
            if await records.pipelines.count({"tenant": context.tenant, "name": draft.pipeline.name}):
                raise _name_taken(draft.pipeline.name) from None
            continue  # Two made in the same millisecond drew the same random bits.
        await keep_version(records, draft.pipeline)
        return {"WorkflowId": int(draft.pipeline.id)}
    raise Contention("no free pipeline id")


async def reset_workflow(request: ResetWorkflowRequest, context: Context) -> dict[str, Any]:
    """Makes a new version of a disabled workflow, of nothing but the request; none if that changes nothing."""
    records = context.deps.records
    own = await _named(request, context)
    for _ in range(_TRIES):
        workflow = await _own(request.workflow_id, context)
        if workflow.status is PipelineStatus.ENABLED:
            raise ApiError("FailedOperation", f"WorkflowId: {_enabled(workflow, 'reset')}")
        now = await records.now()
        wanted = read_workflow(request, tenant=context.tenant, pipeline_id=workflow.id, now=now, own=own)
        draft = reset(wanted, workflow, now)
        if draft is None:
            return {}
        await check_buckets(context.deps.objects, draft.buckets)
        await keep_version(records, workflow)
        try:
            saved = await records.pipelines.replace(draft.pipeline)
        except DuplicateKey:
            raise _name_taken(draft.pipeline.name) from None
        if saved is not None:
            await keep_version(records, saved)
            return {}
    raise Contention(f"pipelines/{request.workflow_id} changed under a reset")


async def describe_workflows(request: DescribeWorkflowsRequest, context: Context) -> dict[str, Any]:
    """The caller's workflows, newest first."""
    listing = read_workflow_listing(request, context.tenant)
    pipelines = context.deps.records.pipelines
    found = await pipelines.find(
        listing.where, sort=[("created_at", Order.DESC)], limit=listing.limit, offset=listing.offset
    )
    total = await pipelines.count(listing.where)
    return {"TotalCount": total, "WorkflowInfoSet": [render_workflow(workflow) for workflow in found]}


async def enable_workflow(request: WorkflowIdRequest, context: Context) -> dict[str, Any]:
    """Uploads after this moment start runs. Enabling what is enabled changes nothing."""
    await switch_on(lambda: _own(request.workflow_id, context), context)
    return {}


async def disable_workflow(request: WorkflowIdRequest, context: Context) -> dict[str, Any]:
    """Uploads start nothing any more; runs that began go on. Disabling what is disabled changes nothing."""
    await switch_off(lambda: _own(request.workflow_id, context), context)
    return {}


async def delete_workflow(request: WorkflowIdRequest, context: Context) -> dict[str, Any]:
    """Removes a disabled workflow; runs carry their definition and go on."""

    async def deletable() -> Pipeline:
        workflow = await _own(request.workflow_id, context)
        if workflow.status is PipelineStatus.ENABLED:
            raise ApiError("FailedOperation", f"WorkflowId: {_enabled(workflow, 'deleted')}")
        return workflow

    await remove(deletable, context)
    return {}


async def _named(request: CreateWorkflowRequest, context: Context) -> OwnTemplates:
    tasks = request.media_process_task
    return await Templates(context.deps.records).named_in(context.tenant, [tasks.to_wire() if tasks else None])


async def _own(workflow_id: int, context: Context) -> Pipeline:
    """Raises ApiError `ResourceNotFound`, also for somebody else's, and for a schedule."""
    pipeline = await context.deps.records.pipelines.get(str(workflow_id))
    if pipeline is None or pipeline.tenant != context.tenant or pipeline.task_type is not TaskType.WORKFLOW:
        raise ApiError("ResourceNotFound", f"WorkflowId: there is no workflow {workflow_id}")
    return pipeline


def _enabled(workflow: Pipeline, what: str) -> str:
    return f"workflow {workflow.id} is Enabled; disable it before it is {what}"


def _name_taken(name: str) -> ApiError:
    return invalid("WorkflowName", f"there is a schedule or workflow named {name!r} already", "Name")
