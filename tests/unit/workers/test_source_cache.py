from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import Iterable
from pathlib import Path

import pytest

from services.workers import source_cache as source_cache_module
from services.workers.source_cache import SourceCache
from shared.model.task import MediaObject
from shared.ports.objects import ObjectChanged, ObjectInfo, ObjectsUnavailable
from tests.builders import a_media
from tests.eventually import eventually, let_others_run
from tests.unit.shared.fakes import FakeObjects


class Shelf:
    """A cache for three objects of 100 bytes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.objects = FakeObjects()
        self.cache = SourceCache(self.objects, folder, 300)

    def put(self, key: str, size: int = 100) -> MediaObject:
        info = self.objects.put(key, key.encode().ljust(size, b"."))
        return a_media(key, etag=info.etag, size=size)

    def fetched(self) -> int:
        return len([what for what, _ in self.objects.calls if what == "download"])

    def kept(self) -> int:
        return len(list(self.folder.iterdir()))

    async def read(self, source: MediaObject) -> bytes:
        async with self.cache.local(source) as path:
            return path.read_bytes().rstrip(b".")


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


async def test_object_is_fetched_once_for_users_at_the_same_time_and_later(shelf: Shelf) -> None:
    source = shelf.put("in/a.mp4")
    shelf.objects.gate = asyncio.Event()
    reading = [asyncio.create_task(shelf.read(source)) for _ in range(5)]
    await let_others_run()
    shelf.objects.gate.set()
    assert await asyncio.gather(*reading) == [b"in/a.mp4"] * 5
    assert await shelf.read(source) == b"in/a.mp4"
    assert shelf.fetched() == 1


async def test_different_objects_do_not_wait_for_each_other(shelf: Shelf) -> None:
    slow, quick = shelf.put("in/slow.mp4"), shelf.put("in/quick.mp4")
    await shelf.read(quick)
    shelf.objects.gate = asyncio.Event()
    reading = asyncio.create_task(shelf.read(slow))
    await let_others_run()
    assert await shelf.read(quick) == b"in/quick.mp4"
    shelf.objects.gate.set()
    await reading


async def test_another_version_of_an_object_is_another_object(shelf: Shelf) -> None:
    old = shelf.put("in/a.mp4")
    async with shelf.cache.local(old) as first:
        new = shelf.put("in/a.mp4", 90)
        async with shelf.cache.local(new) as second:
            assert first != second
    with pytest.raises(ObjectChanged):
        await shelf.read(old.model_copy(update={"version_id": "v1"}))


async def test_longest_unused_is_dropped_first(shelf: Shelf) -> None:
    a, b, c, d = (shelf.put(f"in/{name}.mp4") for name in "abcd")
    for source in (a, b, c, a, d):
        await shelf.read(source)
    assert (shelf.fetched(), shelf.kept()) == (4, 3)
    for source in (a, c, d):
        await shelf.read(source)
    assert shelf.fetched() == 4, "b, the longest unused, was dropped"
    await shelf.read(b)
    assert shelf.fetched() == 5


async def test_use_lasts_until_its_end(shelf: Shelf) -> None:
    """A source that was in use for long is not older than one that was read meanwhile."""
    a, b, c, d = (shelf.put(f"in/{name}.mp4") for name in "abcd")
    async with shelf.cache.local(a):
        await shelf.read(b)
        await shelf.read(c)
    await shelf.read(d)
    await shelf.read(a)
    assert shelf.fetched() == 4, "b went, not a"


async def test_what_is_in_use_is_never_dropped(shelf: Shelf) -> None:
    big = shelf.put("in/big.mp4", 1000)
    async with shelf.cache.local(big) as path:
        for name in "abcd":
            await shelf.read(shelf.put(f"in/{name}.mp4"))
        assert path.exists()
    assert not path.exists(), "it is larger than the whole limit"


async def test_file_that_is_being_removed_is_not_in_the_way_of_the_next_fetch(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Removing a large file takes a while, which must not hold up the event loop."""
    go_on, unlink = threading.Event(), source_cache_module._unlink

    def slow_unlink(paths: Iterable[Path]) -> None:
        assert go_on.wait(5)
        unlink(paths)

    monkeypatch.setattr(source_cache_module, "_unlink", slow_unlink)
    big = shelf.put("in/big.mp4", 1000)
    dropping = asyncio.create_task(shelf.read(big))
    await eventually(lambda: [path.name for path in shelf.folder.iterdir()] == ["dropped-1"])
    assert not dropping.done()
    async with shelf.cache.local(big) as path:
        go_on.set()
        assert await dropping == b"in/big.mp4"
        assert path.exists()


