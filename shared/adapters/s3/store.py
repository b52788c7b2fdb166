"""`S3ObjectStore`: the object port on any S3 API."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aioboto3.session import Session

from shared.adapters.s3.download import download_file
from shared.adapters.s3.errors import translated
from shared.adapters.s3.metadata import decode_metadata, encode_metadata
from shared.adapters.s3.settings import S3Settings
from shared.adapters.s3.upload import upload_file
from shared.concurrency import in_thread
from shared.ports.objects import ObjectChanged, ObjectError, ObjectInfo, ObjectNotFound, ObjectsUnavailable


class S3ObjectStore:
    """Implements `shared.ports.objects.ObjectStore`; the guarantees written there hold here.

    One client, and one pool of connections, from `async with` to its end: make one store per process. Entering does
    not connect, so it succeeds while the storage is down. Methods may be called from any number of tasks at once;
    a transfer holds a few MB whatever the object's size.
    Local files are opened by path; their problems (no space, no such folder) are raised as OSError.
    Names of metadata are lower-cased; values may be any text (see `shared.adapters.s3.metadata`).
    """

    def __init__(self, settings: S3Settings) -> None:
        self._settings = settings
        self._stack = AsyncExitStack()
        self._open_client: Any = None

    async def __aenter__(self) -> Self:
        session = Session()
        client = session.client("s3", **self._settings.client_arguments())
        self._open_client = await self._stack.enter_async_context(client)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open_client = None
        await self._stack.aclose()

    @property
    def _client(self) -> Any:
        if self._open_client is None:
            raise RuntimeError("S3ObjectStore is used outside of its `async with` block")
        return self._open_client

    async def head(self, bucket: str, key: str, *, version_id: str | None = None) -> ObjectInfo:
        """What is there now. Raises ObjectNotFound, also if the bucket is missing: HEAD does not tell the two apart."""
        version = {"VersionId": version_id} if version_id else {}
        with translated(bucket, key):
            answer = await self._client.head_object(Bucket=bucket, Key=key, **version)
        return ObjectInfo(
            bucket=bucket,
            key=key,
            size=answer["ContentLength"],
            etag=answer["ETag"].strip('"'),
            last_modified=whole_seconds(answer["LastModified"]),
            version_id=_version(answer),
            content_type=answer.get("ContentType", ""),
            metadata=decode_metadata(answer.get("Metadata", {})),
        )

    async def list(self, bucket: str, prefix: str = "", *, after: str = "") -> AsyncGenerator[ObjectInfo, None]:
        """All objects under a prefix, in the storage's order, a page (at most 1,000) in memory. What is written or
        deleted meanwhile may or may not be seen. With `after` it goes on behind the object with this key."""
        start = {"StartAfter": after} if after else {}
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, **start)
        with translated(bucket, prefix):
            async for page in pages:
                for entry in page.get("Contents", []):
                    yield ObjectInfo(
                        bucket=bucket,
                        key=entry["Key"],
                        size=entry["Size"],
                        etag=entry["ETag"].strip('"'),
                        last_modified=whole_seconds(entry["LastModified"]),
                    )

    async def download(
        self, bucket: str, key: str, target: Path, *, etag: str | None = None, version_id: str | None = None
    ) -> ObjectInfo:
        """Writes the object to `target` (made or overwritten), by ranged GETs.

        All ranges are read with If-Match, of `etag` if given, else of what HEAD said, so the file is never a mix of two
        versions and has exactly the size that is returned. A range whose body breaks off is read again.
        Raises ObjectChanged if the object is another one, before or in the middle. After any failure or cancellation
        `target` is gone.
        """
        try:
            info = await self.head(bucket, key, version_id=version_id)
            if etag is not None and info.etag != etag:
                raise ObjectChanged(f"object was changed (etag {info.etag}, not {etag})", bucket=bucket, key=key)
            await download_file(self._client, self._settings, info, target)
        except BaseException:
            await in_thread(target.unlink, missing_ok=True)
            raise
        return info

    async def upload(
        self,
        source: Path,
        bucket: str,
        key: str,
        *,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
    ) -> ObjectInfo:
        """Writes a file as one object, which appears whole or not at all.

        Every request carries the MD5 of its bytes, which the storage checks. A failed or cancelled upload aborts its
        multipart upload before it raises (a storage that is out of reach then keeps it; that is logged). A multipart
        upload aborts those to the same key that were begun before it, whoever left them: a process that died, a lost
        answer, a zombie, which can then no longer complete it. An upload that raised may still have happened, if the
        answer to its last request was lost; doing it again is harmless.
        Returns what was written, even if somebody overwrote it at once.
        """
        encoded = encode_metadata(metadata or {})
        headers = {"ContentType": content_type, "Metadata": encoded}
        written = await upload_file(self._client, self._settings, source, bucket, key, headers)
        version_id = _version({"VersionId": written.version_id})
        info = await self.head(bucket, key, version_id=version_id)  # only the storage knows Last-Modified
        return replace(
            info,
            size=written.size,
            etag=written.etag,
            version_id=version_id,
            content_type=content_type,
            metadata=decode_metadata(encoded),
        )

    async def get_bytes(self, bucket: str, key: str, *, limit: int = 1_000_000) -> bytes:
        """The first `limit` bytes; the rest is not transferred."""
        data = bytearray()
        with translated(bucket, key):
            answer = await self._client.get_object(Bucket=bucket, Key=key)
            body = answer["Body"]
            async with body:
                while len(data) < limit and (chunk := await body.read(limit - len(data))):
                    data += chunk
        return bytes(data)

    async def delete(self, bucket: str, key: str) -> None:
        """Removes the object (in a bucket with versions: hides it); fine if it was not there."""
        with translated(bucket, key):
            await self._client.delete_object(Bucket=bucket, Key=key)

    async def bucket_exists(self, bucket: str) -> bool:
        """Whether the bucket is there. Raises ObjectAccessDenied if it is not ours to use."""
        try:
            with translated(bucket):
                await self._client.head_bucket(Bucket=bucket)
        except ObjectNotFound:
            return False
        return True

    async def ensure_bucket(self, bucket: str) -> None:
        """Makes the bucket unless it is there; safe to call from several processes at once."""
        if await self.bucket_exists(bucket):
            return
        place: dict[str, Any] = {}
        if self._settings.endpoint_url is None and self._settings.region != "us-east-1":
            place = {"CreateBucketConfiguration": {"LocationConstraint": self._settings.region}}
        try:
            with translated(bucket):
                await self._client.create_bucket(Bucket=bucket, **place)
        except ObjectError:
            if not await self.bucket_exists(bucket):  # else another process was faster
                raise

    async def presign_get(self, bucket: str, key: str, *, expires_s: int = 3600) -> str:
        """A URL on `endpoint_url` that reads the object without credentials until it expires. Asks nobody: the object
        need not exist."""
        with translated(bucket, key):
            url: str = await self._client.generate_presigned_url(
                "get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=expires_s
            )
        return url

    async def ping(self) -> None:
        """Raises ObjectsUnavailable unless the storage answers; any answer that is not a failure of its own will do."""
        try:
            with translated("*"):
                await self._client.list_buckets()
        except ObjectsUnavailable:
            raise
        except ObjectError:
            return


def whole_seconds(moment: datetime) -> datetime:
    """Listings may have fractions, HEAD has none: both must name the same moment."""
    return moment.astimezone(UTC).replace(microsecond=0)


def _version(answer: Mapping[str, Any]) -> str | None:
    """S3 says "null" for objects that have no version of their own."""
    version: str | None = answer.get("VersionId")
    return None if version in {None, "", "null"} else version
