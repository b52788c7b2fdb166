"""A pipeline: trigger, graph, output and notification, owned by a tenant."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from shared.model.base import Document, Instant, Value

INPUT = "input"
"""The node kind every graph starts with; running it probes the source."""
OUTPUT = "output"
"""The node kind every graph ends with; it does no work."""
RULES = "rules"
"""The node kind that chooses among its successors; it is decided with the graph, no worker sees it."""


class PipelineStatus(StrEnum):
    """Whether uploads start it."""

    ENABLED = "Enabled"
    """Uploads start runs; cannot be edited or deleted."""
    DISABLED = "Disabled"
    """Nothing starts by itself; may be edited and deleted."""


class TaskType(StrEnum):
    """What the contract calls a run, in ids, details and notifications."""

    SCHEDULE = "ScheduleTask"
    """Of a graph of activities."""
    WORKFLOW = "WorkflowTask"
    """Of a list of media tasks side by side."""


class NotifyMode(StrEnum):
    """When a notification is sent."""

    FINISH = "Finish"
    """Once, when the run has ended."""
    CHANGE = "Change"
    """When the run starts, each time a node ends, and when the run ends."""


class SinkType(StrEnum):
    """Where a notification goes."""

    HTTP = "URL"
    """An HTTP callback."""
    QUEUE = "TDMQ-CMQ"
    """A message queue: the Kafka topic `notify.<queue>` by default, CMQ's HTTP API where that is configured."""
    SQS = "AWS-SQS"
    """An SQS queue."""
    FUNCTION = "SCF"
    """The account's function: Tencent SCF, AWS Lambda, or any HTTP function that takes CloudEvents."""


class Notification(Value):
    """A subscription: who is told about a run, of what. `key` is the secret behind `Sign`; `target` is a URL, the name
    of a queue or topic, or empty for the account's function. `region`, `topic` and the access keys are for queues.

    `subscription` is the name of one of several; None is that of the contract's own `TaskNotifyConfig`. `events`
    (values of RunEventType) go before `mode`; `kinds` narrow the events of nodes to those of some kinds of node.

    `as_given` holds the secrets too, so a log shows none of them."""

    sink: SinkType
    mode: NotifyMode = NotifyMode.FINISH
    target: str
    key: str | None = Field(default=None, repr=False)
    subscription: str | None = None
    events: tuple[str, ...] | None = None
    kinds: tuple[str, ...] | None = None
    region: str = ""
    topic: bool = False
    access_id: str | None = Field(default=None, repr=False)
    access_key: str | None = Field(default=None, repr=False)
    as_given: dict[str, Any] = Field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """The subscription's part of a delivery id."""
        return self.subscription or self.sink.value


class UploadTrigger(Value):
    """Which uploads start the pipeline. `dir` begins and ends with `/` and matches recursively; `formats` are
    lower-case extensions without a dot, None for every file."""

    type: str
    bucket: str
    region: str
    dir: str = "/"
    formats: tuple[str, ...] | None = None
    as_given: dict[str, Any] = Field(default_factory=dict)


class RetryRule(Value):
    """How often a node is tried when its failure is retryable; members that are None follow the kind.

    The wait after the n-th attempt is `base_s * 2^(n-1)`, at most `cap_s`, plus up to a half of that as jitter. `on`
    narrows the retries to error codes that begin so: `InternalError` or `InternalError.Timeout`.
    """

    max_attempts: int | None = Field(default=None, ge=1, le=20)
    base_s: float | None = Field(default=None, ge=0, le=86_400)
    cap_s: float | None = Field(default=None, ge=0, le=86_400)
    on: tuple[str, ...] | None = None


class Timeouts(Value):
    """How long an attempt may take before it fails as `InternalError.Timeout`; a None follows the kind."""

    queued_s: float | None = Field(default=None, gt=0, le=30 * 86_400)
    """From being queued to being claimed."""
    running_s: float | None = Field(default=None, gt=0, le=30 * 86_400)
    """From being claimed to its end."""
    stalled_s: float | None = Field(default=None, gt=0, le=30 * 86_400)
    """Without any progress."""


class Join(StrEnum):
    """When a node with several predecessors starts."""

    ALL = "all"
    """All that were chosen have succeeded."""
    ANY = "any"
    """The first of them has succeeded; what the others come to does not matter any more."""


class Node(Value):
    """One box of the graph. `params` are the contract's task parameters of this kind, in wire names as given. `name`
    is how expressions call it; `priority` replaces the run's. `templates` are the tenant's own templates that `params`
    name: a pipeline has none, they are put in when a run is made."""

    kind: str
    name: str | None = None
    params: dict[str, Any] = Field(default_factory=dict)
    templates: dict[str, dict[str, Any]] = Field(default_factory=dict)
    successors: tuple[int, ...] = ()
    source: Literal["previous", "original"] = "previous"
    join: Join = Join.ALL
    retry: RetryRule | None = None
    timeouts: Timeouts | None = None
    priority: int | None = Field(default=None, ge=-10, le=10)


class OutputPlace(Value):
    """Where outputs go unless a node says otherwise; a member that is None follows the input."""

    bucket: str | None = None
    region: str | None = None
    dir: str | None = None


class Pipeline(Document):
    """A pipeline as it stands. `definition` counts saved definitions; `enabled_at` is when it was last enabled.
    `task_type` and `priority` are those of the runs that uploads start."""

    tenant: str
    name: str
    task_type: TaskType = TaskType.SCHEDULE
    status: PipelineStatus = PipelineStatus.DISABLED
    definition: int = 1
    trigger: UploadTrigger
    nodes: tuple[Node, ...]
    output: OutputPlace = OutputPlace()
    notification: Notification | None = None
    priority: int = Field(default=0, ge=-10, le=10)
    more_subscriptions: tuple[Notification, ...] = ()
    created_at: Instant
    updated_at: Instant
    enabled_at: Instant | None = None
    as_given: dict[str, Any] = Field(default_factory=dict)

    @property
    def subscriptions(self) -> tuple[Notification, ...]:
        """All who are told: the contract's own first."""
        return all_subscriptions(self.notification, self.more_subscriptions)


def all_subscriptions(first: Notification | None, more: tuple[Notification, ...]) -> tuple[Notification, ...]:
    """The contract's own, if there is one, and the others."""
    return more if first is None else (first, *more)


def predecessors(nodes: Sequence[Node]) -> list[list[int]]:
    """For each node the indexes that lead to it, ascending."""
    found: list[list[int]] = [[] for _ in nodes]
    for index, node in enumerate(nodes):
        for successor in node.successors:
            found[successor].append(index)
    return found
