"""Uploads and outputs: what arrived, what it started and why not, and which objects are our own."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

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


class Rule(StrEnum):
    """Which rule of a trigger an upload did not keep."""

    DISABLED = "disabled"
    """The pipeline is disabled."""
    BUCKET = "bucket"
    """It watches another bucket."""
    DIRECTORY = "directory"
    """The key is not under its directory."""
    FOLDER = "folder"
    """The key names a folder."""
    FORMAT = "format"
    """The extension is none of its formats."""
    EMPTY = "empty"
    """The object has no bytes."""
    OLDER = "older_than_enabling"
    """The object was there before the pipeline was enabled."""


class Refusal(str):
    """Why a pipeline does not take an upload: the text for people, and the rule that decided."""

    rule: Rule

    def __new__(cls, rule: Rule, text: str) -> Self:
        """Text with its rule."""
        made = super().__new__(cls, text)
        made.rule = rule
        return made


class Outcome(StrEnum):
    """What came of an upload."""

    STARTED = "started"
    """At least one run."""
    UNMATCHED = "unmatched"
    """Pipelines watch the bucket, and none took it."""
    UNWATCHED = "unwatched"
    """No enabled pipeline watched the bucket."""
    OWN_OUTPUT = "own_output"
    """A run of ours wrote it, and outputs start nothing."""
    GONE = "gone"
    """The object did not exist any more when the storage was asked."""
    DENIED = "denied"
    """The storage refused to show it."""


class Match(Value):
    """What one pipeline made of an upload: a run, or the reason for none."""

    pipeline_id: str
    pipeline_name: str
    tenant: str | None = None
    run_id: str | None = None
    reason: str | None = None
    rule: Rule | None = None


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
    outcome: Outcome | None = None


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
