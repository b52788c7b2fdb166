"""The state store on SQLite."""

from __future__ import annotations

import functools
import os
import sqlite3
import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal, Self

import orjson

from shared.adapters.sqlite import searches, statements
from shared.adapters.sqlite.worker import SqliteWorker
from shared.adapters.state_query import (
    check_page,
    check_search,
    check_specs,
    identity,
    known,
    next_version,
    rule_name,
)
from shared.clock import SystemClock
from shared.ports.state import CollectionSpec, Doc, DuplicateKey, Filter, Order, Search

_BUSY_S = 5.0
"""How long a statement waits for another process's write before the store counts as unavailable."""


_QUICK_READ = 64
"""Documents that are read by id in the event loop, in about a millisecond; more than that is the thread's."""


class SqliteStateStore:
    """Documents in one file in WAL mode, shared by the processes of one machine (never over a network file system).

    With `synchronous="NORMAL"` what was acknowledged survives the death of any process, but the last moments may be
    lost with the machine's power; `"FULL"` survives that too, at a fifth of the speed. The file is readable by its
    owner only, because credentials are in it.
    """

    def __init__(
        self, path: Path | str, specs: Iterable[CollectionSpec], synchronous: Literal["NORMAL", "FULL"] = "NORMAL"
    ) -> None:
        self._specs = check_specs(specs)
        self._rules = {
            statements.unique_index(spec, rule): rule_name(rule)
            for spec in self._specs.values()
            for rule in spec.unique
        }
        connect = functools.partial(_connect, Path(path), tuple(self._specs.values()), synchronous)
        # With FULL each commit reaches the disk, which is nothing to wait for in an event loop.
        quick = synchronous == "NORMAL"
        self._worker = SqliteWorker(connect, functools.partial(_connect_impatiently, Path(path)) if quick else None)
        self._clock = SystemClock()

    @classmethod
    async def open(
        cls, path: Path | str, specs: Iterable[CollectionSpec], synchronous: Literal["NORMAL", "FULL"] = "NORMAL"
    ) -> Self:
        """The store, with its tables and indexes made where they were missing. Raises StateUnavailable."""
        store = cls(path, specs, synchronous)
        await store._worker.open()
        return store

    def _named(self, collection: str) -> str:
        return known(collection, self._specs)

    async def get(self, collection: str, doc_id: str) -> Doc | None:
        """The document, or None."""
        sql = f'SELECT body FROM "{self._named(collection)}" WHERE id = ?'  # noqa: S608  the name was checked
        body = await self._worker.run(lambda db: db.execute(sql, (doc_id,)).fetchone(), quick=True)
        return None if body is None else orjson.loads(body[0])

    async def get_many(self, collection: str, doc_ids: Sequence[str]) -> dict[str, Doc]:
        """Those of the ids that exist, by id."""
        sql = f'SELECT id, body FROM "{self._named(collection)}" WHERE id IN (SELECT value FROM json_each(?))'  # noqa: S608
        ids = orjson.dumps(list(doc_ids)).decode()
        quick = len(doc_ids) <= _QUICK_READ
        rows = await self._worker.run(lambda db: db.execute(sql, (ids,)).fetchall(), quick=quick)
        return {doc_id: orjson.loads(body) for doc_id, body in rows}

    async def insert(self, collection: str, doc: Doc) -> None:
        """Writes a new document. Raises DuplicateKey."""
        sql = f'INSERT INTO "{self._named(collection)}" (id, version, body) VALUES (?, ?, ?)'  # noqa: S608
        there = f'SELECT 1 FROM "{collection}" WHERE id = ?'  # noqa: S608
        row = _row(doc)

        def work(db: sqlite3.Connection) -> None:
            try:
                db.execute(sql, row)
            except sqlite3.IntegrityError as error:
                # A document inserted again breaks all its rules at once, and SQLite names any of them.
                if db.execute(there, row[:1]).fetchone():
                    raise DuplicateKey(collection, "_id") from None
                raise self._duplicate(collection, error) from None

        await self._worker.run(work, statements=1, quick=True)

    async def insert_many(self, collection: str, docs: Sequence[Doc]) -> list[bool]:
        """Writes those that are new, in one transaction."""
        sql = f'INSERT OR IGNORE INTO "{self._named(collection)}" (id, version, body) VALUES (?, ?, ?)'  # noqa: S608
        rows = [_row(doc) for doc in docs]
        return await self._worker.run(
            lambda db: [db.execute(sql, row).rowcount == 1 for row in rows], statements=len(rows), quick=True
        )

    async def replace(self, collection: str, doc: Doc) -> bool:
        """Compare-and-set by version. Raises DuplicateKey."""
        return (await self.replace_many(collection, [doc]))[0]

    async def replace_many(self, collection: str, docs: Sequence[Doc]) -> list[bool]:
        """`replace` for each, in one transaction; a DuplicateKey is raised after all were tried."""
        sql = f'UPDATE "{self._named(collection)}" SET version = ?, body = ? WHERE id = ? AND version = ?'  # noqa: S608
        rows = [_change(doc) for doc in docs]

        def work(db: sqlite3.Connection) -> tuple[list[bool], DuplicateKey | None]:
            written: list[bool] = []
            refused: DuplicateKey | None = None
            for row in rows:
                try:
                    written.append(db.execute(sql, row).rowcount == 1)
                except sqlite3.IntegrityError as error:  # undoes this statement only
                    refused = refused or self._duplicate(collection, error)
            return written, refused

        written, refused = await self._worker.run(work, statements=len(rows), quick=True)
        if refused is not None:
            raise refused
        return written

    async def delete(self, collection: str, doc_id: str, version: int) -> bool:
        """Removes the document if it still has this version."""
        sql = f'DELETE FROM "{self._named(collection)}" WHERE id = ? AND version = ?'  # noqa: S608
        return await self._worker.run(
            lambda db: db.execute(sql, (doc_id, version)).rowcount == 1, statements=1, quick=True
        )

    async def find(
        self,
        collection: str,
        where: Filter,
        *,
        sort: Sequence[tuple[str, Order]] = (),
        limit: int = 100,
        offset: int = 0,
        by: Search | None = None,
    ) -> list[Doc]:
        """At most `limit` documents that match, in order, ties by `_id`."""
        check_page(limit, offset)
        name = self._named(collection)
        check_search(self._specs[name], by, where, sort)
        sql = (
            statements.select(name, where, sort=sort, limit=limit, offset=offset)
            if by is None
            else searches.select(name, by, where, sort=sort, limit=limit, offset=offset)
        )
        rows = await self._worker.run(lambda db: db.execute(sql.text, sql.values).fetchall())
        return [orjson.loads(body) for (body,) in rows]

    async def count(self, collection: str, where: Filter, *, by: Search | None = None) -> int:
        """How many documents match."""
        name = self._named(collection)
        check_search(self._specs[name], by, where)
        sql = statements.count(name, where) if by is None else searches.count(name, by, where)
        number: int = await self._worker.run(lambda db: db.execute(sql.text, sql.values).fetchone()[0])
        return number

    async def now(self) -> datetime:
        """The machine's clock: everyone who uses this file is on this machine."""
        return self._clock.now()

    async def ping(self) -> None:
        """Raises StateUnavailable unless the file can be read."""
        await self._worker.run(lambda db: db.execute("SELECT count(*) FROM sqlite_schema").fetchone())

    async def close(self) -> None:
        """Finishes what was begun and ends the thread."""
        await self._worker.close()

    def _duplicate(self, collection: str, error: sqlite3.IntegrityError) -> DuplicateKey:
        # "UNIQUE constraint failed: tasks.id" or "UNIQUE constraint failed: index 'pipelines:unique:tenant,name'"
        broken = next((rule for index, rule in self._rules.items() if f"'{index}'" in str(error)), "_id")
        return DuplicateKey(collection, broken)


