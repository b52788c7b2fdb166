"""Buckets over REST, on a real object storage."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from shared.adapters.s3 import S3BucketAccess, S3ObjectStore, S3Settings
from shared.ports.objects import ObjectsUnavailable
from tests.contract.objects.seaweed import seaweed
from tests.integration.api.stand import BUCKET, OTHER_TENANT, running_stand
from tests.integration.api.test_rest_face import problem

FOREIGN = f"media-{OTHER_TENANT}"
MIB = 1024**2


@pytest.fixture(scope="module")
def s3_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Settings]:
    with seaweed(tmp_path_factory.mktemp("seaweed")) as settings:
        yield settings


@pytest.fixture
async def store(s3_settings: S3Settings) -> AsyncIterator[S3ObjectStore]:
    async with S3ObjectStore(s3_settings) as store, asyncio.timeout(30):
        while True:
            try:
                for name in (BUCKET, FOREIGN, "shared"):
                    await store.ensure_bucket(name)
                break
            except ObjectsUnavailable:
                await asyncio.sleep(0.1)
        yield store


@pytest.fixture
async def rest(s3_settings: S3Settings, store: S3ObjectStore) -> AsyncIterator[httpx.AsyncClient]:
    access = S3BucketAccess(s3_settings)
    async with running_stand(buckets=access) as stand, stand.rest() as client:
        yield client
    await access.aclose()


async def call(rest: httpx.AsyncClient, path: str, **body: Any) -> Any:
    answer = await rest.post(f"/buckets/{BUCKET}/{path}", json=body)
    assert answer.is_success, answer.text
    return answer.json() if answer.content else None


async def test_an_object_is_written_found_and_read_by_links(rest: httpx.AsyncClient) -> None:
    names = [one["name"] for one in (await rest.get("/buckets")).json()["buckets"]]
    assert names == [BUCKET, "shared"]
    async with httpx.AsyncClient(trust_env=False) as plain:
        for key in ("in/a b+%中.txt", "in/x/1.txt", "in/x/2.txt", "in/y/1.txt", "top.txt"):
            made = await call(rest, "links", key=f"/{key}", method="put", expires_s=60)
            assert made["key"] == key
            assert (await plain.put(made["url"], content=key.encode())).status_code == 200
            read = await call(rest, "links", key=key)
            assert (await plain.get(read["url"])).content == key.encode()
            # A link is for its method only.
            assert (await plain.get(made["url"])).status_code == 403
    root = (await rest.get(f"/buckets/{BUCKET}/objects")).json()
    assert ([one["key"] for one in root["objects"]], root["folders"], root["cursor"]) == (["top.txt"], ["in/"], None)
    below = (await rest.get(f"/buckets/{BUCKET}/objects", params={"prefix": "/in/"})).json()
    assert [one["key"] for one in below["objects"]] == ["in/a b+%中.txt"]
    assert below["folders"] == ["in/x/", "in/y/"]
    found: list[str] = []
    params: dict[str, Any] = {"limit": 2, "delimiter": "", "prefix": "in/"}
    while True:
        page = (await rest.get(f"/buckets/{BUCKET}/objects", params=params)).json()
        assert len(page["objects"]) <= 2
        found += [one["key"] for one in page["objects"]]
        if page["cursor"] is None:
            break
        params["cursor"] = page["cursor"]
    assert found == ["in/a b+%中.txt", "in/x/1.txt", "in/x/2.txt", "in/y/1.txt"]


async def test_a_large_object_is_written_in_parts(rest: httpx.AsyncClient, store: S3ObjectStore) -> None:
    begun = await call(rest, "multipart", key="in/big.bin", size=12 * MIB)
    which = {"key": "in/big.bin", "upload_id": begun["upload_id"]}
    assert begun["part_bytes"] == 16 * MIB
    bodies = {1: b"a" * 5 * MIB, 2: b"b" * 100}
    links = (await call(rest, "multipart/links", parts=[1, 2], **which))["links"]
    async with httpx.AsyncClient(trust_env=False, timeout=30) as plain:
        done = [
            {"part": link["part"], "etag": (await plain.put(link["url"], content=bodies[link["part"]])).headers["etag"]}
            for link in links
        ]
    there = (await rest.get(f"/buckets/{BUCKET}/multipart/parts", params=which)).json()["parts"]
    assert [(one["part"], one["size"]) for one in there] == [(1, 5 * MIB), (2, 100)]
    made = await call(rest, "multipart/complete", parts=done[::-1], **which)
    info = await store.head(BUCKET, "in/big.bin")
    assert (info.size, info.etag) == (5 * MIB + 100, made["etag"])
    problem(await rest.get(f"/buckets/{BUCKET}/multipart/parts", params=which), 404, "not_found")


async def test_an_aborted_upload_is_gone(rest: httpx.AsyncClient) -> None:
    begun = await call(rest, "multipart", key="in/never.bin")
    which = {"key": "in/never.bin", "upload_id": begun["upload_id"]}
    for _ in range(2):
        await call(rest, "multipart/abort", **which)
    again = await rest.post(
        f"/buckets/{BUCKET}/multipart/complete", json={**which, "parts": [{"part": 1, "etag": "e"}]}
    )
    problem(again, 404, "not_found")


async def test_a_bucket_of_another_tenant_is_not_there(rest: httpx.AsyncClient) -> None:
    key = {"key": "a"}
    upload = {"key": "a", "upload_id": "u"}
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", "objects", {}),
        ("POST", "links", {"json": key}),
        ("POST", "multipart", {"json": key}),
        ("POST", "multipart/links", {"json": upload | {"parts": [1]}}),
        ("GET", "multipart/parts", {"params": upload}),
        ("POST", "multipart/complete", {"json": upload | {"parts": [{"part": 1, "etag": "e"}]}}),
        ("POST", "multipart/abort", {"json": upload}),
    ]
    for method, path, more in calls:
        problem(await rest.request(method, f"/buckets/{FOREIGN}/{path}", **more), 404, "not_found")
    problem(await rest.get("/buckets/no-such-bucket/objects"), 404, "not_found")


async def test_what_is_no_key_is_refused() -> None:
    async with running_stand() as stand, stand.rest() as rest:
        for key, path in itertools.product(("", "/", "a/", "a\nb", "中" * 400), ("links", "multipart")):
            answer = await rest.post(f"/buckets/{BUCKET}/{path}", json={"key": key})
            assert problem(answer, 422, "invalid")["errors"][0]["field"] == "key"


async def test_links_lead_where_people_reach_the_storage(s3_settings: S3Settings) -> None:
    access = S3BucketAccess(s3_settings, "https://files.example.com")
    url = await access.link_to_part("b", "a/k", "u", 3, expires_s=60)
    await access.aclose()
    assert url.startswith("https://files.example.com/b/a/k?")
    assert "partNumber=3" in url
