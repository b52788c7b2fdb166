"""Scratch folders: one per attempt, gone afterwards, also after a crash."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Self

import structlog

from shared.concurrency import run_to_end
from shared.model.failure import InternalError

log = structlog.get_logger(__name__)
MAX_WORKERS = 1000
_DEAD = "~"
"""Before the name of a dead worker's folder that is being removed; no worker's name has it."""


class ScratchFull(InternalError):
    """The scratch disk is full. Another attempt may succeed, here when there is room or on another worker."""

    def __init__(self) -> None:
        super().__init__("the scratch disk is full")


def is_full(error: OSError) -> bool:
    """Whether this says that a disk, or a user's share of it, is full."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


class Scratch:
    """The scratch folder of one worker process, held by a lock that the kernel drops when the process dies.

    Whoever holds the lock of a worker's name knows that no earlier process of that name is alive on this machine:
    what it left behind is removed here, and its tasks may be taken back.

    A worker that gets a new name with every start (a container) leaves folders that nobody of its name will come back
    for: whoever opens a place also removes those of all names that nobody holds. Where machines share the base
    folder, its file system must keep locks for all of them, as NFS does.
    """

    def __init__(self, root: Path, worker: str, lock: int) -> None:
        self.worker = worker
        self._root = root
        self._lock = lock
        self._count = 0

    @classmethod
    def open(cls, base: Path, name: str) -> Self:
        """Takes the first free place among `name`, `name-2`, `name-3`, ... and empties it; removes what workers of
        other names left that are dead. Blocks."""
        base.mkdir(parents=True, exist_ok=True)
        for number in range(1, MAX_WORKERS):
            worker = name if number == 1 else f"{name}-{number}"
            lock = _lock(base / f"{worker}.lock", os.O_CREAT)
            if lock is None:
                continue
            root = base / worker
            if root.exists():
                log.info("removing what an earlier worker left", worker=worker)
                shutil.rmtree(root, ignore_errors=True)
            root.mkdir(mode=0o700)
            _remove_dead(base)
            return cls(root, worker, lock)
        raise RuntimeError(f"{MAX_WORKERS} workers named {name!r} on this machine")

    @property
    def root(self) -> Path:
        """Everything that this worker keeps on the disk lies below."""
        return self._root

    @property
    def sources(self) -> Path:
        """Where fetched sources are kept."""
        path = self._root / "sources"
        path.mkdir(exist_ok=True)
        return path

    @contextlib.asynccontextmanager
    async def folder(self) -> AsyncIterator[Path]:
        """A new empty folder, removed at the end whatever happens."""
        async with self.wanted_folder() as wanted:
            yield wanted()

    @contextlib.asynccontextmanager
    async def wanted_folder(self) -> AsyncIterator[Callable[[], Path]]:
        """The same for who may need none: it is made when it is asked for, once."""
        self._count += 1
        path = self._root / f"attempt-{self._count}"
        made = False

        def wanted() -> Path:
            nonlocal made
            if not made:
                path.mkdir()
                made = True
            return path

        try:
            yield wanted
        finally:
            if made:
                # Thousands of segments take a while, in which heartbeats must go on.
                await run_to_end(asyncio.to_thread(shutil.rmtree, path, ignore_errors=True))

    def close(self) -> None:
        """Removes everything and gives up the name. Blocks."""
        shutil.rmtree(self._root, ignore_errors=True)
        os.close(self._lock)


def _lock(path: Path, flags: int = 0) -> int | None:
    """The file, locked; None if another process holds it, or if it is gone and `flags` does not have it made."""
    while True:
        try:
            lock = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | flags, 0o600)
        except OSError:
            if flags & os.O_CREAT:
                raise
            return None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            return None
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock), path.stat()):
                return lock
        # Removed as a dead worker's while we opened it: a lock on what has no name keeps nobody out.
        os.close(lock)


def _remove_dead(base: Path) -> None:
    """Removes the folders and lock files of all workers that are dead: nobody holds their locks."""
    for path in base.glob("*.lock"):
        lock = _lock(path)
        if lock is None:
            continue
        try:
            root = path.with_suffix("")
            if root.is_dir():
                # Out of the way first: whoever takes the name while we are still removing gets a folder of its own.
                root.rename(base / f"{_DEAD}{root.name}-{os.urandom(4).hex()}")
            path.unlink()
        except OSError as error:
            log.warning("what a dead worker left stays", worker=path.stem, error=str(error))
        finally:
            os.close(lock)
    for folder in base.glob(f"{_DEAD}*"):
        log.info("removing what a dead worker left", folder=folder.name)
        shutil.rmtree(folder, ignore_errors=True)
