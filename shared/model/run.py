"""A run: one execution of one pipeline definition on one input object, with its outbox and its public history."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from shared.model.base import Document, Instant, Value
from shared.model.failure import Failure
from shared.model.pipeline import Node, Notification, NotifyMode, TaskType, all_subscriptions
from shared.model.task import MediaObject, NodeResult, OutputTarget, Task


class RunState(StrEnum):
    """Where a run stands."""

    REQUESTED = "requested"
    """Written, not yet begun."""
    RUNNING = "running"
    """At least one node is not final."""
    PAUSED = "paused"
    """Nothing new starts; what a worker holds goes on."""
    SUCCEEDED = "succeeded"
    """Final: every node that was to run succeeded."""
    FAILED = "failed"
    """Final: at least one node failed."""
    CANCELLED = "cancelled"
    """Final: somebody ended it."""

    @property
    def final(self) -> bool:
        """Whether the run will never change again in this epoch."""
        return self in _FINAL_RUNS


# Not within the properties: they are asked for every node of every step, and a member of an enum is dear to look up.
_FINAL_RUNS = (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED)


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
        return self not in _LIVE_NODES


_LIVE_NODES = (NodeState.PENDING, NodeState.QUEUED, NodeState.WAITING)


class Reused(Value):
    """Where a result comes from that was not made in this run: the attempt that made it."""

    run_id: str
    node: int
    attempt: int
    epoch: int = 0


class NodeRun(Value):
    """One node of one run. `sequence` is that of the public event of its end.

    `attempt` counts all attempts; `fresh_at` is how many of them do not count against the retries any more, because
    somebody asked for another try. `unchosen` tells a skip by a rule, which harms nobody, from one by a failure.
    """

    state: NodeState = NodeState.PENDING
    attempt: int = 0
    fresh_at: int = 0
    unchosen: bool = False
    reused: Reused | None = None
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
    NODE_CANCELLED = "node.cancelled"
    """A node that was queued or at work was ended with its run."""
    NODE_REUSED = "node.reused"
    """A node has the result of an earlier run."""
    NODE_RESET = "node.reset"
    """Somebody asked to try a failed node again; what was skipped because of it waits for it again."""
    RUN_PAUSED = "run.paused"
    """Nothing new starts."""
    RUN_RESUMED = "run.resumed"
    """Nodes start again."""
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
    """What follows from this run's state and is not known to be done: a task to queue, a public event to send, or a
    task to cancel, to hold or to let go of again (`task_id`; `sequence` is the event that asked for it)."""

    kind: Literal["task", "event", "cancel", "hold", "unhold"]
    task: Task | None = None
    event: RunEvent | None = None
    task_id: str | None = None
    sequence: int | None = None


class CommandKind(StrEnum):
    """What somebody can ask of a run that is not final."""

    CANCEL = "cancel"
    """End it now: nothing more starts, what runs is stopped."""
    PAUSE = "pause"
    """Start nothing new."""
    RESUME = "resume"
    """Go on."""
    RETRY_NODE = "retry_node"
    """Try a failed node again, or a waiting one at once."""


class Command(Value):
    """A wish that is written in the run and not yet taken in. `node` is set for RETRY_NODE."""

    kind: CommandKind
    at: Instant
    node: int | None = None


class Run(Document):
    """One execution. It carries its definition, so that later edits of the pipeline do not touch it. A rerun is a run
    of its own: `rerun_of` names the one before, `root` the first, `epoch` counts.

    `due_at` is when somebody must look at this run again even if no message ever comes; only a final run with an
    empty outbox has none. `notify_due_at` is when the notifier must make sure that all deliveries exist. `news_at` is
    the moment of the newest entry of the history, or of the run's making.
    """

    tenant: str
    task_type: TaskType = TaskType.SCHEDULE
    pipeline_id: str
    pipeline_name: str
    definition: int
    nodes: tuple[Node, ...]
    input: MediaObject
    input_type: Literal["COS", "AWS-S3"] = "COS"
    target: OutputTarget
    notification: Notification | None = None
    more_subscriptions: tuple[Notification, ...] = ()
    priority: int = 0
    session_id: str = ""
    session_context: str = ""
    skip_probe: bool = False
    traceparent: str | None = None

    rerun_of: str | None = None
    root: str | None = None
    epoch: int = 0

    state: RunState = RunState.REQUESTED
    commands: tuple[Command, ...] = ()
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
    news_at: Instant | None = None

    @property
    def sequence(self) -> int:
        """The newest sequence number."""
        return self.history[-1].sequence if self.history else 0

    @property
    def subscriptions(self) -> tuple[Notification, ...]:
        """All who are told: the contract's own first."""
        return all_subscriptions(self.notification, self.more_subscriptions)

    def subscription(self, name: str | None) -> Notification | None:
        """The one of this name; None is the contract's own."""
        return next((one for one in self.subscriptions if one.subscription == name), None)

    @property
    def paused_sequence(self) -> int:
        """The number of the event by which the run was last paused or resumed; 0 if it never was."""
        turns = (RunEventType.RUN_PAUSED, RunEventType.RUN_RESUMED)
        return next((event.sequence for event in reversed(self.history) if event.type in turns), 0)


def notifiable(run: Run, event: RunEvent) -> bool:
    """Whether this event makes a delivery for anybody."""
    return any(wants(subscription, run, event) for subscription in run.subscriptions)


def wants(subscription: Notification, run: Run, event: RunEvent) -> bool:
    """Whether this event makes a delivery for this subscription: one of the events that it names, or else (contract
    MPS_EVENTS §6) the end of the run, and in Change mode also its start and the end of each node. The input node
    counts: its end tells the metadata. Of nodes only those of the kinds that it names, if it names any."""
    if subscription.events is not None:
        told = event.type.value in subscription.events
    else:
        told = event.type in _TOLD[subscription.mode]
    if not told or event.node is None or subscription.kinds is None:
        return told
    return run.nodes[event.node].kind in subscription.kinds


_TOLD = {
    NotifyMode.FINISH: (RunEventType.RUN_FINISHED,),
    NotifyMode.CHANGE: (
        RunEventType.RUN_STARTED,
        RunEventType.NODE_SUCCEEDED,
        RunEventType.NODE_FAILED,
        RunEventType.RUN_FINISHED,
    ),
}


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
        news_at=now,
        **extra,
    )
