"""Legacy workflows into pipelines and back (contract MPS_API §3): a trigger, and media tasks side by side."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from services.api.domain.errors import invalid
from services.api.domain.fields import check_name, moment_text, normalise_dir
from services.api.domain.notification import read_notification, render_told
from services.api.domain.outputs import check_outputs
from services.api.domain.schedules import Draft, Listing, check_size, read_page, read_trigger
from services.api.domain.side_by_side import read_tasks, render_tasks
from services.api.domain.storage import read_output
from services.api.domain.tasks import read_priority
from shared.model.pipeline import Pipeline, TaskType
from shared.mps.presets import NO_OWN, OwnTemplates
from shared.mps.workflow import CreateWorkflowRequest, DescribeWorkflowsRequest
from shared.state.templates import bind

_ECHOED = ("OutputStorage", "OutputDir")


def read_workflow(
    request: CreateWorkflowRequest, *, tenant: str, pipeline_id: str, now: datetime, own: OwnTemplates = NO_OWN
) -> Draft:
    """A disabled pipeline whose runs are WorkflowTasks; `own` are the templates of the tenant that it names. Raises
    ApiError."""
    name = check_name(request.workflow_name, "WorkflowName")
    if request.trigger.type == "AwsS3FileUpload":
        raise invalid("Trigger.Type", "must be CosFileUpload: AwsS3FileUpload is for schedules only")
    trigger, watched = read_trigger(request.trigger, tenant)
    graph = read_tasks(request.media_process_task, None, tenant, trigger.region, own)
    output, written = read_output(request.output_storage, "OutputStorage", tenant, trigger.region)
    if request.output_dir:
        output = output.model_copy(update={"dir": normalise_dir(request.output_dir, "OutputDir")})
    given = request.to_wire_as_given()
    pipeline = Pipeline(
        id=pipeline_id,
        tenant=tenant,
        name=name,
        task_type=TaskType.WORKFLOW,
        trigger=trigger,
        nodes=graph.nodes,
        output=output,
        notification=read_notification(request.task_notify_config),
        priority=read_priority(request.task_priority, "TaskPriority"),
        created_at=now,
        updated_at=now,
        as_given={member: given[member] for member in _ECHOED if given.get(member)},
    )
    check_size(bind(pipeline, own))
    check_outputs(graph.parameters, output.bucket or trigger.bucket, output.dir, own)
    return Draft(pipeline, (watched, *written, *graph.buckets))


_SAVED = ("name", "trigger", "nodes", "output", "notification", "priority", "as_given")
"""What of a pipeline a reset writes; the rest is its identity and its state."""


def reset(draft: Draft, pipeline: Pipeline, now: datetime) -> Draft | None:
    """The next version of a workflow as a new draft says it; None if that changes nothing."""
    read = {member: getattr(draft.pipeline, member) for member in _SAVED}
    changed = pipeline.with_changes(**read)
    if changed == pipeline:
        return None
    return Draft(changed.with_changes(definition=pipeline.definition + 1, updated_at=now), draft.buckets)


def read_workflow_listing(request: DescribeWorkflowsRequest, tenant: str) -> Listing:
    """Raises ApiError."""
    return read_page(
        {"tenant": tenant, "task_type": TaskType.WORKFLOW.value},
        request.workflow_ids,
        "WorkflowIds",
        request.status,
        request.offset,
        request.limit,
    )


def render_workflow(pipeline: Pipeline) -> dict[str, Any]:
    """`WorkflowInfo`."""
    return {
        "WorkflowId": int(pipeline.id),
        "WorkflowName": pipeline.name,
        "Status": pipeline.status.value,
        "Trigger": pipeline.trigger.as_given,
        "OutputStorage": pipeline.as_given.get("OutputStorage"),
        "OutputDir": pipeline.as_given.get("OutputDir"),
        "MediaProcessTask": render_tasks(pipeline.nodes),
        "AiContentReviewTask": None,
        "AiAnalysisTask": None,
        "AiRecognitionTask": None,
        **render_told(pipeline),
        "TaskPriority": pipeline.priority,
        "CreateTime": moment_text(pipeline.created_at),
        "UpdateTime": moment_text(pipeline.updated_at),
    }
