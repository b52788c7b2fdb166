"""Hand-written stand-ins for the ports: object storage in memory, a publisher that records, a store that fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from hashlib import md5
from pathlib import Path
from typing import Any, TypeVar

from shared.adapters.memory import MemoryStateStore
from shared.bus.errors import BusUnavailable
from shared.clock import ManualClock
from shared.messages.messages import Message
from shared.model import collections
from shared.ports.objects import ObjectChanged, ObjectInfo, ObjectNotFound, ObjectsUnavailable
from shared.ports.publisher import Outgoing
from shared.ports.state import StateStore
from shared.state.records import Records
from tests.builders import BUCKET, T0

M = TypeVar("M", bound=Message)


class FakeObjects:
    """Object storage in memory: what is put is there at once; versions are kept for buckets in `versioned`.

    `down` makes every call fail as unavailable; `calls` lists what was asked.
    """

    def __init__(self, clock: ManualClock | None = None) -> None:
        self.clock = clock or ManualClock(T0)
        self.versioned: set[str] = set()
        self.current: dict[tuple[str, str], ObjectInfo] = {}
        self.versions: dict[tuple[str, str, str | None], ObjectInfo] = {}
        self.bodies: dict[tuple[str, str], bytes] = {}
        self.calls: list[tuple[str, str]] = []
        self.down = False
        self.refuses: dict[str, Exception] = {}
        """Errors by bucket."""
        self.gate: asyncio.Event | None = None
        """If set, transfers wait for it."""

    def put(
        self,
        key: str,
        body: bytes = b"media",
        *,
        bucket: str = BUCKET,
        at: datetime | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> ObjectInfo:
        """Somebody writes an object."""
        etag = md5(body).hexdigest()
        info = ObjectInfo(
            bucket=bucket,
            key=key,
            size=len(body),
            etag=etag,
            last_modified=(at or self.clock.now()).replace(microsecond=0),
            version_id=f"v{len(self.versions) + 1}" if bucket in self.versioned else None,
            metadata=dict(metadata or {}),
        )
        self.current[bucket, key] = info
        self.versions[bucket, key, info.version_id] = info
        self.bodies[bucket, key] = body
        return info

    def _ask(self, what: str, bucket: str, key: str = "") -> None:
        self.calls.append((what, f"{bucket}/{key}"))
        if self.down:
            raise ObjectsUnavailable("storage is down", bucket=bucket, key=key)
        if bucket in self.refuses:
            raise self.refuses[bucket]

    async def head(self, bucket: str, key: str, *, version_id: str | None = None) -> ObjectInfo:
        self._ask("head", bucket, key)
        found = self.versions.get((bucket, key, version_id)) if version_id else self.current.get((bucket, key))
        if found is None:
            raise ObjectNotFound("no such object", bucket=bucket, key=key)
        return found

    async def list(self, bucket: str, prefix: str = "", *, after: str = "") -> AsyncGenerator[ObjectInfo, None]:
        self._ask("list", bucket, prefix)
        for (place, key), info in sorted(self.current.items()):
            if place == bucket and key.startswith(prefix) and key > after:
                # A listing knows neither version nor metadata, but fractions of a second.
                yield ObjectInfo(bucket, key, info.size, info.etag, info.last_modified + timedelta(microseconds=123000))

    async def download(
        self, bucket: str, key: str, target: Path, *, etag: str | None = None, version_id: str | None = None
    ) -> ObjectInfo:
        if self.gate is not None:
            await self.gate.wait()
        self._ask("download", bucket, key)
        info = self.current.get((bucket, key))
        if info is None:
            raise ObjectNotFound("no such object", bucket=bucket, key=key)
        if etag is not None and info.etag != etag:
            raise ObjectChanged("overwritten", bucket=bucket, key=key)
        target.write_bytes(self.bodies[bucket, key])
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
        if self.gate is not None:
            await self.gate.wait()
        self._ask("upload", bucket, key)
        return self.put(key, source.read_bytes(), bucket=bucket, metadata=metadata)

    async def get_bytes(self, bucket: str, key: str, *, limit: int = 1_000_000) -> bytes:
        self._ask("get", bucket, key)
        return self.bodies[bucket, key][:limit]

    async def delete(self, bucket: str, key: str) -> None:
        self.current.pop((bucket, key), None)

    async def bucket_exists(self, bucket: str) -> bool:
        return True

    async def ensure_bucket(self, bucket: str) -> None:
        pass

    async def presign_get(self, bucket: str, key: str, *, expires_s: int = 3600) -> str:
        return f"http://storage/{bucket}/{key}"

    async def ping(self) -> None:
        self._ask("ping", "")


class RecordingPublisher:
    """Keeps what was published; `down` refuses everything, `lossy` takes it and loses it."""

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []
        self.down = False
        self.lossy = False

    async def publish(self, *outgoing: Outgoing) -> None:
        await asyncio.sleep(0)
        if self.down:
            raise BusUnavailable("the bus is down")
        if not self.lossy:
            self.sent.extend(outgoing)

    def of(self, kind: type[M]) -> list[M]:
        """The messages of one type, in order."""
        return [item.message for item in self.sent if isinstance(item.message, kind)]

    def take(self) -> list[Outgoing]:
        """What was sent since the last call."""
        taken, self.sent = self.sent, []
        return taken


Hook = Callable[[str, str, bool], Awaitable[None]]
"""Called with method, collection and whether the call is done; may raise."""


class HookedStore:
    """A state store with somebody looking on: `hook` runs before and after every call and may raise or wait."""

    def __init__(self, inner: StateStore, hook: Hook) -> None:
        self._inner = inner
        self.hook = hook

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)

        async def call(*args: Any, **named: Any) -> Any:
            collection = args[0] if args and isinstance(args[0], str) else ""
            await self.hook(name, collection, False)
            answer = await method(*args, **named)
            await self.hook(name, collection, True)
            return answer

        return call


def memory_records(clock: ManualClock | None = None) -> Records:
    """All collections in memory, on a clock that tests move."""
    return Records(MemoryStateStore(collections.ALL, (clock or ManualClock(T0)).now))
