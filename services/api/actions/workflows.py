"""CreateWorkflow, ResetWorkflow, EnableWorkflow, DisableWorkflow, DeleteWorkflow, DescribeWorkflows: thin pipelines."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from services.api.dependencies import Context
from services.api.domain.errors import ApiError, invalid
from services.api.domain.schedules import Draft
from services.api.domain.workflows import read_workflow, read_workflow_listing, render_workflow, reset
from services.api.saving import NameTaken, insert_pipeline, save_pipeline
from services.api.switching import remove, switch_off, switch_on
from shared.model.pipeline import Pipeline, PipelineStatus, TaskType
from shared.mps.presets import OwnTemplates
from shared.mps.workflow import (
    CreateWorkflowRequest,
    DescribeWorkflowsRequest,
    ResetWorkflowRequest,
    WorkflowIdRequest,
)
from shared.ports.state import Order
from shared.state.templates import Templates


async def create_workflow(request: CreateWorkflowRequest, context: Context) -> dict[str, Any]:
    """Writes a disabled pipeline whose uploads make WorkflowTasks. Names are shared with schedules."""
    own = await _named(request, context)

    def draft(pipeline_id: str, now: datetime) -> Draft:
        return read_workflow(request, tenant=context.tenant, pipeline_id=pipeline_id, now=now, own=own)

    try:
        made = await insert_pipeline(draft, context)
    except NameTaken as taken:
        raise _name_taken(taken.name) from None
    return {"WorkflowId": int(made.id)}


async def reset_workflow(request: ResetWorkflowRequest, context: Context) -> dict[str, Any]:
    """Makes a new version of a disabled workflow, of nothing but the request; none if that changes nothing."""
    own = await _named(request, context)

    async def editable() -> Pipeline:
        return _disabled(await _own(request.workflow_id, context), "reset")

    def draft(workflow: Pipeline, now: datetime) -> Draft | None:
        wanted = read_workflow(request, tenant=context.tenant, pipeline_id=workflow.id, now=now, own=own)
        return reset(wanted, workflow, now)

    try:
        await save_pipeline(editable, draft, context)
    except NameTaken as taken:
        raise _name_taken(taken.name) from None
    return {}


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
        return _disabled(await _own(request.workflow_id, context), "deleted")

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


def _disabled(workflow: Pipeline, what: str) -> Pipeline:
    if workflow.status is PipelineStatus.ENABLED:
        rule = f"workflow {workflow.id} is Enabled; disable it before it is {what}"
        raise ApiError("FailedOperation", f"WorkflowId: {rule}")
    return workflow


def _name_taken(name: str) -> ApiError:
    return invalid("WorkflowName", f"there is a schedule or workflow named {name!r} already", "Name")
