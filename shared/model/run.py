"""A run: one execution of one pipeline definition on one input object, with its outbox and its public history."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from shared.model.base import Document, Instant, Value
from shared.model.failure import Failure
from shared.model.pipeline import Node, Notification, NotifyMode
from shared.model.task import MediaObject, NodeResult, OutputTarget, Task


class RunState(StrEnum):
    """Where a run stands."""

    REQUESTED = "requested"
    """Written, not yet begun."""
    RUNNING = "running"
    """At least one node is not final."""
    SUCCEEDED = "succeeded"
    """Final: every node that was to run succeeded."""
    FAILED = "failed"
    """Final: at least one node failed."""
    CANCELLED = "cancelled"
    """Final: somebody ended it."""

    @property
    def final(self) -> bool:
        """Whether the run will never change again in this epoch."""
        return self in (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED)


class NodeState(StrEnum):
    """Where a node of a run stands. Whether a queued node is being worked on at this moment is in its task (lease,
    progress) and is not copied here."""

    PENDING = "pending"
    """Some predecessor is not final."""
    QUEUED = "queued"
    """A task for it exists."""
    WAITING = "waiting"
    """An attempt failed; the next one is due at `due_at`."""
    SUCCEEDED = "succeeded"
    """Final, with a result."""
    FAILED = "failed"
    """Final, with a failure."""
    SKIPPED = "skipped"
    """Final: it was not to run; `reason` says why."""
    CANCELLED = "cancelled"
    """Final: the run was ended."""

    @property
    def final(self) -> bool:
        """Whether the node is done with."""
        return self not in (NodeState.PENDING, NodeState.QUEUED, NodeState.WAITING)


class NodeRun(Value):
    """One node of one run. `sequence` is that of the public event of its end."""

    state: NodeState = NodeState.PENDING
    attempt: int = 0
    source: MediaObject | None = None
    due_at: Instant | None = None
    queued_at: Instant | None = None
    started_at: Instant | None = None
    finished_at: Instant | None = None
    sequence: int | None = None
    result: NodeResult | None = None
    failure: Failure | None = None
    reason: str | None = None


class RunEventType(StrEnum):
    """What happened, in the public history."""

    RUN_STARTED = "run.started"
    """The first node was queued."""
    NODE_SUCCEEDED = "node.succeeded"
    """A node ended with a result."""
    NODE_RETRYING = "node.retrying"
    """An attempt failed and another one follows."""
    NODE_FAILED = "node.failed"
    """A node ended with a failure."""
    NODE_SKIPPED = "node.skipped"
    """A node will not run; the reason is given."""
    RUN_FINISHED = "run.finished"
    """The run is final."""


class RunEvent(Value):
    """One entry of a run's public history. `sequence` starts at 1 and has no holes within a run."""

    sequence: int
    type: RunEventType
    at: Instant
    node: int | None = None
    attempt: int | None = None
    state: str | None = None
    code: str | None = None
    message: str | None = None


class OutboxEntry(Value):
    """A message that follows from this run's state and is not known to be sent: a task to queue, or a public event."""

    kind: Literal["task", "event"]
    task: Task | None = None
    event: RunEvent | None = None


class Run(Document):
    """One execution. It carries its definition, so that later edits of the pipeline do not touch it.

    `due_at` is when somebody must look at this run again even if no message ever comes; only a final run with an
    empty outbox has none. `notify_due_at` is when the notifier must make sure that all deliveries exist.
    """

    tenant: str
    pipeline_id: str
    pipeline_name: str
    definition: int
    nodes: tuple[Node, ...]
    input: MediaObject
    input_type: Literal["COS", "AWS-S3"] = "COS"
    target: OutputTarget
    notification: Notification | None = None
    priority: int = 0
    session_id: str = ""
    session_context: str = ""
    skip_probe: bool = False
    depth: int = 0
    traceparent: str | None = None

    state: RunState = RunState.REQUESTED
    epoch: int = 0
    node_runs: tuple[NodeRun, ...]
    metadata: dict[str, Any] | None = None
    failure: Failure | None = None
    history: tuple[RunEvent, ...] = ()
    outbox: tuple[OutboxEntry, ...] = ()
    created_at: Instant
    started_at: Instant | None = None
    finished_at: Instant | None = None
    due_at: Instant | None
    notify_due_at: Instant | None = None

    @property
    def sequence(self) -> int:
        """The newest sequence number."""
        return self.history[-1].sequence if self.history else 0


def notifiable(run: Run, event: RunEvent) -> bool:
    """Whether this event makes a delivery for this run's notification (contract MPS_EVENTS §6): the end of the run, and
    in Change mode also its start and the end of each node. The input node counts: its end tells the metadata."""
    if run.notification is None:
        return False
    if event.type is RunEventType.RUN_FINISHED:
        return True
    return run.notification.mode is NotifyMode.CHANGE and event.type in (
        RunEventType.RUN_STARTED,
        RunEventType.NODE_SUCCEEDED,
        RunEventType.NODE_FAILED,
    )


def new_run(
    *,
    run_id: str,
    tenant: str,
    pipeline_id: str,
    pipeline_name: str,
    definition: int,
    nodes: tuple[Node, ...],
    source: MediaObject,
    target: OutputTarget,
    now: datetime,
    **extra: Any,
) -> Run:
    """A run that nobody has begun; due at once, so that it starts even if its message is lost."""
    return Run(
        id=run_id,
        tenant=tenant,
        pipeline_id=pipeline_id,
        pipeline_name=pipeline_name,
        definition=definition,
        nodes=nodes,
        input=source,
        target=target,
        node_runs=tuple(NodeRun() for _ in nodes),
        created_at=now,
        due_at=now,
        **extra,
    )
