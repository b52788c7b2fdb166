"""A file into an object: one PUT if it is small, else a multipart upload that never outlives its caller."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from shared.adapters.s3.errors import translated
from shared.adapters.s3.leftovers import abort_older
from shared.adapters.s3.settings import MIB, S3Settings
from shared.concurrency import in_thread, run_to_end, run_together
from shared.ports.objects import ObjectError

MAX_PARTS = 10_000  # S3's limit
ABORT_TIMEOUT_S = 30.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Written:
    """What the storage answered: the etag without quotes, and the version if the bucket keeps versions."""

    size: int
    etag: str
    version_id: str | None


async def upload_file(
    client: Any, settings: S3Settings, source: Path, bucket: str, key: str, headers: dict[str, Any]
) -> Written:
    """Writes `source`, as long as it is now, as one object. `headers` are the members `ContentType` and `Metadata`
    of the request that makes it."""
    descriptor = await in_thread(os.open, source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        if size <= settings.part_bytes:
            body = _Slice(descriptor, 0, size)
            with translated(bucket, key):
                answer = await client.put_object(
                    Bucket=bucket, Key=key, Body=body, ContentMD5=await body.md5(), **headers
                )
        else:
            upload = _MultipartUpload(client, bucket, key, descriptor)
            with translated(bucket, key):
                answer = await upload.run(size, settings, headers)
        return Written(size, answer["ETag"].strip('"'), answer.get("VersionId"))
    finally:
        await in_thread(os.close, descriptor)


class _MultipartUpload:
    def __init__(self, client: Any, bucket: str, key: str, descriptor: int) -> None:
        self._client = client
        self._object = {"Bucket": bucket, "Key": key}
        self._descriptor = descriptor
        self._etags: dict[int, str] = {}

    async def run(self, size: int, settings: S3Settings, headers: dict[str, Any]) -> dict[str, Any]:
        # S3 may have begun an upload whose id a cancelled caller never saw: so creation runs to its end, always.
        creation = asyncio.ensure_future(self._client.create_multipart_upload(**self._object, **headers))
        try:
            upload_id = (await run_to_end(creation))["UploadId"]
            step = max(settings.part_bytes, -(-size // MAX_PARTS // MIB) * MIB)
            parts = _parts(size, step)
            count = min(settings.concurrency, -(-size // step))
            await run_together([self._send_all(upload_id, parts) for _ in range(count)])
            await abort_older(self._client, self._object["Bucket"], self._object["Key"], upload_id)
            answer: dict[str, Any] = await self._client.complete_multipart_upload(
                **self._object,
                UploadId=upload_id,
                MultipartUpload={"Parts": [{"PartNumber": n, "ETag": etag} for n, etag in sorted(self._etags.items())]},
            )
        except BaseException:
            await run_to_end(self._abort(creation))
            raise
        return answer

    async def _send_all(self, upload_id: str, parts: Iterator[tuple[int, int, int]]) -> None:
        for number, first, end in parts:
            body = _Slice(self._descriptor, first, end)
            answer = await self._client.upload_part(
                **self._object,
                UploadId=upload_id,
                PartNumber=number,
                Body=body,
                ContentMD5=await body.md5(),
            )
            self._etags[number] = answer["ETag"]

    async def _abort(self, creation: asyncio.Future[dict[str, Any]]) -> None:
        """Best effort, bounded in time: the failure that led here is the one to raise."""
        if creation.cancelled() or creation.exception() is not None:
            return
        upload_id = creation.result()["UploadId"]
        bucket, key = self._object["Bucket"], self._object["Key"]
        try:
            async with asyncio.timeout(ABORT_TIMEOUT_S):
                with translated(bucket, key):
                    await self._client.abort_multipart_upload(**self._object, UploadId=upload_id)
        except (ObjectError, TimeoutError) as error:
            log.warning("multipart_upload_not_aborted", bucket=bucket, key=key, upload_id=upload_id, reason=str(error))


def _parts(size: int, step: int) -> Iterator[tuple[int, int, int]]:
    """(number from 1, first, end) of each part, end not included."""
    for number, first in enumerate(range(0, size, step), start=1):
        yield number, first, min(first + step, size)


class _Slice(io.RawIOBase):
    """A window on a file that is sent without being loaded; many may share one descriptor (pread has no cursor).

    aiohttp reads it in a thread that a cancelled request leaves behind for an instant: what that thread still reads,
    even from a closed descriptor, goes nowhere.
    """

    def __init__(self, descriptor: int, first: int, end: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._first = first
        self._size = end - first
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer)[: max(0, self._size - self._position)]
        if not view:
            return 0
        count = os.preadv(self._descriptor, [view], self._first + self._position)
        if count == 0:
            raise OSError("the file became shorter while it was uploaded")
        self._position += count
        return count

    async def md5(self) -> str:
        """The value of Content-MD5 (RFC 1864): the storage refuses the body if it arrives damaged."""
        return await in_thread(self._md5)

    def _md5(self) -> str:
        digest, buffer = hashlib.md5(usedforsecurity=False), memoryview(bytearray(MIB))
        self.seek(0)
        while count := self.readinto(buffer):
            digest.update(buffer[:count])
        self.seek(0)
        return base64.b64encode(digest.digest()).decode("ascii")
