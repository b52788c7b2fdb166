"""What only the SQLite adapter promises: its indexes are used, its file is private, trouble has the port's names."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import sqlite3
import stat
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.sqlite import SqliteStateStore, searches, statements, worker
from shared.model import collections
from shared.ports.state import CollectionSpec, Order, Search, StateError, StateUnavailable
from tests.contract.state.stores import BY_MADE, SPECS, thing

EARLIER = {"$lte": "2026-01-01T00:00:00.000000Z"}

HOT_QUERIES: list[tuple[str, dict[str, Any], list[tuple[str, Order]], bool]] = [
    (
        "tasks",
        {"state": "queued", "lane": "media", "tenant": {"$gt": "t"}},
        [("tenant", Order.ASC), ("order", Order.ASC)],
        True,
    ),
    ("tasks", {"state": "running", "lease_until": EARLIER}, [("lease_until", Order.ASC)], True),
    ("tasks", {"run_id": "r"}, [], True),
    ("tasks", {"run_id": {"$in": ["r", "s"]}}, [], False),
    ("runs", {"due_at": EARLIER}, [("due_at", Order.ASC)], True),
    ("runs", {"notify_due_at": EARLIER}, [("notify_due_at", Order.ASC)], True),
    ("runs", {"tenant": "t", "state": "running"}, [("created_at", Order.ASC)], True),
    ("runs", {"tenant": "t", "news_at": {"$gte": "2026"}}, [("news_at", Order.ASC)], True),
    ("deliveries", {"state": "waiting", "due_at": EARLIER}, [("due_at", Order.ASC)], True),
    ("deliveries", {"run_id": "r"}, [("sequence", Order.ASC)], True),
    ("pipelines", {"tenant": "t", "name": "n"}, [], False),
    ("pipelines", {"status": "enabled", "trigger.bucket": "b"}, [], True),
]


@pytest.mark.parametrize(("collection", "where", "sort", "in_order"), HOT_QUERIES)
def test_hot_queries_use_an_index(
    collection: str, where: dict[str, Any], sort: list[tuple[str, Order]], in_order: bool
) -> None:
    connection = sqlite3.connect(":memory:")
    for spec in collections.ALL:
        for statement in statements.schema(spec):
            connection.execute(statement)
    sql = statements.select(collection, where, sort=sort)
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql.text}", sql.values)]
    connection.close()
    assert plan[0].startswith(f"SEARCH {collection} USING INDEX"), plan
    for field in where:
        assert field.split(".")[0] in plan[0], plan
    assert not any("TEMP B-TREE" in line for line in plan) or not in_order, plan


NEWEST = [("created_at", Order.DESC), ("_id", Order.DESC)]
SEARCHES: list[tuple[str, Search, dict[str, Any], list[tuple[str, Order]]]] = [
    ("runs", collections.RUN_SEARCH, {"tenant": "t"}, NEWEST),
    ("runs", collections.RUN_SEARCH, {"tenant": "t", "created_at": "2026", "_id": {"$lt": "r"}}, NEWEST),
    ("runs", collections.RUN_SEARCH, {"tenant": "t", "created_at": {"$gte": "2026", "$lt": "2027"}}, NEWEST),
    ("runs", collections.RUN_SEARCH, {"tenant": "t", "state": {"$in": ["failed", "paused"]}}, NEWEST),
    ("runs", collections.RUN_SEARCH, {"tenant": "t", "pipeline_name": {"$contains": "x"}, "state": "failed"}, NEWEST),
    ("runs", collections.RUN_SEARCH, {"tenant": "t", "input.key": {"$gte": "in/", "$lt": "in0"}}, NEWEST),
    (
        "uploads",
        collections.UPLOAD_SEARCH,
        {"bucket": "b", "key": {"$gte": "in/", "$lt": "in0"}, "outcome": "nothing"},
        [("seen_at", Order.DESC), ("_id", Order.DESC)],
    ),
]


@pytest.mark.parametrize(("collection", "by", "where", "sort"), SEARCHES)
def test_searches_walk_their_index_and_read_what_is_on_the_page_only(
    collection: str, by: Search, where: dict[str, Any], sort: list[tuple[str, Order]]
) -> None:
    """No temporary sorting; and no test looks into the body, which stands outside of the index."""
    connection = sqlite3.connect(":memory:")
    for spec in collections.ALL:
        for statement in statements.schema(spec):
            connection.execute(statement)
        searches.prepare(connection, spec)
    sql = searches.select(collection, by, where, sort=sort, limit=20, offset=0)
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql.text}", sql.values)]
    counted = searches.count(collection, by, where)
    programs = [connection.execute(f"EXPLAIN {one.text}", one.values).fetchall() for one in (sql, counted)]
    connection.close()
    assert plan[0].startswith(f"SEARCH {collection} USING INDEX {searches.name_of(collection, by)} ("), plan
    assert not any("TEMP B-TREE" in line for line in plan), plan
    assert not any(str(step[5]).startswith("json_") for program in programs for step in program)


async def test_searches_come_to_a_file_of_an_earlier_version(tmp_path: Path) -> None:
    """The table is there, its columns are not."""
    before = CollectionSpec("things")
    old = await SqliteStateStore.open(tmp_path / "state.db", [before])
    await old.insert("things", thing("a", owner="o", made_at="1", state="queued"))
    await old.close()
    for _ in range(2):
        store = await SqliteStateStore.open(tmp_path / "state.db", SPECS)
        where = {"owner": "o", "state": "queued"}
        assert [doc["_id"] for doc in await store.find("things", where, by=BY_MADE)] == ["a"]
        await store.close()


def test_a_priority_order_sorts_only_what_the_index_left() -> None:
    connection = sqlite3.connect(":memory:")
    spec = CollectionSpec("q", indexes=(("state", "lane", "priority", "queued_at"),))
    for statement in statements.schema(spec):
        connection.execute(statement)
    order = [("priority", Order.DESC), ("queued_at", Order.ASC)]
    sql = statements.select("q", {"state": "queued", "lane": "media"}, sort=order)
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql.text}", sql.values)]
    connection.close()
    assert plan == [
        "SEARCH q USING INDEX q:index:state,lane,priority,queued_at (<expr>=? AND <expr>=?)",
        "USE TEMP B-TREE FOR RIGHT PART OF ORDER BY",
    ]


async def test_the_file_is_private_and_in_wal_mode(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store = await SqliteStateStore.open(path, SPECS)
    await store.insert("things", thing("a"))
    for file in tmp_path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert (tmp_path / "state.db-wal").exists()
    await store.close()


@pytest.mark.parametrize("synchronous", ["NORMAL", "FULL"])
async def test_both_durabilities_work(tmp_path: Path, synchronous: Any) -> None:
    store = await SqliteStateStore.open(tmp_path / "state.db", SPECS, synchronous)
    await store.insert("things", thing("a"))
    assert await store.get("things", "a") == thing("a")
    await store.close()


async def test_a_folder_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(StateUnavailable, match="No such file"):
        await SqliteStateStore.open(tmp_path / "nowhere" / "state.db", SPECS)


async def test_a_store_that_was_not_opened_is_unavailable(tmp_path: Path) -> None:
    store = SqliteStateStore(tmp_path / "state.db", SPECS)
    with pytest.raises(StateUnavailable, match="not open"):
        await store.ping()
    await store.close()


async def test_a_file_that_is_no_database_is_an_error_that_does_not_pass(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(b"not a database " * 1000)
    with pytest.raises(StateError, match="damaged") as raised:
        await SqliteStateStore.open(path, SPECS)
    assert not raised.value.retryable


async def test_a_lock_that_is_never_freed_makes_writes_unavailable_and_reads_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.adapters.sqlite.store._BUSY_S", 0.2)
    path = tmp_path / "state.db"
    store = await SqliteStateStore.open(path, SPECS)
    await store.insert("things", thing("a"))
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with pytest.raises(StateUnavailable, match="locked"):
        await store.insert("things", thing("b"))
    outcomes = await asyncio.gather(
        store.insert("things", thing("b")),
        store.get("things", "a"),
        store.replace("things", thing("a")),
        store.count("things", {}),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [StateUnavailable, dict, StateUnavailable, int]
    blocker.execute("ROLLBACK")
    blocker.close()
    await store.insert("things", thing("b"))
    await store.close()


async def test_a_full_disk_is_unavailable_and_acknowledges_nothing(tmp_path: Path) -> None:
    store = await SqliteStateStore.open(tmp_path / "state.db", SPECS)
    await store.insert("things", thing("a"))
    for quick in (True, False):
        await store._worker.run(lambda db: db.execute("PRAGMA max_page_count = 20").fetchone(), quick=quick)
    docs = [thing(f"{n}", text="x" * 20_000) for n in range(20)]
    outcomes = await asyncio.gather(*(store.insert("things", doc) for doc in docs), return_exceptions=True)
    assert any(isinstance(outcome, StateUnavailable) for outcome in outcomes)
    for doc, outcome in zip(docs, outcomes, strict=True):
        if outcome is None:
            assert await store.get("things", doc["_id"]) == doc
    assert await store.get("things", "a") == thing("a")
    for quick in (True, False):
        await store._worker.run(lambda db: db.execute("PRAGMA max_page_count = 100000").fetchone(), quick=quick)
    assert all(await store.insert_many("things", [thing(f"after{n}") for n in range(50)]))
    await store.close()


class Stubborn(sqlite3.Connection):
    """A connection whose transactions can be neither committed nor rolled back while `broken`."""

    broken = False

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if self.broken and sql == "COMMIT":
            raise sqlite3.OperationalError("disk I/O error")
        return super().execute(sql, *values)

    def rollback(self) -> None:
        if self.broken:
            raise sqlite3.OperationalError("disk I/O error")
        super().rollback()


async def test_a_transaction_that_cannot_be_rolled_back_keeps_nobody_waiting_and_nothing_of_it(tmp_path: Path) -> None:
    opened: list[Stubborn] = []

    def connect() -> sqlite3.Connection:
        opened.append(sqlite3.connect(tmp_path / "t.db", factory=Stubborn, isolation_level=None))
        opened[-1].execute("CREATE TABLE IF NOT EXISTS t (n)")
        return opened[-1]

    def insert(n: int) -> Any:
        return jobs.run(lambda db: db.execute("INSERT INTO t VALUES (?)", (n,)).rowcount, statements=2)

    def numbers(db: sqlite3.Connection) -> list[int]:
        return [row[0] for row in db.execute("SELECT n FROM t ORDER BY n")]

    jobs = worker.SqliteWorker(connect)
    await jobs.open()
    opened[0].broken = True
    async with asyncio.timeout(10):
        outcomes = await asyncio.gather(*(insert(n) for n in range(3)), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [StateError] * 3
        assert await jobs.run(numbers) == []
        assert await insert(7) == 1
    assert len(opened) == 2
    await jobs.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "t.db")) as other:
        assert numbers(other) == [7]


async def test_quick_jobs_need_no_thread_and_those_that_would_wait_for_a_lock_go_there(tmp_path: Path) -> None:
    path = tmp_path / "t.db"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(path, timeout=5, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE IF NOT EXISTS t (n)")
        return connection

    def insert(n: int) -> Any:
        def work(db: sqlite3.Connection) -> int:
            db.execute("INSERT INTO t VALUES (?)", (n,))
            return threading.get_ident()

        return jobs.run(work, statements=1, quick=True)

    jobs = worker.SqliteWorker(connect, lambda: sqlite3.connect(path, timeout=0, isolation_level=None))
    await jobs.open()
    here = threading.get_ident()
    assert await asyncio.gather(insert(1), insert(2)) == [here, here]
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    waiting = asyncio.ensure_future(insert(3))
    counted = await jobs.run(lambda db: db.execute("SELECT count(*) FROM t").fetchone(), quick=True)
    assert counted == (2,)
    assert not waiting.done()
    blocker.execute("COMMIT")
    blocker.close()
    assert await waiting != here
    assert await insert(4) == here
    await jobs.close()


async def test_a_connection_of_the_loop_that_is_stuck_leaves_all_to_the_thread(
    tmp_path: Path,
) -> None:
    def connect() -> Stubborn:
        return sqlite3.connect(tmp_path / "t.db", factory=Stubborn, isolation_level=None)

    def connect_here() -> Stubborn:
        made = connect()
        made.broken = True
        return made

    jobs = worker.SqliteWorker(connect, connect_here)
    await jobs.open()
    await jobs.run(lambda db: db.execute("CREATE TABLE t (n)"), statements=1)
    insert = functools.partial(jobs.run, lambda db: db.execute("INSERT INTO t VALUES (1)").rowcount, statements=1)
    with pytest.raises(StateError, match="disk I/O"):
        await insert(quick=True)
    assert await insert(quick=True) == 1
    assert await jobs.run(lambda db: db.execute("SELECT n FROM t").fetchall(), quick=True) == [(1,)]
    await jobs.close()


async def test_a_store_that_cannot_be_opened_again_is_unavailable_until_it_can(tmp_path: Path) -> None:
    opened: list[Stubborn] = []
    there = [True, False, True]

    def connect() -> sqlite3.Connection:
        if not there.pop(0):
            raise OSError("no such device")
        opened.append(sqlite3.connect(tmp_path / "t.db", factory=Stubborn, isolation_level=None))
        return opened[-1]

    jobs = worker.SqliteWorker(connect)
    await jobs.open()
    opened[0].broken = True
    with pytest.raises(StateError, match="disk I/O"):
        await jobs.run(lambda db: db.execute("CREATE TABLE t (n)"), statements=2)
    with pytest.raises(StateUnavailable, match="no such device"):
        await jobs.run(lambda db: db.execute("SELECT 1").fetchone())
    assert await jobs.run(lambda db: db.execute("SELECT 1").fetchone()) == (1,)
    await jobs.close()


async def test_a_disk_that_hangs_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_PATIENCE_S", 0.05)
    store = await SqliteStateStore.open(tmp_path / "state.db", SPECS)
    hangs = threading.Event()
    with pytest.raises(StateUnavailable, match=r"no answer in 0\.05 s"):
        await store._worker.run(lambda _: hangs.wait(30))
    hangs.set()
    monkeypatch.setattr(worker, "_PATIENCE_S", 30)
    await store.insert("things", thing("a"))
    await store.close()


async def test_writes_that_wait_together_are_committed_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    together = worker._commit_begun

    def spy(connection: sqlite3.Connection, batch: list[Any]) -> None:
        sizes.append(len(batch))
        together(connection, batch)

    monkeypatch.setattr(worker, "_commit_begun", spy)
    store = await SqliteStateStore.open(tmp_path / "state.db", SPECS)
    for count in (30, 300):  # in the event loop, on the thread
        await asyncio.gather(*(store.insert("things", thing(f"{count} {n}")) for n in range(count)))
        assert max(sizes) > 1
        assert max(sizes) <= 64
    assert await store.count("things", {}) == 330
    await store.close()


async def test_close_finishes_what_was_asked_before(tmp_path: Path) -> None:
    store = await SqliteStateStore.open(tmp_path / "state.db", SPECS)
    writes = [asyncio.ensure_future(store.insert("things", thing(f"{n}"))) for n in range(200)]
    await asyncio.sleep(0)
    await store.close()
    assert await asyncio.gather(*writes) == [None] * 200
    again = await SqliteStateStore.open(tmp_path / "state.db", SPECS)
    assert await again.count("things", {}) == 200
    await again.close()


async def test_a_killed_process_loses_nothing_acknowledged(tmp_path: Path) -> None:
    """The child says which documents it was told are written, until it is killed in the middle of its work."""
    path = tmp_path / "state.db"
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.contract.state.writer", f"sqlite:///{path}", stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    acknowledged = [(await child.stdout.readline()).decode().strip() for _ in range(100)]
    child.kill()
    acknowledged += (await child.stdout.read()).decode().split("\n")[:-1]
    await child.wait()
    store = await SqliteStateStore.open(path, SPECS)
    assert len(await store.get_many("things", acknowledged)) == len(acknowledged) >= 100
    await store.close()
