"""What an object store leaves behind when something goes wrong, and how soon it says so."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from shared.adapters.s3 import S3ObjectStore, S3Settings
from shared.ports.objects import (
    ObjectAccessDenied,
    ObjectChanged,
    ObjectNotFound,
    ObjectStore,
    ObjectsUnavailable,
)
from tests.contract.objects.gate import Gate, gate_to
from tests.contract.objects.seaweed import free_ports
from tests.contract.objects.test_object_store import digest, make_file

MIB = 1024 * 1024


@asynccontextmanager
async def gated(settings: S3Settings, **changes: Any) -> AsyncIterator[tuple[S3ObjectStore, Gate]]:
    assert settings.endpoint_url
    async with (
        gate_to(settings.endpoint_url) as gate,
        S3ObjectStore(replace(settings, endpoint_url=gate.url, **changes)) as store,
    ):
        yield store, gate


async def multipart_uploads(raw: Any, bucket: str) -> list[str]:
    answer = await raw.list_multipart_uploads(Bucket=bucket)
    return [upload["Key"] for upload in answer.get("Uploads", [])]


async def test_pinned_download_refuses_another_object(store: ObjectStore, bucket: str, tmp_path: Path) -> None:
    await store.upload(make_file(tmp_path, 10), bucket, "pinned")
    target = tmp_path / "target"

    with pytest.raises(ObjectChanged) as caught:
        await store.download(bucket, "pinned", target, etag="0" * 32)

    assert not caught.value.retryable
    assert not target.exists()


@pytest.mark.parametrize("pinned", [True, False])
async def test_object_overwritten_in_the_middle_of_a_download(
    s3_settings: S3Settings, store: ObjectStore, bucket: str, tmp_path: Path, pinned: bool
) -> None:
    info = await store.upload(make_file(tmp_path, 20 * MIB), bucket, "overwritten")
    target = tmp_path / "target"
    async with gated(s3_settings, concurrency=1) as (through, gate):
        gate.close_after(7 * MIB)
        download = asyncio.create_task(
            through.download(bucket, "overwritten", target, etag=info.etag if pinned else None)
        )
        await asyncio.wait_for(gate.held.wait(), 20)
        assert target.exists()
        await store.upload(make_file(tmp_path, 20 * MIB, "new.bin"), bucket, "overwritten")
        gate.open()
        with pytest.raises(ObjectChanged):
            await download
    assert not target.exists()


async def test_connection_that_breaks_in_the_middle_of_a_download_is_no_failure(
    s3_settings: S3Settings, store: ObjectStore, bucket: str, tmp_path: Path
) -> None:
    source = make_file(tmp_path, 12 * MIB)
    await store.upload(source, bucket, "breaks")
    target = tmp_path / "target"
    async with gated(s3_settings) as (through, gate):
        gate.close_after(7 * MIB)
        download = asyncio.create_task(through.download(bucket, "breaks", target))
        await asyncio.wait_for(gate.held.wait(), 20)
        gate.cut()
        gate.open()
        await download
    assert digest(target) == digest(source)


@pytest.mark.parametrize("reason", ["cancelled", "stalled"])
async def test_unfinished_download_leaves_no_file(
    s3_settings: S3Settings, store: ObjectStore, bucket: str, tmp_path: Path, reason: str
) -> None:
    await store.upload(make_file(tmp_path, 12 * MIB), bucket, "unfinished")
    target = tmp_path / "target"
    async with gated(s3_settings, read_timeout_s=1, max_attempts=1) as (through, gate):
        gate.close_after(3 * MIB)
        download = asyncio.create_task(through.download(bucket, "unfinished", target))
        await asyncio.wait_for(gate.held.wait(), 20)
        if reason == "cancelled":
            download.cancel()
        with pytest.raises(asyncio.CancelledError if reason == "cancelled" else ObjectsUnavailable):
            await download
    assert not target.exists()


async def test_local_disk_problem_is_an_os_error(store: ObjectStore, bucket: str, tmp_path: Path) -> None:
    await store.upload(make_file(tmp_path, 10), bucket, "no-folder")
    with pytest.raises(FileNotFoundError):
        await store.download(bucket, "no-folder", tmp_path / "missing" / "target")


# while the upload is being made; in the middle of its parts; when all parts are there
@pytest.mark.parametrize("after", [0, 10 * MIB, 12 * MIB + 4 * 1024])
async def test_cancelled_upload_leaves_no_multipart_upload(
    s3_settings: S3Settings, raw: Any, store: ObjectStore, bucket: str, tmp_path: Path, after: int
) -> None:
    source = make_file(tmp_path, 12 * MIB)
    key = f"cancelled/{after}"
    async with gated(s3_settings) as (through, gate):
        gate.close_after(after)
        upload = asyncio.create_task(through.upload(source, bucket, key))
        await asyncio.wait_for(gate.held.wait(), 20)
        if after == 10 * MIB:
            assert await multipart_uploads(raw, bucket) == [key]
        upload.cancel()
        asyncio.get_running_loop().call_later(0.2, gate.open)
        with pytest.raises(asyncio.CancelledError):
            await upload
    assert await multipart_uploads(raw, bucket) == []
    try:
        info = await store.head(bucket, key)
    except ObjectNotFound:
        return
    assert after > 12 * MIB  # else it cannot be there; here the cancellation may have come too late
    assert info.size == 12 * MIB


async def test_upload_aborts_what_was_begun_before_it_to_the_same_key(
    raw: Any, store: ObjectStore, bucket: str, tmp_path: Path
) -> None:
    """A process died in the middle of an upload; or it is a zombie, which cannot complete its own any more."""
    begun = [(await raw.create_multipart_upload(Bucket=bucket, Key="again"))["UploadId"] for _ in range(2)]
    other = (await raw.create_multipart_upload(Bucket=bucket, Key="again-not"))["UploadId"]
    part = await raw.upload_part(Bucket=bucket, Key="again", UploadId=begun[0], PartNumber=1, Body=b"zombie")
    source = make_file(tmp_path, 12 * MIB)
    info = await store.upload(source, bucket, "again")
    assert await multipart_uploads(raw, bucket) == ["again-not"]
    with pytest.raises(ClientError, match="NoSuchUpload"):
        await raw.complete_multipart_upload(
            Bucket=bucket,
            Key="again",
            UploadId=begun[0],
            MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
        )
    assert await store.head(bucket, "again") == info
    await raw.abort_multipart_upload(Bucket=bucket, Key="again-not", UploadId=other)


async def test_storage_that_lists_no_uploads_takes_them_all_the_same(
    s3_settings: S3Settings, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stubbed: a storage that refuses just this one request cannot be had."""
    async with S3ObjectStore(s3_settings) as store:

        async def refused(**_: Any) -> Any:
            answer = {"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
            raise ClientError(answer, "ListMultipartUploads")

        monkeypatch.setattr(store._client, "list_multipart_uploads", refused)
        info = await store.upload(make_file(tmp_path, 12 * MIB), bucket, "unlisted")
        assert (await store.head(bucket, "unlisted")).etag == info.etag


async def test_upload_of_a_file_that_shrinks_leaves_nothing(
    s3_settings: S3Settings, raw: Any, store: ObjectStore, bucket: str, tmp_path: Path
) -> None:
    source = make_file(tmp_path, 20 * MIB)
    async with gated(s3_settings, concurrency=1) as (through, gate):
        gate.close_after(7 * MIB)
        upload = asyncio.create_task(through.upload(source, bucket, "shrinks"))
        await asyncio.wait_for(gate.held.wait(), 20)
        os.truncate(source, 12 * MIB)
        gate.open()
        with pytest.raises(OSError, match="shorter"):
            await upload
    assert await multipart_uploads(raw, bucket) == []
    with pytest.raises(ObjectNotFound):
        await store.head(bucket, "shrinks")


async def test_connection_that_breaks_in_the_middle_of_an_upload_is_no_failure(
    s3_settings: S3Settings, store: ObjectStore, bucket: str, tmp_path: Path
) -> None:
    source = make_file(tmp_path, 12 * MIB)
    async with gated(s3_settings) as (through, gate):
        gate.close_after(7 * MIB)
        upload = asyncio.create_task(through.upload(source, bucket, "survives"))
        await asyncio.wait_for(gate.held.wait(), 20)
        gate.cut()
        gate.open()
        await upload
    await store.download(bucket, "survives", tmp_path / "target")
    assert digest(tmp_path / "target") == digest(source)


async def test_unreachable_storage_is_said_quickly(s3_settings: S3Settings, bucket: str, tmp_path: Path) -> None:
    [port] = free_ports(1)
    source = make_file(tmp_path, 6 * MIB)
    async with S3ObjectStore(replace(s3_settings, endpoint_url=f"http://127.0.0.1:{port}")) as store:
        for attempt in (
            store.ping(),
            store.head(bucket, "a"),
            store.bucket_exists(bucket),
            store.upload(source, bucket, "a"),
            store.download(bucket, "a", tmp_path / "target"),
        ):
            started = time.monotonic()
            with pytest.raises(ObjectsUnavailable) as caught:
                await attempt
            assert caught.value.retryable
            assert time.monotonic() - started < 6
    assert not (tmp_path / "target").exists()


async def test_silent_storage_is_unavailable(s3_settings: S3Settings, bucket: str) -> None:
    async with gated(s3_settings, read_timeout_s=0.3, max_attempts=1) as (through, gate):
        gate.close_after(0)
        with pytest.raises(ObjectsUnavailable):
            await through.head(bucket, "a")


async def test_answer_that_is_not_s3_is_unavailable(s3_settings: S3Settings, bucket: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        page = b"<html><body>bad gateway"
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(page) + page)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, S3ObjectStore(replace(s3_settings, endpoint_url=url)) as store:
        with pytest.raises(ObjectsUnavailable):
            [info async for info in store.list(bucket)]


@pytest.mark.parametrize("changes", [{"secret_key": "wrong"}, {"access_key": "nobody"}])
async def test_wrong_credentials_are_denied(
    s3_settings: S3Settings, store: ObjectStore, bucket: str, tmp_path: Path, changes: dict[str, str]
) -> None:
    source = make_file(tmp_path, 6 * MIB)
    await store.upload(source, bucket, "secret")
    async with S3ObjectStore(replace(s3_settings, **changes)) as stranger:
        for attempt in (
            stranger.head(bucket, "secret"),
            stranger.get_bytes(bucket, "secret"),
            stranger.upload(source, bucket, "secret"),
            stranger.download(bucket, "secret", tmp_path / "target"),
            stranger.bucket_exists(bucket),
            stranger.delete(bucket, "secret"),
        ):
            with pytest.raises(ObjectAccessDenied) as caught:
                await attempt
            assert not caught.value.retryable
        await stranger.ping()  # it answers, and that is all that ping asks
    assert await store.head(bucket, "secret")


async def test_secret_key_is_not_shown(s3_settings: S3Settings) -> None:
    assert s3_settings.secret_key
    assert s3_settings.secret_key not in repr(s3_settings)


async def test_transfers_hold_a_few_megabytes(store: ObjectStore, bucket: str, tmp_path: Path) -> None:
    process = psutil.Process()
    source = make_file(tmp_path, 200 * MIB)
    peak = start = process.memory_info().rss

    async def watch() -> None:
        nonlocal peak
        while True:
            peak = max(peak, process.memory_info().rss)
            await asyncio.sleep(0.01)

    watcher = asyncio.create_task(watch())
    try:
        await store.upload(source, bucket, "memory")
        await store.download(bucket, "memory", tmp_path / "target")
    finally:
        watcher.cancel()
    assert digest(tmp_path / "target") == digest(source)
    assert (peak - start) / MIB < 60