async def test_failed_fetch_is_not_cached(shelf: Shelf) -> None:
    source = shelf.put("in/a.mp4")
    shelf.objects.down = True
    with pytest.raises(ObjectsUnavailable):
        await shelf.read(source)
    assert shelf.kept() == 0
    shelf.objects.down = False
    assert await shelf.read(source) == b"in/a.mp4"


async def test_fetch_that_fails_for_one_is_tried_again_for_the_next_in_line(shelf: Shelf) -> None:
    source = shelf.put("in/a.mp4")
    shelf.objects.gate = asyncio.Event()
    shelf.objects.down = True
    reading = [asyncio.create_task(shelf.read(source)) for _ in range(3)]
    await let_others_run()
    reading[0].cancel()
    await asyncio.wait({reading[0]})
    shelf.objects.down = False
    shelf.objects.gate.set()
    assert await asyncio.gather(*reading[1:]) == [b"in/a.mp4"] * 2
    assert shelf.fetched() == 1


async def test_cancelled_fetch_leaves_nothing_behind(shelf: Shelf) -> None:
    source = shelf.put("in/a.mp4")
    shelf.objects.gate = asyncio.Event()
    reading = asyncio.create_task(shelf.read(source))
    await let_others_run()
    reading.cancel()
    await asyncio.wait({reading})
    shelf.objects.gate.set()
    assert await shelf.read(source) == b"in/a.mp4"
    await eventually(lambda: shelf.kept() == 1)


@pytest.mark.parametrize(
    ("key", "suffix"),
    [
        ("in/a.mp4", ".mp4"),
        ("in/a.MP4", ".MP4"),
        ("in/a", ""),
        ("in/a.b;rm -rf", ""),
        ("in/第一集.视频", ""),
        ("in/a.%2e%2e", ""),
        ("in/.m3u8/x", ""),
    ],
)
async def test_local_name_keeps_a_plain_extension_and_nothing_else(shelf: Shelf, key: str, suffix: str) -> None:
    async with shelf.cache.local(shelf.put(key)) as path:
        assert path.parent == shelf.folder
        assert path.suffix == suffix
        assert path.stem.isalnum()


class FullDisk(FakeObjects):
    """A disk with room for so many bytes; stubbed, for it must be full in the middle of one download."""

    def __init__(self, folder: Path, room: int) -> None:
        super().__init__()
        self._folder = folder
        self._room = room

    async def download(
        self, bucket: str, key: str, target: Path, *, etag: str | None = None, version_id: str | None = None
    ) -> ObjectInfo:
        info = await super().download(bucket, key, target, etag=etag, version_id=version_id)
        if sum(path.stat().st_size for path in self._folder.iterdir()) > self._room:
            target.unlink()
            raise OSError(errno.ENOSPC, "No space left on device")
        return info


async def test_full_disk_costs_unused_sources_and_nobody_an_attempt(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.objects = FullDisk(tmp_path, 300)
    shelf.cache = SourceCache(shelf.objects, tmp_path, 10_000)
    used, *unused = [shelf.put(f"in/{number}.mp4") for number in range(3)]
    for source in unused:
        await shelf.read(source)
    async with shelf.cache.local(used):
        assert await shelf.read(shelf.put("in/next.mp4")) == b"in/next.mp4"
        assert shelf.kept() == 2
        fetched = shelf.fetched()
        assert await shelf.read(used) == b"in/0.mp4", "what is in use stays"
        assert shelf.fetched() == fetched


async def test_disk_that_is_full_of_other_things_is_an_os_error(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.objects = FullDisk(tmp_path, 50)
    shelf.cache = SourceCache(shelf.objects, tmp_path, 10_000)
    with pytest.raises(OSError, match="No space left"):
        await shelf.read(shelf.put("in/a.mp4"))
    assert shelf.kept() == 0
