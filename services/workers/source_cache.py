"""Fetched sources, shared by all tasks of a worker that read the same object."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from services.workers.scratch import is_full
from shared.concurrency import run_to_end
from shared.ids import digest
from shared.model.task import MediaObject
from shared.ports.objects import ObjectStore


@dataclass
class _Entry:
    path: Path
    size: int
    users: int = 0
    there: bool = False
    fetching: asyncio.Lock = field(default_factory=asyncio.Lock)


class SourceCache:
    """Each pinned object is fetched once; files nobody uses are dropped, longest unused first, beyond a total size, and
    all of them when the disk is full, however much would be allowed."""

    def __init__(self, objects: ObjectStore, folder: Path, limit_bytes: int) -> None:
        self._objects = objects
        self._folder = folder
        self._limit = limit_bytes
        self._entries: dict[str, _Entry] = {}
        self._dropped = count(1)

    @contextlib.asynccontextmanager
    async def local(self, source: MediaObject) -> AsyncIterator[Path]:
        """The object as a local file, for reading only, at least until the context ends.

        Raises the errors of `ObjectStore.download`: ObjectChanged if the object is not the pinned one any more.
        """
        name = digest(source.bucket, source.key, source.etag, source.version_id or "")
        entry = self._entries.pop(name, None)
        if entry is None:
            # The name tells nothing, but some demuxers look at the extension.
            suffix = Path(source.key).suffix[:16]
            safe = suffix if suffix[1:].isalnum() and suffix.isascii() else ""
            entry = _Entry(self._folder / f"{name}{safe}", source.size)
        self._entries[name] = entry
        entry.users += 1
        try:
            async with entry.fetching:
                if not entry.there:
                    await self._make_room()
                    try:
                        await self._fetch(source, entry)
                    except OSError as error:
                        if not is_full(error) or not await self.drop_unused():
                            raise
                        await self._fetch(source, entry)
            yield entry.path
        finally:
            entry.users -= 1
            # A use lasts until its end: last in the order of dropping.
            self._entries.pop(name, None)
            if entry.there or entry.users:
                self._entries[name] = entry
            await self._make_room()

    async def _fetch(self, source: MediaObject, entry: _Entry) -> None:
        await self._objects.download(
            source.bucket, source.key, entry.path, etag=source.etag, version_id=source.version_id
        )
        entry.there = True

    async def drop_unused(self) -> int:
        """Removes every file that nobody uses; returns how many there were."""
        names = [name for name, entry in self._entries.items() if entry.users == 0]
        return await self._drop([self._entries.pop(name) for name in names])

    async def _make_room(self) -> None:
        await self._drop(self._excess())

    async def _drop(self, entries: Iterable[_Entry]) -> int:
        dropped = [path for path in map(self._out_of_the_way, entries) if path is not None]
        if dropped:
            # Removing a large file takes a while, in which heartbeats must go on.
            await run_to_end(asyncio.to_thread(_unlink, dropped))
        return len(dropped)

    def _excess(self) -> list[_Entry]:
        """Takes out of the books what is to go."""
        unused = {name: entry for name, entry in self._entries.items() if entry.users == 0}
        excess = sum(entry.size for entry in unused.values()) - self._limit
        found: list[_Entry] = []
        for name, entry in unused.items():
            if excess <= 0:
                break
            found.append(self._entries.pop(name))
            excess -= entry.size
        return found

    def _out_of_the_way(self, entry: _Entry) -> Path | None:
        """The file under another name: the object may be fetched again while its old file is being removed."""
        with contextlib.suppress(FileNotFoundError):
            return entry.path.rename(self._folder / f"dropped-{next(self._dropped)}")
        return None


def _unlink(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
