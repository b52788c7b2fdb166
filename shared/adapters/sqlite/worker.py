"""Runs jobs on SQLite, and commits what waits together: small ones at once in the event loop, the rest on one thread.

A job takes some 30 µs and its way to a thread and back several times that, so what is quick and needs no waiting is
done where it is asked for: reads by id, and writes when nobody else holds the write lock at that moment. What would
have to wait for the lock, read much, or reach the disk is the thread's, which has a connection of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from shared.ports.state import StateError, StateUnavailable

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

_MOST_AT_ONCE = 64
"""Jobs per transaction: enough to share the cost of a commit, few enough to let other processes write."""

_MOST_HERE = 64
"""Writes at once in the event loop: a few milliseconds of it at the very most."""

_CHECKPOINT_AFTER = 200
"""Transactions of the event loop after which the thread moves the log into the file, which reaches the disk."""

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
    quick: bool
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
    """Runs jobs in batches.

    What is waiting when somebody gets to it is a batch, whose writes share one transaction; nobody hears of a success
    before its commit. What was asked for after another's answer sees what that one wrote. A job whose caller was
    cancelled, or has waited too long, may still run.
    """

    def __init__(
        self, connect: Callable[[], sqlite3.Connection], connect_here: Callable[[], sqlite3.Connection] | None = None
    ) -> None:
        """`connect` opens the thread's connection; `connect_here` one for the event loop, which never waits for a
        lock. Without that all jobs are the thread's."""
        self._connect = connect
        self._connect_here = connect_here
        self._connection: sqlite3.Connection | None = None
        self._here: sqlite3.Connection | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reelway-sqlite")
        self._pending: deque[_Job] = deque()
        self._quick: list[_Job] = []
        self._commits = 0
        self._opened = False
        self._closed = False

    async def open(self) -> None:
        """Opens the connections. Raises StateUnavailable; then no thread is left behind."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._executor, self._begin)
            if self._connect_here is not None:
                self._loop = asyncio.get_running_loop()
                self._here = self._connect_here()
        except BaseException as error:
            self._closed = True
            self._executor.submit(self._end)  # when the caller was cancelled, the connection may still come
            self._executor.shutdown(wait=False)
            if isinstance(error, Exception):
                raise _translated(error) from error
            raise

    async def run(self, work: Work[T], *, statements: int = 0, quick: bool = False) -> T:
        """What `work` returns or raises; `statements` is the number of writes in it, `quick` promises that it touches
        few rows. Raises StateUnavailable too when nothing came of it in `_PATIENCE_S`: then it may still be done."""
        if self._closed:
            raise StateUnavailable("the store is closed")
        loop = asyncio.get_running_loop()
        job = _Job(work, statements, quick, loop, loop.create_future())
        if quick and statements <= _MOST_HERE and self._here is not None and loop is self._loop:
            if not self._quick:
                # What is asked for before the loop gets to it comes along.
                loop.call_soon(self._drain_here)
            self._quick.append(job)
        else:
            self._hand_over([job])
        try:
            async with asyncio.timeout(_PATIENCE_S):
                result: T = await job.future
        except TimeoutError as error:
            raise StateUnavailable(f"SQLite: no answer in {_PATIENCE_S:g} s") from error
        return result

    async def close(self) -> None:
        """Finishes what was begun, closes the connections and ends the thread."""
        if self._closed:
            return
        self._closed = True
        self._drain_here()
        here, self._here = self._here, None
        if here is not None:
            here.close()
        ended = asyncio.get_running_loop().run_in_executor(self._executor, self._end)
        self._executor.shutdown(wait=False)  # the thread ends after what was submitted
        await asyncio.shield(ended)

    # -- in the event loop ----------------------------------------------------------------------------------------

    def _drain_here(self) -> None:
        batch, self._quick = self._quick, []
        if not batch:
            return
        here = self._here
        if here is None:
            self._hand_over(batch)
            return
        left: list[_Job] = []
        for job in batch:
            if not job.statements:
                job.run(here)
                if isinstance(job.error, StateUnavailable):
                    job.error = None
                    left.append(job)
        writers = [job for job in batch if job.statements]
        if sum(job.statements for job in writers) > _MOST_HERE or (writers and not _begun(here)):
            left += writers
            writers = []
        if writers:
            _commit_begun(here, writers)
        if here.in_transaction:
            # See `_run`. It is the thread's from now on.
            self._here = None
            with contextlib.suppress(sqlite3.Error):
                here.close()
        _deliver([job for job in batch if job not in left])
        if left:
            self._hand_over(left)
        if writers:
            self._commits += 1
            if self._commits % _CHECKPOINT_AFTER == 0:
                self._executor.submit(self._checkpoint)

    # -- on the thread --------------------------------------------------------------------------------------------

    def _hand_over(self, jobs: Sequence[_Job]) -> None:
        self._pending.extend(jobs)
        self._executor.submit(self._drain)

    def _checkpoint(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):  # the next one will do
                self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def _begin(self) -> None:
        self._connection = self._connect()
        self._opened = True

    def _end(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _drain(self) -> None:
        while self._pending:
            batch: list[_Job] = []
            while self._pending and len(batch) < _MOST_AT_ONCE:
                batch.append(self._pending.popleft())
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


def _begun(connection: sqlite3.Connection) -> bool:
    """Begins a transaction if that needs no waiting."""
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.Error:
        return False  # whatever it is, the thread will meet it too, with patience
    return True


def _commit_together(connection: sqlite3.Connection, writers: list[_Job]) -> None:
    try:
        connection.execute("BEGIN IMMEDIATE")
    except Exception as error:  # noqa: BLE001  as in `_Job.run`
        for job in writers:
            job.fail(_translated(error))
        return
    _commit_begun(connection, writers)


def _commit_begun(connection: sqlite3.Connection, writers: list[_Job]) -> None:
    try:
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
