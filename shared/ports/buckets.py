"""What people do with buckets through us: look into them page by page, and read and write objects by links that do not
lead through our processes. Adapter: `shared.adapters.s3.buckets`. Errors are those of `shared.ports.objects`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.ports.objects import ObjectInfo


@dataclass(frozen=True, slots=True)
class BucketPage:
    """Some of what lies under a prefix: objects, and `folders`, which are what is before the delimiter of several keys.
    `after` is where the next page begins, None at the end; its text is the storage's business."""

    objects: tuple[ObjectInfo, ...]
    folders: tuple[str, ...]
    after: str | None


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a multipart upload that the storage has. Numbers begin at 1."""

    number: int
    etag: str
    size: int


class BucketAccess(Protocol):
    """Links are good for `expires_s` seconds and for one method on one object."""

    async def list_buckets(self) -> list[str]:
        """All that our credentials may list."""
        ...

    async def browse(
        self, bucket: str, prefix: str = "", *, delimiter: str = "/", after: str | None = None, limit: int = 100
    ) -> BucketPage:
        """At most `limit` objects and folders. With an empty delimiter there are no folders. Raises ObjectNotFound if
        there is no such bucket."""
        ...

    async def link_to_read(self, bucket: str, key: str, *, expires_s: int, version_id: str | None = None) -> str:
        """A URL to GET; asks nobody."""
        ...

    async def link_to_write(self, bucket: str, key: str, *, expires_s: int) -> str:
        """A URL to PUT the whole object; asks nobody."""
        ...

    async def begin_upload(self, bucket: str, key: str, *, content_type: str) -> str:
        """Begins a multipart upload; its id."""
        ...

    async def link_to_part(self, bucket: str, key: str, upload_id: str, number: int, *, expires_s: int) -> str:
        """A URL to PUT one part; asks nobody."""
        ...

    async def parts(self, bucket: str, key: str, upload_id: str) -> list[Part]:
        """What has arrived so far. Raises ObjectNotFound if there is no such upload (any more)."""
        ...

    async def complete_upload(self, bucket: str, key: str, upload_id: str, parts: Sequence[tuple[int, str]]) -> str:
        """Makes the object of its parts (number and etag, ascending); its etag. Raises ObjectNotFound if there is no
        such upload, ObjectError if the storage refuses the parts."""
        ...

    async def abort_upload(self, bucket: str, key: str, upload_id: str) -> None:
        """Forgets the upload and its parts; fine if it is not there."""
        ...
