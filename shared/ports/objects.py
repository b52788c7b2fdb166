"""Object storage, as Reelway uses it. Adapter: `shared.adapters.s3` (any S3 API, through aioboto3).

ObjectError
├── ObjectNotFound        no such bucket, key or version
├── ObjectChanged         the object is not the one that was asked for any more (If-Match failed)
├── ObjectAccessDenied    the credentials may not do this
└── ObjectsUnavailable    the storage cannot be reached or answers 5xx; retryable
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Protocol

from shared.errors import ReelwayError


class ObjectError(ReelwayError):
    """The object storage refused or failed."""

    code: ClassVar[str] = "object"

    def __init__(self, message: str, *, bucket: str, key: str = "") -> None:
        super().__init__(f"{message}: {bucket}/{key}" if key else f"{message}: {bucket}")
        self.bucket = bucket
        self.key = key


class ObjectNotFound(ObjectError):
    """No such bucket, key or version."""

    code = "object_not_found"


class ObjectChanged(ObjectError):
    """The object was overwritten: its etag is not the pinned one any more."""

    code = "object_changed"


class ObjectAccessDenied(ObjectError):
    """The credentials may not do this."""

    code = "object_access_denied"


class ObjectsUnavailable(ObjectError):
    """The storage cannot be reached, timed out, or answered 5xx."""

    code = "objects_unavailable"
    retryable = True


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What the storage says about one object.

    `key` is decoded and has no leading slash. `etag` has no quotes. `last_modified` is aware UTC in whole seconds
    (HEAD gives no more). `version_id` is None unless the bucket keeps versions. `metadata` has lower-case names and
    is empty in listings; so is `content_type`.
    """

    bucket: str
    key: str
    size: int
    etag: str
    last_modified: datetime
    version_id: str | None = None
    content_type: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


class ObjectStore(Protocol):
    """Streams objects to and from files with bounded memory (a few MB per transfer, whatever the object's size).

    Every method raises `ObjectNotFound`, `ObjectAccessDenied` or `ObjectsUnavailable` as fits.
    """

    async def head(self, bucket: str, key: str, *, version_id: str | None = None) -> ObjectInfo:
        """What is there now. Raises ObjectNotFound."""
        ...

    def list(self, bucket: str, prefix: str = "", *, after: str = "") -> AsyncGenerator[ObjectInfo, None]:
        """All objects under a prefix, in the storage's order (of keys, where it follows S3), paged inside.

        With `after`, the key of an object of an earlier listing, it goes on behind that object; not for one that was
        followed by an object "inside" it (`a`, then `a/b`): SeaweedFS leaves that folder out.
        """
        ...

    async def download(
        self, bucket: str, key: str, target: Path, *, etag: str | None = None, version_id: str | None = None
    ) -> ObjectInfo:
        """Writes the object to `target` (made or overwritten). With `etag`, every range is read with If-Match.

        Raises ObjectChanged if the object is not the pinned one; `target` is then removed, as after any failure
        or cancellation.
        """
        ...

    async def upload(
        self,
        source: Path,
        bucket: str,
        key: str,
        *,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
    ) -> ObjectInfo:
        """Writes a file as one object, which appears whole or not at all. A failed or cancelled upload leaves no
        multipart upload behind."""
        ...

    async def get_bytes(self, bucket: str, key: str, *, limit: int = 1_000_000) -> bytes:
        """The first `limit` bytes of a small object."""
        ...

    async def delete(self, bucket: str, key: str) -> None:
        """Removes the object; fine if it was not there."""
        ...

    async def bucket_exists(self, bucket: str) -> bool:
        """Whether the bucket is there and may be used."""
        ...

    async def ensure_bucket(self, bucket: str) -> None:
        """Makes the bucket unless it is there."""
        ...

    async def presign_get(self, bucket: str, key: str, *, expires_s: int = 3600) -> str:
        """A URL that reads the object without credentials until it expires."""
        ...

    async def ping(self) -> None:
        """Raises ObjectsUnavailable unless the storage answers."""
        ...
