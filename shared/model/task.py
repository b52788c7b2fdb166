"""A task: one attempt-able unit of work for one node of one run, and what comes out of it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from shared.model.base import Document, Instant, Value, instant_text
from shared.model.failure import Failure


class Lane(StrEnum):
    """A class of work that a worker can take."""

    LIGHT = "light"
    """Seconds of work: probing, rules."""
    MEDIA = "media"
    """Decoding and encoding."""
    AI = "ai"
    """Models."""


class TaskState(StrEnum):
    """Where a task stands."""

    QUEUED = "queued"
    """Ready; nobody holds it."""
    HELD = "held"
    """Not to be claimed while its run is paused."""
    RUNNING = "running"
    """A worker holds the lease."""
    SUCCEEDED = "succeeded"
    """Final, with a result."""
    FAILED = "failed"
    """Final, with a failure."""
    CANCELLED = "cancelled"
    """Final; nobody wants the result any more."""

    @property
    def final(self) -> bool:
        """Whether the task will never change again."""
        return self in _FINAL_TASKS


_FINAL_TASKS = (TaskState.SUCCEEDED, TaskState.FAILED, TaskState.CANCELLED)


class MediaObject(Value):
    """One exact object: `etag` (and `version_id` where the bucket keeps versions) pin what is meant.

    `key` is decoded and has no leading slash.
    """

    bucket: str
    region: str
    key: str
    etag: str
    size: int = Field(ge=0)
    version_id: str | None = None
    last_modified: Instant | None = None


class OutputTarget(Value):
    """Where a node writes unless its parameters say otherwise; `dir` begins and ends with a slash.

    `type` is how results spell the bucket (contract MPS_API §5.2).
    """

    bucket: str
    region: str
    dir: str
    type: Literal["COS", "AWS-S3"] = "COS"


class NodeResult(Value):
    """What a node made.

    `outputs` are the objects written, in upload order; only the task has them, not its copy in the run.
    `media` is the one that a following node reads, if this kind makes media. `echo` and `payload` are the contract's
    `Input` (defaults filled, names rendered) and `Output` of the result structure. `metadata` is set by the probe only
    (contract `MediaMetaData`). `chosen` is set by rules only: the successors that are to run.
    """

    outputs: tuple[MediaObject, ...] = ()
    media: MediaObject | None = None
    echo: dict[str, Any] = Field(default_factory=dict)
    payload: Any = None
    metadata: dict[str, Any] | None = None
    chosen: tuple[int, ...] | None = None


class Task(Document):
    """A queue entry. Its id is `run:node:attempt`, so that deriving it twice makes one document.

    `fence` grows with every claim: an older holder's completion is refused. `lost` counts leases that ran out.
    `worker` is the name of the holder, `owner` the one process of that name that holds it.
    `order` sorts a lane's queue: higher priority first, then older first. `queued_at` is when it last became ready.
    `progressed_at` is when `progress` last changed in this claim.
    `running_s` and `stalled_s` are how long an attempt may take, and how long without progress. `paused` is whether its
    run is; `paused_sequence` is the run's event that said so: what an older event wants changes nothing.
    `templates` are the tenant's own templates that `params` name, as they were when the run was made.
    """

    tenant: str
    run_id: str
    pipeline_id: str
    node: int
    attempt: int
    epoch: int = 0
    kind: str
    lane: Lane
    priority: int = Field(default=0, ge=-10, le=10)
    order: str = ""
    params: dict[str, Any] = Field(default_factory=dict)
    templates: dict[str, dict[str, Any]] = Field(default_factory=dict)
    original: MediaObject
    source: MediaObject
    metadata: dict[str, Any] | None = None
    target: OutputTarget
    traceparent: str | None = None
    running_s: float | None = None
    stalled_s: float | None = None

    state: TaskState = TaskState.QUEUED
    paused: bool = False
    paused_sequence: int = 0
    queued_at: Instant
    claimed_at: Instant | None = None
    finished_at: Instant | None = None
    fence: int = 0
    worker: str | None = None
    owner: str | None = None
    lease_until: Instant | None = None
    lost: int = 0
    progress: int = Field(default=0, ge=0, le=100)
    progressed_at: Instant | None = None
    result: NodeResult | None = None
    failure: Failure | None = None


def queue_order(priority: int, queued_at: datetime) -> str:
    """The value of `Task.order`: as text, smaller means sooner."""
    return f"{10 - priority:02d} {instant_text(queued_at)}"
