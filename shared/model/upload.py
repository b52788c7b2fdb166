"""Uploads and outputs: what arrived, what it started and why not, and which objects are our own."""

from __future__ import annotations

from enum import StrEnum

from shared.ids import digest
from shared.model.base import Document, Instant, Value
from shared.model.task import MediaObject


class UploadSource(StrEnum):
    """Who told us."""

    EVENT = "event"
    """A message on the uploads topic."""
    RECONCILER = "reconciler"
    """A listing of the bucket."""


class Upload(Value):
    """A normalised "object created" event, before the storage was asked. `bucket` is the full bucket name, `key` is
    decoded without a leading slash; the rest is what the event said and may be missing."""

    source: str
    bucket: str
    key: str
    region: str | None = None
    size: int | None = None
    etag: str | None = None
    version_id: str | None = None
    sequencer: str | None = None
    event_name: str = ""
    event_time: Instant | None = None


class Match(Value):
    """What one pipeline made of an upload: a run, or the reason for none."""

    pipeline_id: str
    pipeline_name: str
    run_id: str | None = None
    reason: str | None = None


class UploadRecord(Document):
    """The ledger's answer to "what happened to my file".

    `observed` identifies the object as a listing shows it, so that the reconciler knows it again.
    """

    bucket: str
    key: str
    observed: str
    object: MediaObject | None = None
    seen_by: UploadSource
    seen_at: Instant
    matches: tuple[Match, ...] = ()
    reason: str | None = None


class OutputRecord(Document):
    """An object that one of our runs wrote or is about to write. `etag` is None until the upload has ended.

    `attempt` and `fence` are those of the task that wrote last: within a run an older one may not take the place back.
    """

    bucket: str
    key: str
    run_id: str
    node: int
    attempt: int = 0
    fence: int
    etag: str | None = None
    written_at: Instant | None = None


def output_id(bucket: str, key: str) -> str:
    """The id of the output record of one place in a bucket."""
    return digest("output", bucket, key)


RUN_METADATA = "reelway-run"
"""Object metadata on everything we write: the run's id."""
PLACE_METADATA = "reelway-place"
"""Object metadata on everything we write: the place it was written to, so that a copy elsewhere is known as a copy."""


def place(bucket: str, key: str) -> str:
    """The value of PLACE_METADATA."""
    return digest("place", bucket, key)
