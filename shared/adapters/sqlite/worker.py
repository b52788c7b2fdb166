"""The one thread that owns the SQLite connection, and commits what waits for it together."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from shared.ports.state import StateError, StateUnavailable

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

_MOST_AT_ONCE = 64
"""Jobs per transaction: enough to share the cost of a commit, few enough to let other processes write."""

_PATIENCE_S = 30.0
"""How long a caller waits for its job: several times what a lock is waited for, so only for a disk that hangs."""

_BROKEN_FOR_GOOD = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_UNREACHABLE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOMEM,
    }
)


@dataclass(slots=True)
class _Job:
    work: Work[Any]
    statements: int
    """How many writes it does; 0 for a read."""
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None

    def run(self, connection: sqlite3.Connection) -> None:
        try:
            self.result = self.work(connection)
        except Exception as error:  # noqa: BLE001  the thread's boundary: whatever it is goes to the one who waits
            self.error = _translated(error)

    def fail(self, error: Exception) -> None:
        self.error = self.error or error

    def deliver(self) -> None:
        if self.future.done():  # its caller was cancelled meanwhile
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class SqliteWorker:
    """Runs jobs on one thread, in batches in the order they came.

    What is waiting when the thread gets to it is a batch, whose writes share one transaction; nobody hears of a
    success before its commit. A job whose caller was cancelled, or has waited too long, may still run.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._connection: sqlite3.Connection | None = None
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reelway-sqlite")
        self._pending: deque[_Job] = deque()
        self._opened = False
        self._closed = False

    async def open(self) -> None:
        """Opens the connection. Raises StateUnavailable; then no thread is left behind."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._executor, self._begin)
        except BaseException as error:
            self._closed = True
            self._executor.submit(self._end)  # when the caller was cancelled, the connection may still come
            self._executor.shutdown(wait=False)
            if isinstance(error, Exception):
                raise _translated(error) from error
            raise

    async def run(self, work: Work[T], *, statements: int = 0) -> T:
        """What `work` returns or raises; `statements` is the number of writes in it. Raises StateUnavailable too when
        nothing came of it in `_PATIENCE_S`: then it may still be done."""
        if self._closed:
            raise StateUnavailable("the store is closed")
        loop = asyncio.get_running_loop()
        job = _Job(work, statements, loop, loop.create_future())
        self._pending.append(job)
        self._executor.submit(self._drain)
        try:
            async with asyncio.timeout(_PATIENCE_S):
                result: T = await job.future
        except TimeoutError as error:
            raise StateUnavailable(f"SQLite: no answer in {_PATIENCE_S:g} s") from error
        return result

    async def close(self) -> None:
        """Finishes what was begun, closes the connection and ends the thread."""
        if self._closed:
            return
        self._closed = True
        ended = asyncio.get_running_loop().run_in_executor(self._executor, self._end)
        self._executor.shutdown(wait=False)  # the thread ends after what was submitted
        await asyncio.shield(ended)

    def _begin(self) -> None:
        self._connection = self._connect()
        self._opened = True

    def _end(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _drain(self) -> None:
        batch: list[_Job] = []
        while self._pending and len(batch) < _MOST_AT_ONCE:
            batch.append(self._pending.popleft())
        if not batch:
            return
        try:
            self._run(batch)
        finally:
            for loop in {job.loop for job in batch}:
                jobs = [job for job in batch if job.loop is loop]
                with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                    loop.call_soon_threadsafe(_deliver, jobs)

    def _run(self, batch: list[_Job]) -> None:
        try:
            if self._connection is None:
                if not self._opened:
                    raise StateUnavailable("the store is not open")
                self._begin()
        except Exception as error:  # noqa: BLE001  as in `_Job.run`
            for job in batch:
                job.fail(_translated(error))
            return
        assert self._connection is not None
        _run_together(self._connection, batch)
        if self._connection.in_transaction:
            # It could not be rolled back. What runs next would be in it, acknowledged and never committed.
            with contextlib.suppress(sqlite3.Error):
                self._end()


def _deliver(jobs: list[_Job]) -> None:
    for job in jobs:
        job.deliver()


def _run_together(connection: sqlite3.Connection, batch: list[_Job]) -> None:
    """Reads first, because they need no lock; then the writes, in one transaction if there are several.

    The order is free: the jobs of a batch were all asked for before any of them was answered.
    """
    for job in batch:
        if not job.statements:
            job.run(connection)
    writers = [job for job in batch if job.statements]
    if sum(job.statements for job in writers) > 1:
        _commit_together(connection, writers)
    else:
        for job in writers:  # the one statement commits itself
            job.run(connection)


def _commit_together(connection: sqlite3.Connection, writers: list[_Job]) -> None:
    try:
        connection.execute("BEGIN IMMEDIATE")
        for job in writers:
            job.run(connection)
            if not connection.in_transaction:
                # SQLite rolled everything back by itself (disk full, I/O error): what has run so far is gone, and
                # what has not must not run outside the transaction.
                raise StateUnavailable("SQLite rolled the transaction back")
        connection.execute("COMMIT")
    except Exception as error:  # noqa: BLE001  as in `_Job.run`: a job that did not run must not look done
        for job in writers:
            job.fail(_translated(error))
        if connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):  # the worker sees that the transaction is still open
                connection.rollback()


def _translated(error: Exception) -> Exception:
    if isinstance(error, OSError):
        return StateUnavailable(f"SQLite: {error}")
    if not isinstance(error, sqlite3.Error):
        return error
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary code is the low byte of the extended one
    if code in _UNREACHABLE:
        return StateUnavailable(f"SQLite: {error}")
    if code in _BROKEN_FOR_GOOD:
        return StateError(f"SQLite: the file is damaged: {error}")
    return StateError(f"SQLite: {error}")
