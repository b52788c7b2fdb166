"""`S3BucketAccess`: the port for people's buckets on any S3 API."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from typing import Any

from aioboto3.session import Session
from botocore.exceptions import ClientError

from shared.adapters.s3.errors import translated
from shared.adapters.s3.settings import S3Settings
from shared.adapters.s3.store import whole_seconds
from shared.ports.buckets import BucketPage, Part
from shared.ports.objects import ObjectError, ObjectInfo, ObjectNotFound

MAX_PARTS = 10_000


class S3BucketAccess:
    """Implements `shared.ports.buckets.BucketAccess`. Links lead to `public_endpoint`, where people's programs reach
    the storage, if that is not where we do. It connects when it is used first. Close it with `aclose`."""

    def __init__(self, settings: S3Settings, public_endpoint: str | None = None) -> None:
        self._settings = settings
        self._public_endpoint = public_endpoint
        self._stack = AsyncExitStack()
        self._opening = asyncio.Lock()
        self._opened: tuple[Any, Any] | None = None

    async def _clients(self) -> tuple[Any, Any]:
        """The one that asks and the one that signs, made when they are needed first."""
        async with self._opening:
            if self._opened is None:
                session, arguments = Session(), self._settings.client_arguments()
                client = signer = await self._stack.enter_async_context(session.client("s3", **arguments))
                if self._public_endpoint:
                    public = arguments | {"endpoint_url": self._public_endpoint}
                    signer = await self._stack.enter_async_context(session.client("s3", **public))
                self._opened = (client, signer)
            return self._opened

    async def _client(self) -> Any:
        return (await self._clients())[0]

    async def aclose(self) -> None:
        """Releases connections."""
        await self._stack.aclose()

    async def list_buckets(self) -> list[str]:
        """All that our credentials may list."""
        with translated("*"):
            answer = await (await self._client()).list_buckets()
        return sorted(bucket["Name"] for bucket in answer.get("Buckets", []))

    async def browse(
        self, bucket: str, prefix: str = "", *, delimiter: str = "/", after: str | None = None, limit: int = 100
    ) -> BucketPage:
        """One request of the storage's own pages."""
        more = {"Delimiter": delimiter} if delimiter else {}
        more |= {"ContinuationToken": after} if after else {}
        with translated(bucket, prefix):
            answer = await (await self._client()).list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=limit, **more)
        objects = tuple(_info(bucket, entry) for entry in answer.get("Contents", []))
        folders = tuple(entry["Prefix"] for entry in answer.get("CommonPrefixes", []))
        behind = answer.get("NextContinuationToken") if answer.get("IsTruncated") else None
        return BucketPage(objects, folders, behind)

    async def link_to_read(self, bucket: str, key: str, *, expires_s: int, version_id: str | None = None) -> str:
        """A URL to GET; asks nobody."""
        version = {"VersionId": version_id} if version_id else {}
        return await self._link("get_object", {"Bucket": bucket, "Key": key, **version}, expires_s)

    async def link_to_write(self, bucket: str, key: str, *, expires_s: int) -> str:
        """A URL to PUT the whole object; asks nobody."""
        return await self._link("put_object", {"Bucket": bucket, "Key": key}, expires_s)

    async def begin_upload(self, bucket: str, key: str, *, content_type: str) -> str:
        """Begins a multipart upload; its id."""
        with translated(bucket, key):
            answer = await (await self._client()).create_multipart_upload(
                Bucket=bucket, Key=key, ContentType=content_type
            )
        found: str = answer["UploadId"]
        return found

    async def link_to_part(self, bucket: str, key: str, upload_id: str, number: int, *, expires_s: int) -> str:
        """A URL to PUT one part; asks nobody."""
        about = {"Bucket": bucket, "Key": key, "UploadId": upload_id, "PartNumber": number}
        return await self._link("upload_part", about, expires_s)

    async def parts(self, bucket: str, key: str, upload_id: str) -> list[Part]:
        """What has arrived so far, at most 10,000 parts, which is S3's limit."""
        found: list[Part] = []
        pages = (await self._client()).get_paginator("list_parts").paginate(Bucket=bucket, Key=key, UploadId=upload_id)
        with _of_an_upload(bucket, key):
            async for page in pages:
                found += [
                    Part(part["PartNumber"], part["ETag"].strip('"'), part["Size"]) for part in page.get("Parts", [])
                ]
                if len(found) >= MAX_PARTS:
                    break
        return found

    async def complete_upload(self, bucket: str, key: str, upload_id: str, parts: Sequence[tuple[int, str]]) -> str:
        """Makes the object of its parts; its etag."""
        listed = {"Parts": [{"PartNumber": number, "ETag": etag} for number, etag in parts]}
        with _of_an_upload(bucket, key):
            answer = await (await self._client()).complete_multipart_upload(
                Bucket=bucket, Key=key, UploadId=upload_id, MultipartUpload=listed
            )
        etag: str = answer["ETag"].strip('"')
        return etag

    async def abort_upload(self, bucket: str, key: str, upload_id: str) -> None:
        """Forgets the upload and its parts; fine if it is not there."""
        try:
            with _of_an_upload(bucket, key):
                await (await self._client()).abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id)
        except ObjectNotFound:
            return

    async def _link(self, method: str, about: Mapping[str, Any], expires_s: int) -> str:
        with translated(about["Bucket"], about["Key"]):
            _, signer = await self._clients()
            url: str = await signer.generate_presigned_url(method, Params=dict(about), ExpiresIn=expires_s)
        return url


def _info(bucket: str, entry: Mapping[str, Any]) -> ObjectInfo:
    return ObjectInfo(
        bucket=bucket,
        key=entry["Key"],
        size=entry["Size"],
        etag=entry["ETag"].strip('"'),
        last_modified=whole_seconds(entry["LastModified"]),
    )


@contextmanager
def _of_an_upload(bucket: str, key: str) -> Iterator[None]:
    """For the user an upload that is gone is not there; for our own it is a reason to try again."""
    try:
        with translated(bucket, key):
            yield
    except ObjectError as error:
        cause = error.__cause__
        if isinstance(cause, ClientError) and cause.response.get("Error", {}).get("Code") == "NoSuchUpload":
            raise ObjectNotFound("there is no such multipart upload", bucket=bucket, key=key) from cause
        raise
