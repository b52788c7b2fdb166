"""The object storage: objects without bodies, written by users and by our workers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from shared.ids import digest
from shared.ports.objects import ObjectChanged, ObjectInfo, ObjectNotFound, ObjectsUnavailable
from tests.fault.simulation.timeline import Timeline
from tests.fault.simulation.wire import Server, Wire


class SimulatedObjects:
    """The `ObjectStore` port, as far as trigger and workers use it. `written` is told of every new object, `removed` of
    every one that goes away."""

    def __init__(
        self,
        timeline: Timeline,
        wire: Wire,
        written: Callable[[ObjectInfo], None],
        removed: Callable[[str, str], None] = lambda *_: None,
    ) -> None:
        self.server = Server("objects", lambda: ObjectsUnavailable("the storage does not answer", bucket="?"))
        self.there: dict[tuple[str, str], ObjectInfo] = {}
        self._timeline = timeline
        self._wire = wire
        self._written = written
        self._removed = removed
        self._count = 0

    async def __aenter__(self) -> SimulatedObjects:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    def put(self, bucket: str, key: str, content: str, metadata: Mapping[str, str] | None = None) -> ObjectInfo:
        """An object is there, whole."""
        info = ObjectInfo(
            bucket=bucket,
            key=key,
            size=1000,
            etag=digest(content, size=12),
            last_modified=self._timeline.instant().replace(microsecond=0),
            metadata=dict(metadata or {}),
        )
        self.there[bucket, key] = info
        self._written(info)
        return info

    def _get(self, bucket: str, key: str) -> ObjectInfo:
        try:
            return self.there[bucket, key]
        except KeyError:
            raise ObjectNotFound("no such object", bucket=bucket, key=key) from None

    def _pinned(self, bucket: str, key: str, etag: str | None) -> ObjectInfo:
        info = self._get(bucket, key)
        if etag is not None and info.etag != etag:
            raise ObjectChanged("overwritten", bucket=bucket, key=key)
        return info

    def _listed(self, bucket: str, prefix: str) -> list[ObjectInfo]:
        found = [info for (place, key), info in self.there.items() if place == bucket and key.startswith(prefix)]
        # A listing knows no metadata, but fractions of a second.
        late = timedelta(microseconds=123000)
        return [replace(info, metadata={}, last_modified=info.last_modified + late) for info in found]

    async def head(self, bucket: str, key: str, *, version_id: str | None = None) -> ObjectInfo:
        """What is there now."""
        return await self._wire.call(self.server, "head", key, partial(self._get, bucket, key))

    async def list(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        """All objects under a prefix."""
        for info in await self._wire.call(self.server, "list", prefix, partial(self._listed, bucket, prefix)):
            yield info

    async def download(self, bucket: str, key: str, target: Path, *, etag: str | None = None, **_: Any) -> ObjectInfo:
        """Reads the pinned object."""
        return await self._wire.call(self.server, "download", key, partial(self._pinned, bucket, key, etag))

    async def upload(
        self,
        source: Path,
        bucket: str,
        key: str,
        *,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
    ) -> ObjectInfo:
        """Writes an object whose content is the name of the file: nothing is on a disk."""
        effect = partial(self.put, bucket, key, str(source), metadata)
        return await self._wire.call(self.server, "upload", key, effect)

    def _take_away(self, bucket: str, key: str) -> None:
        if self.there.pop((bucket, key), None) is not None:
            self._removed(bucket, key)

    async def delete(self, bucket: str, key: str) -> None:
        """Removes the object."""
        await self._wire.call(self.server, "delete", key, partial(self._take_away, bucket, key))

    async def bucket_exists(self, bucket: str) -> bool:
        """Buckets are there."""
        return await self._wire.call(self.server, "bucket", bucket, lambda: True)

    async def ping(self) -> None:
        """Raises ObjectsUnavailable while the storage is away."""
        await self._wire.call(self.server, "ping", "", lambda: None)
