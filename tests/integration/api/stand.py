"""A real server on a loopback port over the memory store and a hand-written object storage, and the official SDK."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from tencentcloud.common import credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.mps.v20190612 import models, mps_client

from services.api.credentials import CredentialBook
from services.api.dependencies import Dependencies
from services.api.domain.sink_rules import SinkRules
from services.api.http_app import create_app
from services.api.peers import Peers
from shared.adapters.memory import MemoryStateStore
from shared.addresses import read_networks
from shared.clock import ManualClock
from shared.errors import ReelwayError
from shared.health import Health, serve_app
from shared.messages.topics import Topics
from shared.model import collections
from shared.ports.buckets import BucketAccess, BucketPage, Part
from shared.ports.objects import ObjectAccessDenied, ObjectError, ObjectInfo, ObjectNotFound, ObjectsUnavailable
from shared.ports.publisher import Outgoing
from shared.ports.state import StateUnavailable
from shared.sealing import MasterKeys, new_master_key
from shared.state.records import Records

TENANT = "1250000000"
OTHER_TENANT = "1260000000"
SECRET_ID, SECRET_KEY = "AKIDlocal", "localsecret"
OTHER_ID, OTHER_KEY = "AKIDother", "othersecret"
BUCKET = f"media-{TENANT}"
REGION = "ap-guangzhou"


class FakeObjects:
    """An object storage of names only: enough for an API that never reads a byte."""

    def __init__(self) -> None:
        self.buckets: set[str] = {BUCKET, f"out-{TENANT}", f"media-{OTHER_TENANT}", "plain-s3"}
        self.denied: set[str] = set()
        self.objects: dict[tuple[str, str], ObjectInfo] = {}
        self.down = False

    def put(self, bucket: str, key: str, *, size: int = 1000, etag: str | None = None, **metadata: str) -> ObjectInfo:
        modified = datetime(2026, 11, 23, 10, tzinfo=UTC)
        names = {name.replace("_", "-"): value for name, value in metadata.items()}
        info = ObjectInfo(bucket, key, size, etag or f"etag-{key}", modified, metadata=names)
        self.objects[bucket, key] = info
        return info

    async def list(self, bucket: str, prefix: str = "", *, after: str = "") -> AsyncGenerator[ObjectInfo, None]:
        self._check(bucket)
        if bucket not in self.buckets:
            raise ObjectNotFound("no such bucket", bucket=bucket)
        for (place, key), info in sorted(self.objects.items()):
            if place == bucket and key.startswith(prefix) and key > after:
                yield replace(info, metadata={})

    async def bucket_exists(self, bucket: str) -> bool:
        self._check(bucket)
        return bucket in self.buckets

    async def head(self, bucket: str, key: str, *, version_id: str | None = None) -> ObjectInfo:
        self._check(bucket)
        if (bucket, key) not in self.objects:
            raise ObjectNotFound("not found", bucket=bucket, key=key)
        return self.objects[bucket, key]

    async def ping(self) -> None:
        self._check("")

    def _check(self, bucket: str) -> None:
        if self.down:
            raise ObjectsUnavailable("down for the test", bucket=bucket)
        if bucket in self.denied:
            raise ObjectAccessDenied("denied for the test", bucket=bucket)


class FakeBuckets:
    """People's access to the storage of names: links lead nowhere, multipart uploads never have a part."""

    def __init__(self, objects: FakeObjects) -> None:
        self._objects = objects
        self.uploads: set[tuple[str, str, str]] = set()

    async def list_buckets(self) -> list[str]:
        self._objects._check("")
        return sorted(self._objects.buckets)

    async def browse(
        self, bucket: str, prefix: str = "", *, delimiter: str = "/", after: str | None = None, limit: int = 100
    ) -> BucketPage:
        objects: list[ObjectInfo] = []
        folders: dict[str, None] = {}
        async for info in self._objects.list(bucket, prefix, after=after or ""):
            folder, found, _ = info.key[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
            if found:
                folders[f"{prefix}{folder}{delimiter}"] = None
            elif len(objects) == limit:
                return BucketPage(tuple(objects), tuple(folders), objects[-1].key)
            else:
                objects.append(info)
        return BucketPage(tuple(objects), tuple(folders), None)

    async def link_to_read(self, bucket: str, key: str, *, expires_s: int, version_id: str | None = None) -> str:
        return f"http://storage.test/{bucket}/{key}?expires={expires_s}&version={version_id or ''}"

    async def link_to_write(self, bucket: str, key: str, *, expires_s: int) -> str:
        return f"http://storage.test/{bucket}/{key}?expires={expires_s}&put"

    async def begin_upload(self, bucket: str, key: str, *, content_type: str) -> str:
        if not await self._objects.bucket_exists(bucket):
            raise ObjectNotFound("no such bucket", bucket=bucket)
        self.uploads.add((bucket, key, "upload-1"))
        return "upload-1"

    async def link_to_part(self, bucket: str, key: str, upload_id: str, number: int, *, expires_s: int) -> str:
        return f"http://storage.test/{bucket}/{key}?upload={upload_id}&part={number}"

    async def parts(self, bucket: str, key: str, upload_id: str) -> list[Part]:
        self._known(bucket, key, upload_id)
        return []

    async def complete_upload(self, bucket: str, key: str, upload_id: str, parts: Sequence[tuple[int, str]]) -> str:
        self._known(bucket, key, upload_id)
        raise ObjectError("no such parts", bucket=bucket, key=key)

    async def abort_upload(self, bucket: str, key: str, upload_id: str) -> None:
        self.uploads.discard((bucket, key, upload_id))

    def _known(self, *upload: str) -> None:
        if upload not in self.uploads:
            raise ObjectNotFound("no such upload", bucket=upload[0], key=upload[1])


class FakePublisher:
    """Remembers what was sent, or refuses to send."""

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []
        self.down = False

    async def publish(self, *outgoing: Outgoing) -> None:
        if self.down:
            raise ReelwayError("the bus is down for the test")
        self.sent += outgoing


class FlakyStore(MemoryStateStore):
    """The memory store, which can be made unreachable or broken."""

    trouble: Exception | None = None

    async def get(self, collection: str, doc_id: str) -> Any:
        if self.trouble and collection != "credentials":
            raise self.trouble
        return await super().get(collection, doc_id)

    async def ping(self) -> None:
        if self.trouble:
            raise StateUnavailable("down for the test")


@dataclass
class Stand:
    """One running server with everything behind it."""

    port: int
    store: FlakyStore
    records: Records
    objects: FakeObjects
    publisher: FakePublisher
    clock: ManualClock
    store_clock: ManualClock
    deps: Dependencies

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(
        self,
        secret_id: str = SECRET_ID,
        secret_key: str = SECRET_KEY,
        *,
        method: str = "POST",
        sign: str = "TC3-HMAC-SHA256",
        language: str = "en-US",
        endpoint: str | None = None,
        token: str | None = None,
        unsigned: bool = False,
    ) -> mps_client.MpsClient:
        """The official client, as a user would make it."""
        http = HttpProfile(protocol="http", endpoint=endpoint or f"127.0.0.1:{self.port}", reqMethod=method)
        http.keepAlive = True
        profile = ClientProfile(signMethod=sign, httpProfile=http, language=language)
        profile.unsignedPayload = unsigned
        return mps_client.MpsClient(credential.Credential(secret_id, secret_key, token), REGION, profile)

    async def call(self, action: str, params: Mapping[str, Any] | None = None, **client: Any) -> Any:
        """One call through the SDK's own models. Raises TencentCloudSDKException."""
        request = getattr(models, f"{action}Request")()
        request._deserialize(dict(params or {}))
        made = self.client(**client)
        return await asyncio.to_thread(getattr(made, action), request)

    async def call_json(self, action: str, params: Mapping[str, Any], **client: Any) -> dict[str, Any]:
        """One call with parameters as they stand, for what the SDK's models would not send."""
        made = self.client(**client)
        answer: dict[str, Any] = (await asyncio.to_thread(made.call_json, action, dict(params)))["Response"]
        return answer

    async def refusal(self, action: str, params: Mapping[str, Any], **client: Any) -> TencentCloudSDKException:
        """The exception of a call that must fail."""
        with pytest.raises(TencentCloudSDKException) as caught:
            await self.call_json(action, params, **client)
        assert caught.value.requestId
        return caught.value

    def rest(self, secret_id: str = SECRET_ID, secret_key: str = SECRET_KEY) -> httpx.AsyncClient:
        """A client of the REST interface; close it."""
        return httpx.AsyncClient(base_url=f"{self.url}/api/v1", auth=(secret_id, secret_key), trust_env=False)

    async def create(self, **changes: Any) -> int:
        """A schedule; its id."""
        answer = await self.call("CreateSchedule", schedule(**changes))
        return int(answer.ScheduleId)


def schedule(**changes: Any) -> dict[str, Any]:
    """A good CreateSchedule request; a change to None leaves the member out."""
    found = {
        "ScheduleName": "测试_demo-1",
        "Trigger": cos_trigger(),
        "Activities": [
            {"ActivityType": "input", "ReardriveIndex": [1, 2]},
            {
                "ActivityType": "action-trans",
                "ReardriveIndex": [3],
                "ActivityPara": {"TranscodeTask": {"Definition": 100020}},
            },
            {
                "ActivityType": "action-samplesnapshot",
                "ReardriveIndex": [3],
                "ActivityPara": {"SampleSnapshotTask": {"Definition": 10}},
            },
            {"ActivityType": "output"},
        ],
        **changes,
    }
    return {name: value for name, value in found.items() if value is not None}


def cos_trigger(**changes: Any) -> dict[str, Any]:
    """A COS trigger; a change to None leaves the member out."""
    found = {"Bucket": BUCKET, "Region": REGION, "Dir": "/in/", "Formats": ["mp4", ".MOV"], **changes}
    given = {name: value for name, value in found.items() if value is not None}
    return {"Type": "CosFileUpload", "CosFileUploadTrigger": given}


@contextlib.asynccontextmanager
async def running_stand(
    peers: Mapping[str, str] | None = None, buckets: BucketAccess | None = None
) -> AsyncIterator[Stand]:
    """A server that answers, until the end of the block."""
    clock = ManualClock(datetime.now(UTC))
    store_clock = ManualClock(datetime(2026, 11, 23, 10, tzinfo=UTC))
    store = FlakyStore(collections.ALL, store_clock.now)
    records = Records(store)
    objects, publisher = FakeObjects(), FakePublisher()
    health = Health("api")
    health.add("state", store.ping)
    health.add("objects", objects.ping)
    book = CredentialBook(records, clock, MasterKeys.read(new_master_key()))
    await book.ensure(SECRET_ID, SECRET_KEY, TENANT)
    await book.ensure(OTHER_ID, OTHER_KEY, OTHER_TENANT)
    numbers = itertools.count(1)
    deps = Dependencies(
        records=records,
        objects=objects,
        buckets=buckets or FakeBuckets(objects),
        publisher=publisher,
        topics=Topics(),
        clock=clock,
        credentials=book,
        health=health,
        peers=Peers(peers or {}),
        sinks=SinkRules(read_networks(["127.0.0.0/8"])),
        operators=frozenset({TENANT}),
        new_id=lambda: f"id-{next(numbers)}",
    )
    port = free_port()
    serving = asyncio.create_task(serve_app(create_app(deps), "127.0.0.1", port))
    try:
        await wait_for_port(port)
        yield Stand(port, store, records, objects, publisher, clock, store_clock, deps)
    finally:
        await deps.streams.end()
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving
        await deps.peers.aclose()


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def wait_for_port(port: int) -> None:
    """Returns when somebody listens."""
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.01)
                continue
            writer.close()
            await writer.wait_closed()
            return