def _row(doc: Doc) -> tuple[str, int, str]:
    doc_id, version = identity(doc)
    return doc_id, version, orjson.dumps(doc).decode()


def _change(doc: Doc) -> tuple[int, str, str, int]:
    doc_id, version = identity(doc)
    return version + 1, orjson.dumps(next_version(doc)).decode(), doc_id, version


def _connect(path: Path, specs: Sequence[CollectionSpec], synchronous: str) -> sqlite3.Connection:
    """Opens the file and makes what is missing. Several processes may do this at the same moment."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    deadline = time.monotonic() + _BUSY_S
    while True:
        connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, cached_statements=256)
        try:
            _prepare(connection, specs, synchronous)
        except sqlite3.OperationalError as error:
            connection.close()
            # The change to WAL mode does not wait for the lock as other statements do.
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return connection


def _connect_impatiently(path: Path) -> sqlite3.Connection:
    """Opens the prepared file again. No statement waits for a lock, and none moves the log into the file."""
    connection = sqlite3.connect(path, timeout=0, isolation_level=None, cached_statements=256)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    return connection


def _prepare(connection: sqlite3.Connection, specs: Sequence[CollectionSpec], synchronous: str) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute("PRAGMA journal_size_limit = 67108864")
    connection.execute("BEGIN IMMEDIATE")
    for spec in specs:
        for statement in statements.schema(spec):
            connection.execute(statement)
        searches.prepare(connection, spec)
    connection.execute("COMMIT")
