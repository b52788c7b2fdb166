"""What tests build: pipelines, graphs, runs, tasks, objects. Every argument has a usable default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.ids import task_id
from shared.model.graph import check_graph
from shared.model.kinds import NOOP
from shared.model.pipeline import (
    INPUT,
    OUTPUT,
    Node,
    Notification,
    NotifyMode,
    OutputPlace,
    Pipeline,
    PipelineStatus,
    SinkType,
    UploadTrigger,
)
from shared.model.run import Run, new_run
from shared.model.task import Lane, MediaObject, NodeResult, OutputTarget, Task, TaskState, queue_order
from shared.ports.objects import ObjectInfo

T0 = datetime(2026, 3, 4, 5, 6, 7, 890123, tzinfo=UTC)
TENANT = "1250000000"
BUCKET = f"media-{TENANT}"
REGION = "ap-guangzhou"


def an_object(key: str = "in/clip.mp4", *, bucket: str = BUCKET, etag: str = "e1", **members: Any) -> ObjectInfo:
    """What the storage says of an object: ten seconds old, 1,000 bytes."""
    given = {"size": 1000, "last_modified": T0.replace(microsecond=0) - timedelta(seconds=10)} | members
    return ObjectInfo(bucket=bucket, key=key, etag=etag, **given)


def a_media(key: str = "in/clip.mp4", *, bucket: str = BUCKET, etag: str = "e1", **members: Any) -> MediaObject:
    """A pinned object."""
    return MediaObject(**({"bucket": bucket, "region": REGION, "key": key, "etag": etag, "size": 1000} | members))


def a_graph(edges: Sequence[Sequence[int]], *, kind: str = NOOP, **nodes: Node) -> tuple[Node, ...]:
    """A checked graph: `edges[i]` are the successors of node i; node 0 is the input, the last one the output.

    `n3=Node(...)` replaces node 3 (its successors stay those of `edges`).
    """
    last = len(edges) - 1
    made = []
    for index, successors in enumerate(edges):
        base = nodes.get(f"n{index}") or Node(kind=INPUT if index == 0 else OUTPUT if index == last else kind)
        made.append(base.model_copy(update={"successors": tuple(successors)}))
    check_graph(made)
    return tuple(made)


def a_chain(length: int = 1) -> tuple[Node, ...]:
    """input -> `length` nodes -> output."""
    return a_graph([[index + 1] for index in range(length + 1)] + [[]])


def a_diamond() -> tuple[Node, ...]:
    """0 input -> 1, 2, 3 -> 4 (join) -> 5 output."""
    return a_graph([[1, 2, 3], [4], [4], [4], [5], []])


def a_notification(mode: NotifyMode = NotifyMode.FINISH) -> Notification:
    """An HTTP callback."""
    return Notification(sink=SinkType.HTTP, mode=mode, target="http://127.0.0.1:1/hook")


def a_pipeline(pipeline_id: str = "7001", *, trigger: Mapping[str, Any] | None = None, **members: Any) -> Pipeline:
    """An enabled pipeline on `/in/` of the bucket for every format."""
    watched = {"type": "CosFileUpload", "bucket": BUCKET, "region": REGION, "dir": "/in/"} | dict(trigger or {})
    given: dict[str, Any] = {
        "tenant": TENANT,
        "name": f"pipeline-{pipeline_id}",
        "status": PipelineStatus.ENABLED,
        "trigger": UploadTrigger(**watched),
        "nodes": a_chain(),
        "output": OutputPlace(),
        "created_at": T0 - timedelta(days=1),
        "updated_at": T0 - timedelta(days=1),
        "enabled_at": T0 - timedelta(hours=1),
    }
    return Pipeline(id=pipeline_id, **(given | members))


def a_run(nodes: tuple[Node, ...] | None = None, *, run_id: str = "run-1", now: datetime = T0, **members: Any) -> Run:
    """A requested run."""
    given: dict[str, Any] = {
        "tenant": TENANT,
        "pipeline_id": "7001",
        "pipeline_name": "pipeline-7001",
        "definition": 1,
        "source": a_media(),
        "target": OutputTarget(bucket=BUCKET, region=REGION, dir="/out/"),
    }
    return new_run(run_id=run_id, nodes=nodes or a_chain(), now=now, **(given | members))


def a_task(node: int = 1, *, run_id: str = "run-1", attempt: int = 1, queued_at: datetime = T0, **members: Any) -> Task:
    """A queued no-op task on the light lane; the run's input is its source unless said otherwise."""
    given: dict[str, Any] = {
        "tenant": TENANT,
        "run_id": run_id,
        "pipeline_id": "7001",
        "kind": NOOP,
        "lane": Lane.LIGHT,
        "original": members.get("source", a_media()),
        "source": a_media(),
        "target": OutputTarget(bucket=BUCKET, region=REGION, dir="/out/"),
        "order": queue_order(members.get("priority", 0), queued_at),
    }
    return Task(
        id=task_id(run_id, node, attempt, members.get("epoch", 0)),
        node=node,
        attempt=attempt,
        queued_at=queued_at,
        **(given | members),
    )


def ended(task: Task, state: TaskState = TaskState.SUCCEEDED, *, now: datetime = T0, **members: Any) -> Task:
    """The task as a worker leaves it; succeeded with an empty result unless said otherwise."""
    if state is TaskState.SUCCEEDED:
        members.setdefault("result", NodeResult())
    return task.with_changes(state=state, claimed_at=now, finished_at=now, fence=task.fence + 1, **members)
