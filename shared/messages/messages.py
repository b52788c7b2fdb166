"""The messages. Each is news about a document that is already written; losing one costs latency, nothing else."""

from __future__ import annotations

from typing import ClassVar

from shared.ids import digest
from shared.model.base import Instant, Value
from shared.model.run import RunEvent
from shared.model.task import Lane, TaskState


class Message(Value):
    """A message on the bus. `kind` is its CloudEvents type and names its version."""

    kind: ClassVar[str]

    @property
    def message_id(self) -> str:
        """Deterministic: the same news has the same id however often it is sent."""
        raise NotImplementedError

    @property
    def subject(self) -> str:
        """What it is about; also the partition key."""
        raise NotImplementedError


class RunRequested(Message):
    """A run was written and wants to begin."""

    kind: ClassVar[str] = "reelway.run.requested.v1"
    run_id: str
    traceparent: str | None = None

    @property
    def message_id(self) -> str:
        """One per run."""
        return f"{self.run_id}:requested"

    @property
    def subject(self) -> str:
        """The run."""
        return self.run_id


class TaskReady(Message):
    """Doorbell: a task is queued."""

    kind: ClassVar[str] = "reelway.task.ready.v1"
    task_id: str
    run_id: str
    lane: Lane
    traceparent: str | None = None

    @property
    def message_id(self) -> str:
        """One per task."""
        return f"{self.task_id}:ready"

    @property
    def subject(self) -> str:
        """The task."""
        return self.task_id


class TaskEnded(Message):
    """A task is final; its document holds the result."""

    kind: ClassVar[str] = "reelway.task.ended.v1"
    task_id: str
    run_id: str
    state: TaskState
    traceparent: str | None = None

    @property
    def message_id(self) -> str:
        """One per task."""
        return f"{self.task_id}:ended"

    @property
    def subject(self) -> str:
        """The run, so that one scheduler sees all news of a run."""
        return self.run_id


class RunChanged(Message):
    """One entry of a run's public history. `notifies` is False if the run's notification does not ask for it, absent
    if the sender does not say."""

    kind: ClassVar[str] = "reelway.run.changed.v1"
    run_id: str
    tenant: str
    pipeline_id: str
    pipeline_name: str
    bucket: str
    key: str
    event: RunEvent
    notifies: bool | None = None
    traceparent: str | None = None

    @property
    def message_id(self) -> str:
        """One per run and sequence number."""
        return f"{self.run_id}:{self.event.sequence}"

    @property
    def subject(self) -> str:
        """The run."""
        return self.run_id


class UploadCreated(Message):
    """Our own shape of "an object was created", for producers that speak to us directly. `key` is decoded."""

    kind: ClassVar[str] = "reelway.upload.created.v1"
    bucket: str
    key: str
    region: str | None = None
    etag: str | None = None
    version_id: str | None = None
    size: int | None = None
    at: Instant | None = None
    traceparent: str | None = None

    @property
    def message_id(self) -> str:
        """One per object version as far as it is known."""
        return digest("upload", self.bucket, self.key, self.version_id or self.etag or "")

    @property
    def subject(self) -> str:
        """The object."""
        return f"{self.bucket}/{self.key}"


class DeadLetter(Message):
    """A message that could not be understood, with the reason. `body` is Base64 and holds the first 512 KiB; the
    message had `body_bytes`."""

    kind: ClassVar[str] = "reelway.dead-letter.v1"
    topic: str
    partition: int
    offset: int
    key: str | None
    body: str
    body_bytes: int = 0
    reason: str
    service: str
    at: Instant

    @property
    def message_id(self) -> str:
        """One per place in a topic."""
        return f"{self.topic}:{self.partition}:{self.offset}"

    @property
    def subject(self) -> str:
        """The key of the message, or its topic."""
        return self.key or self.topic


ALL_MESSAGES: tuple[type[Message], ...] = (
    RunRequested,
    TaskReady,
    TaskEnded,
    RunChanged,
    UploadCreated,
    DeadLetter,
)
