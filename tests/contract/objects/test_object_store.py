"""What every object store must do: the definition of `shared.ports.objects`."""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from shared.adapters.s3 import S3ObjectStore, S3Settings
from shared.ports.objects import ObjectError, ObjectNotFound, ObjectStore

MIB = 1024 * 1024

ODD_KEYS = [
    "plain.mp4",
    "with blank/a b  c.mp4",
    "plus+and%percent%2Fnot-a-slash.mp4",
    "%E4%B8%AD.mp4",
    "视频/中文 名称+100%.mp4",
    "emoji/🎬 é à.mov",
    "marks/!*'();:@&=$,~#[]?.mp4",
    'quotes/"double" <angle>.mp4',  # no backslash: SeaweedFS turns it into a slash
]


def make_file(folder: Path, size: int, name: str = "source.bin") -> Path:
    path = folder / name
    with path.open("wb") as out:
        for _ in range(size // MIB):
            out.write(os.urandom(MIB))
        out.write(os.urandom(size % MIB))
    return path


def digest(path: Path) -> str:
    with path.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


async def put(store: ObjectStore, folder: Path, bucket: str, key: str, data: bytes = b"data") -> str:
    path = folder / "put.bin"
    path.write_bytes(data)
    return (await store.upload(path, bucket, key)).etag


async def keys(store: ObjectStore, bucket: str, prefix: str) -> list[str]:
    return [info.key async for info in store.list(bucket, prefix)]


@pytest.mark.parametrize("size", [0, 1, 1000, 5 * MIB, 5 * MIB + 1, 40 * MIB + 17])
async def test_what_was_uploaded_is_what_is_downloaded(
    store: ObjectStore, bucket: str, tmp_path: Path, size: int
) -> None:
    source = make_file(tmp_path, size)
    written = await store.upload(source, bucket, f"sizes/{size}", content_type="video/mp4")

    target = tmp_path / "target.bin"
    read = await store.download(bucket, f"sizes/{size}", target, etag=written.etag)

    assert (written.size, read.size, target.stat().st_size) == (size, size, size)
    assert read == written
    assert digest(target) == digest(source)


async def test_head_tells_size_etag_type_and_time(store: ObjectStore, bucket: str, tmp_path: Path) -> None:
    source = tmp_path / "clip.mp4"
    source.write_bytes(b"hello")
    before = datetime.now(UTC)

    await store.upload(source, bucket, "head/clip.mp4", content_type="video/mp4")
    info = await store.head(bucket, "head/clip.mp4")

    assert (info.bucket, info.key, info.size) == (bucket, "head/clip.mp4", 5)
    assert info.etag == hashlib.md5(b"hello").hexdigest()
    assert info.content_type == "video/mp4"
    assert info.version_id is None
    assert info.last_modified.utcoffset() == timedelta(0)
    assert info.last_modified.microsecond == 0
    assert abs(info.last_modified - before) < timedelta(seconds=30)


async def test_download_overwrites_what_was_there(store: ObjectStore, bucket: str, tmp_path: Path) -> None:
    await put(store, tmp_path, bucket, "over/short", b"short")
    target = tmp_path / "target.bin"
    target.write_bytes(b"much longer than the object")

    await store.download(bucket, "over/short", target)

    assert target.read_bytes() == b"short"
    assert not stat.S_IMODE(target.stat().st_mode) & 0o111


async def test_upload_replaces_an_object(store: ObjectStore, bucket: str, tmp_path: Path) -> None:
    first = await put(store, tmp_path, bucket, "replace/me", b"one")
    second = await put(store, tmp_path, bucket, "replace/me", b"two")

    assert first != second
    assert await store.get_bytes(bucket, "replace/me") == b"two"


@pytest.mark.parametrize("key", ODD_KEYS)
async def test_odd_keys_come_back_as_they_went(store: ObjectStore, bucket: str, tmp_path: Path, key: str) -> None:
    data = key.encode()
    key = f"odd/{key}"
    etag = await put(store, tmp_path, bucket, key, data)

    head = await store.head(bucket, key)
    listed = [info async for info in store.list(bucket, "odd/") if info.etag == etag]
    await store.download(bucket, key, tmp_path / "target", etag=etag)

    assert head.key == key
    assert [(info.key, info.last_modified) for info in listed] == [(key, head.last_modified)]
    assert (tmp_path / "target").read_bytes() == data
    async with httpx.AsyncClient(trust_env=False) as http:
        assert (await http.get(await store.presign_get(bucket, key))).content == data
    await store.delete(bucket, key)
    with pytest.raises(ObjectNotFound):
        await store.head(bucket, key)


@pytest.mark.parametrize(
    "value",
    ["plain", "two words", "中文 标题", "100%", "%41", "a+b=c;d,e/\"f'", " blank ends ", "tab\tnewline\n"],
)
@pytest.mark.parametrize("size", [3, 5 * MIB + 1])
async def test_metadata_comes_back_as_it_went(
    store: ObjectStore, bucket: str, tmp_path: Path, value: str, size: int
) -> None:
    source = make_file(tmp_path, size)
    written = await store.upload(source, bucket, "meta/object", metadata={"Reelway-Run": value, "second": "2"})

    info = await store.head(bucket, "meta/object")

    assert info.metadata == written.metadata == {"reelway-run": value, "second": "2"}


async def test_metadata_name_that_is_no_header_is_refused(store: ObjectStore, bucket: str, tmp_path: Path) -> None:
    source = make_file(tmp_path, 1)
    with pytest.raises(ValueError, match="metadata name"):
        await store.upload(source, bucket, "meta/bad", metadata={"名": "x"})


async def test_list_gives_keys_under_the_prefix_in_order(store: ObjectStore, bucket: str, tmp_path: Path) -> None:
    for name in ("b", "a", "c/d", "c"):
        await put(store, tmp_path, bucket, f"list/{name}")
    await put(store, tmp_path, bucket, "list-not/a")

    assert await keys(store, bucket, "list/") == ["list/a", "list/b", "list/c", "list/c/d"]
    assert await keys(store, bucket, "list/c") == ["list/c", "list/c/d"]
    assert await keys(store, bucket, "list/nothing") == []


async def test_list_goes_on_behind_any_object(store: ObjectStore, bucket: str, tmp_path: Path) -> None:
    # Names around "/" are where storages that keep folders and those that sort keys may differ.
    for name in ("a", "a-b", "a/x", "a/y/z", "a0", "ab/x", "片段 1%", "b+c"):
        await put(store, tmp_path, bucket, f"from/{name}")
    whole = await keys(store, bucket, "from/")
    assert len(whole) == 8
    for index, key in enumerate(whole):
        if whole[index + 1 : index + 2] and whole[index + 1].startswith(f"{key}/"):
            continue  # the port says so: SeaweedFS would leave that folder out
        rest = [info.key async for info in store.list(bucket, "from/", after=key)]
        assert rest == whole[index + 1 :], key
    assert [info.key async for info in store.list(bucket, "from/a/", after="from/a/x")] == ["from/a/y/z"]


async def test_list_goes_over_all_pages(store: ObjectStore, bucket: str, tmp_path: Path) -> None:
    source = make_file(tmp_path, 1)
    wanted = [f"pages/{number:04}" for number in range(1003)]
    pending = iter(wanted)

    async def fill() -> None:
        for key in pending:
            await store.upload(source, bucket, key)

    await asyncio.gather(*(fill() for _ in range(16)))

    assert await keys(store, bucket, "pages/") == wanted


async def test_get_bytes_is_limited(store: ObjectStore, bucket: str, tmp_path: Path) -> None:
    data = os.urandom(3 * MIB)
    await put(store, tmp_path, bucket, "bytes/big", data)
    await put(store, tmp_path, bucket, "bytes/empty", b"")

    assert await store.get_bytes(bucket, "bytes/big", limit=10) == data[:10]
    assert await store.get_bytes(bucket, "bytes/big", limit=1_500_000) == data[:1_500_000]
    assert await store.get_bytes(bucket, "bytes/big", limit=4 * MIB) == data
    assert await store.get_bytes(bucket, "bytes/empty") == b""


async def test_delete_is_fine_twice(store: ObjectStore, bucket: str, tmp_path: Path) -> None:
    await put(store, tmp_path, bucket, "delete/me")
    await store.delete(bucket, "delete/me")
    await store.delete(bucket, "delete/me")

    with pytest.raises(ObjectNotFound):
        await store.get_bytes(bucket, "delete/me")


async def test_missing_object_is_named_in_the_error(store: ObjectStore, bucket: str, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"left over")
    for attempt in (
        store.head(bucket, "no/such"),
        store.get_bytes(bucket, "no/such"),
        store.download(bucket, "no/such", target),
    ):
        with pytest.raises(ObjectNotFound, match="no/such") as caught:
            await attempt
        assert (caught.value.bucket, caught.value.key) == (bucket, "no/such")
        assert not caught.value.retryable
    assert not target.exists()


async def test_missing_bucket_is_not_found(store: ObjectStore, tmp_path: Path) -> None:
    source = make_file(tmp_path, 1)
    big = make_file(tmp_path, 6 * MIB, "big.bin")
    for attempt in (
        store.head("no-such-bucket", "a"),
        store.upload(source, "no-such-bucket", "a"),
        store.upload(big, "no-such-bucket", "a"),
        keys(store, "no-such-bucket", ""),
    ):
        with pytest.raises(ObjectNotFound):
            await attempt
    assert not await store.bucket_exists("no-such-bucket")


async def test_ensure_bucket_makes_it_once_however_many_ask(store: ObjectStore) -> None:
    assert not await store.bucket_exists("made-by-ensure")
    await asyncio.gather(*(store.ensure_bucket("made-by-ensure") for _ in range(4)))
    await store.ensure_bucket("made-by-ensure")
    assert await store.bucket_exists("made-by-ensure")


async def test_impossible_bucket_name_is_an_object_error(store: ObjectStore) -> None:
    with pytest.raises(ObjectError):
        await store.head("no such bucket", "a")


async def test_presigned_url_needs_no_credentials_and_no_other_key(
    store: ObjectStore, bucket: str, tmp_path: Path
) -> None:
    await put(store, tmp_path, bucket, "presign/a", b"open")
    url = await store.presign_get(bucket, "presign/a", expires_s=60)

    async with httpx.AsyncClient(trust_env=False) as http:
        assert (await http.get(url)).content == b"open"
        assert (await http.get(url.split("?")[0])).status_code == 403
        assert (await http.get(url.replace("presign/a", "presign/b"))).status_code == 403


async def test_region_of_a_private_storage_may_have_any_name(s3_settings: S3Settings, tmp_path: Path) -> None:
    async with S3ObjectStore(replace(s3_settings, region="ap-guangzhou")) as store:
        await store.ensure_bucket("guangzhou")
        await put(store, tmp_path, "guangzhou", "a", b"here")
        async with httpx.AsyncClient(trust_env=False) as http:
            assert (await http.get(await store.presign_get("guangzhou", "a"))).content == b"here"


async def test_ping_answers(store: ObjectStore) -> None:
    await store.ping()


async def test_missing_source_is_an_os_error(store: ObjectStore, bucket: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await store.upload(tmp_path / "nothing", bucket, "never")
