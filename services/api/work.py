"""What ProcessMedia is to run: a schedule of the caller's, or the activities or media tasks of the request itself."""

from __future__ import annotations

from dataclasses import dataclass

from services.api.dependencies import Context
from services.api.domain.activities import Graph, read_activities
from services.api.domain.outputs import check_outputs
from services.api.domain.schedules import check_size
from services.api.domain.side_by_side import read_tasks
from services.api.domain.storage import BucketUse, InputPlace
from services.api.versions import keep_version
from shared.model.pipeline import Node, Notification, OutputPlace, Pipeline, TaskType
from shared.model.task import OutputTarget
from shared.mps.presets import OwnTemplates
from shared.mps.schedule import Activity, ProcessMediaRequest
from shared.state.templates import Templates, bind_nodes

INLINE = "inline"
"""The pipeline's id in a run that has none; no pipeline has this one."""


@dataclass(frozen=True, slots=True)
class Work:
    """A graph with the templates of the caller's that it names, where it comes from, and what it says of outputs and
    notification. `buckets` must exist for it."""

    pipeline_id: str
    pipeline_name: str
    definition: int
    nodes: tuple[Node, ...]
    output: OutputPlace
    task_type: TaskType = TaskType.SCHEDULE
    notification: Notification | None = None
    more_subscriptions: tuple[Notification, ...] = ()
    buckets: tuple[BucketUse, ...] = ()


async def scheduled(pipeline: Pipeline, context: Context) -> Work:
    """The pipeline as it is now."""
    records = context.deps.records
    await keep_version(records, pipeline)
    [bound] = await Templates(records).bound([pipeline])
    return Work(
        pipeline_id=pipeline.id,
        pipeline_name=pipeline.name,
        definition=pipeline.definition,
        nodes=bound.nodes,
        output=pipeline.output,
        notification=pipeline.notification,
        more_subscriptions=pipeline.more_subscriptions,
    )


async def given(activities: list[Activity], place: InputPlace, target: OutputTarget, context: Context) -> Work:
    """The activities, checked like those of a schedule. Raises ApiError."""
    params: list[object] = [activity.activity_para for activity in activities]
    own = await Templates(context.deps.records).named_in(context.tenant, params)
    graph = read_activities(activities, context.tenant, place.region, own)
    return _inline(graph, target, own, TaskType.SCHEDULE)


async def side_by_side(request: ProcessMediaRequest, place: InputPlace, target: OutputTarget, context: Context) -> Work:
    """The media tasks of a request, as a graph. Raises ApiError."""
    media, quality = request.media_process_task, request.ai_quality_control_task
    params: list[object] = [media.to_wire() if media else None, quality.to_wire() if quality else None]
    own = await Templates(context.deps.records).named_in(context.tenant, params)
    graph = read_tasks(media, quality, context.tenant, place.region, own)
    return _inline(graph, target, own, TaskType.WORKFLOW)


def _inline(graph: Graph, target: OutputTarget, own: OwnTemplates, task_type: TaskType) -> Work:
    check_outputs(graph.parameters, target.bucket, target.dir, own)
    nodes = bind_nodes(graph.nodes, own)
    check_size(*nodes)
    return Work(INLINE, "", 0, nodes, OutputPlace(), task_type, buckets=graph.buckets)
