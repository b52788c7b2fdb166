"""An object into a file, by ranged GETs that all name the same etag."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from shared.adapters.s3.errors import TRANSPORT_ERRORS, translated
from shared.adapters.s3.settings import MIB, S3Settings
from shared.concurrency import in_thread, run_together
from shared.ports.objects import ObjectInfo, ObjectsUnavailable


async def download_file(client: Any, settings: S3Settings, info: ObjectInfo, target: Path) -> None:
    """Writes exactly the version that `info` describes. The caller removes `target` if this raises."""
    descriptor = await in_thread(os.open, target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    try:
        if info.size == 0:
            return  # nothing to read, and S3 refuses a range of an empty object
        download = _Download(client, settings, info, descriptor)
        # The workers share one iterator, so memory does not grow with the number of ranges.
        ranges = _ranges(info.size, settings.part_bytes)
        count = min(settings.concurrency, -(-info.size // settings.part_bytes))
        await run_together([download.fetch_all(ranges) for _ in range(count)])
    finally:
        await in_thread(os.close, descriptor)


def _ranges(size: int, step: int) -> Iterator[tuple[int, int]]:
    """(first, end) of each range, end not included."""
    for first in range(0, size, step):
        yield first, min(first + step, size)


class _Download:
    def __init__(self, client: Any, settings: S3Settings, info: ObjectInfo, descriptor: int) -> None:
        self._client = client
        self._settings = settings
        self._info = info
        self._descriptor = descriptor
        self._version = {"VersionId": info.version_id} if info.version_id else {}

    async def fetch_all(self, ranges: Iterator[tuple[int, int]]) -> None:
        for first, end in ranges:
            await self._fetch_patiently(first, end)

    async def _fetch_patiently(self, first: int, end: int) -> None:
        """botocore retries until the answer begins; a body that breaks off is ours to retry, and only that."""
        attempts = AsyncRetrying(
            retry=retry_if_exception_type(TRANSPORT_ERRORS),
            stop=stop_after_attempt(self._settings.max_attempts),
            wait=wait_random_exponential(multiplier=0.2, max=5),
            reraise=True,
        )
        with translated(self._info.bucket, self._info.key):
            async for attempt in attempts:
                with attempt:
                    await self._fetch(first, end)

    async def _fetch(self, first: int, end: int) -> None:
        bucket, key = self._info.bucket, self._info.key
        with translated(bucket, key):
            answer = await self._client.get_object(
                Bucket=bucket,
                Key=key,
                Range=f"bytes={first}-{end - 1}",
                IfMatch=f'"{self._info.etag}"',
                **self._version,
            )
        body = answer["Body"]
        async with body:
            if answer["ContentLength"] != end - first:  # before a byte is written outside of the range
                words = f"asked for {end - first} bytes, was offered {answer['ContentLength']}"
                raise ObjectsUnavailable(words, bucket=bucket, key=key)
            offset, waiting = first, bytearray()
            while chunk := await body.read(MIB):
                waiting += chunk
                if len(waiting) >= MIB:
                    offset += await in_thread(_write_at, self._descriptor, bytes(waiting), offset)
                    waiting.clear()
            offset += await in_thread(_write_at, self._descriptor, bytes(waiting), offset)
        if offset != end:
            words = f"got {offset - first} of {end - first} bytes at {first}"
            raise ObjectsUnavailable(words, bucket=bucket, key=key)


def _write_at(descriptor: int, data: bytes, offset: int) -> int:
    """All of `data` at `offset`; pwrite may take less at a time."""
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        offset += written
        view = view[written:]
    return len(data)
