"""What a node kind is: parameters, a way to run, files that come out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, ClassVar, Protocol

from shared.model.task import Lane, Task
from shared.mps.base import MpsModel


class UploadOrder(IntEnum):
    """Data first, manifests last: whoever sees a manifest finds all that it names."""

    DATA = 0
    MANIFEST = 1
    MASTER = 2
    """Names other manifests."""


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A finished local file and the object it becomes. `key` is decoded and has no leading slash."""

    path: Path
    bucket: str
    region: str
    key: str
    content_type: str
    order: UploadOrder = UploadOrder.DATA


@dataclass(frozen=True, slots=True)
class NodeOutcome:
    """What a node made, before it is uploaded.

    `media` is the index in `files` of what a following node reads, or None. `echo` and `payload` are the contract's
    `Input` and `Output` of the result structure, `metadata` is for the probe alone.
    """

    files: tuple[OutputFile, ...] = ()
    media: int | None = None
    echo: dict[str, Any] | None = None
    payload: Any = None
    metadata: dict[str, Any] | None = None


class NodeContext(Protocol):
    """What a running node may use. Everything it starts ends with it."""

    @property
    def task(self) -> Task:
        """The work: parameters, source, target."""
        ...

    @property
    def scratch(self) -> Path:
        """An empty folder of this attempt, removed afterwards whatever happens."""
        ...

    async def fetch_source(self) -> Path:
        """The source as a local file, pinned by etag. Raises SourceFileError if it was changed or is gone."""
        ...

    async def fetch_object(self, bucket: str, key: str, limit_bytes: int) -> Path:
        """An object beside the source, as it is now. Raises InvalidInput if it is not there, may not be read, or is
        larger than that."""
        ...

    def report_progress(self, percent: float) -> None:
        """0 to 100 of the whole node; cheap, may be called often, never goes back."""
        ...

    def publish_early(self, file: OutputFile) -> None:
        """Offers a data file that is finished while the node goes on; cheap, returns at once. Its uploading begins when
        it can. The outcome names it all the same, among its `files`, equal to this one: whatever is not in the storage
        by then, or was changed since, is uploaded as ever. Raises ValueError for a manifest."""
        ...


class NodeKind(Protocol):
    """One kind of node. `execute` raises `shared.model.failure.NodeError`; cancelling it stops all it started."""

    name: ClassVar[str]
    lane: ClassVar[Lane]
    params: ClassVar[type[MpsModel]]

    async def execute(self, context: NodeContext) -> NodeOutcome:
        """Does the work in `context.scratch` and says what to upload."""
        ...
