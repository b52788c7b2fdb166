"""A local file into a bucket, by links of the API: in one piece, or in parts that are sent again when one fails."""

from __future__ import annotations

import contextlib
import mimetypes
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from services.cli.client import LOOPBACK, CallFailed, Client
from services.cli.show import err

ONE_PIECE_BYTES = 16 * 1024**2
AT_ONCE = 3
TRIES = 4
CHUNK = 256 * 1024
TIMEOUT = httpx.Timeout(120, connect=10)


def send_file(client: Client, file: Path, bucket: str, key: str, *, quiet: bool = False) -> None:
    """Returns when the object is there, whole. Raises CallFailed; then nothing is left behind in the storage."""
    size = file.stat().st_size
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, disable=quiet, transient=True) as progress:
        task = progress.add_task(file.name, total=size)
        transfer = _Transfer(client, file, bucket, key, lambda done: progress.advance(task, done))
        if size <= ONE_PIECE_BYTES:
            transfer.in_one_piece(size)
        else:
            transfer.in_parts(size)


class _Transfer:
    def __init__(self, client: Client, file: Path, bucket: str, key: str, advance: Callable[[int], None]) -> None:
        self._client = client
        self._file = file
        self._base = f"/buckets/{quote(bucket, safe='')}"
        self._key = key
        self._advance = advance

    def in_one_piece(self, size: int) -> None:
        link = self._call("links", method="put")
        with _storage(link["url"]) as http:
            self._put(http, link["url"], 0, size)

    def in_parts(self, size: int) -> None:
        kind = mimetypes.guess_type(self._key)[0] or "application/octet-stream"
        begun = self._call("multipart", size=size, content_type=kind)
        step, upload = begun["part_bytes"], {"upload_id": begun["upload_id"]}
        count = -(-size // step)

        def send(number: int) -> dict[str, Any]:
            # A link for each part when its turn comes: a slow line outlasts links that were made at the beginning.
            [link] = self._call("multipart/links", parts=[number], **upload)["links"]
            first = (number - 1) * step
            with _storage(link["url"]) as http:
                return {"part": number, "etag": self._put(http, link["url"], first, min(step, size - first))}

        pool = ThreadPoolExecutor(AT_ONCE)
        try:
            parts = list(pool.map(send, range(1, count + 1)))
            self._call("multipart/complete", parts=parts, **upload)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            with contextlib.suppress(CallFailed):
                self._call("multipart/abort", **upload)
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    def _call(self, path: str, **members: Any) -> Any:
        return self._client.call("POST", f"{self._base}/{path}", body={"key": self._key, **members}, patient=True)

    def _put(self, http: httpx.Client, url: str, first: int, length: int) -> str:
        """The etag."""
        retrying = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, CallFailed) and error.retryable),
            wait=wait_exponential_jitter(multiplier=0.5, max=10),
            stop=stop_after_attempt(TRIES),
            reraise=True,
        )
        return retrying(self._put_once, http, url, first, length)

    def _put_once(self, http: httpx.Client, url: str, first: int, length: int) -> str:
        sent = 0

        def body() -> Iterator[bytes]:
            nonlocal sent
            with self._file.open("rb") as source:
                source.seek(first)
                while sent < length and (chunk := source.read(min(CHUNK, length - sent))):
                    yield chunk
                    sent += len(chunk)
                    self._advance(len(chunk))

        try:
            answer = http.put(url, content=body(), headers={"content-length": str(length)})
            if answer.is_success:
                return answer.headers["etag"]
            failed = CallFailed(
                f"the storage refuses the file: HTTP {answer.status_code}", 1, retryable=answer.status_code >= 500
            )
        except httpx.TransportError as error:
            failed = CallFailed(f"the storage cannot be reached: {error}", 1, retryable=True)
        self._advance(-sent)
        raise failed


@contextlib.contextmanager
def _storage(url: str) -> Iterator[httpx.Client]:
    """No credentials: the link is one."""
    with httpx.Client(timeout=TIMEOUT, trust_env=urlsplit(url).hostname not in LOOPBACK) as http:
        yield http
