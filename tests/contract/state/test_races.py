"""Many writers at once: nobody's change is lost and nothing happens twice."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from shared.adapters.mongo import MongoStateStore
from shared.adapters.sqlite import SqliteStateStore
from shared.ports.state import DuplicateKey, StateStore
from tests.contract.state.racer import add
from tests.contract.state.stores import SPECS, Opener, put, thing
from tests.contract.state.wire_server import WireServer


async def test_concurrent_changes_of_one_document_all_count(store: StateStore) -> None:
    await put(store, thing("a", n=0))
    lost = await asyncio.gather(*(add(store, "a", 10) for _ in range(8)))
    assert await store.get("things", "a") == {"_id": "a", "version": 80, "n": 80}
    assert sum(lost) > 0


async def test_changes_through_two_handles_all_count(opener: Opener) -> None:
    one, two = await opener(), await opener()
    await put(one, thing("a", n=0))
    await asyncio.gather(*(add(store, "a", 10) for store in (one, two, one, two)))
    assert await one.get("things", "a") == {"_id": "a", "version": 40, "n": 40}


async def test_one_of_many_claims_wins(store: StateStore) -> None:
    await put(store, *(thing(f"t{n}", state="queued") for n in range(10)))
    claims = [(f"t{n}", owner) for n in range(10) for owner in range(6)]
    won = await asyncio.gather(
        *(store.replace("things", thing(doc_id, state="running", owner=owner)) for doc_id, owner in claims)
    )
    assert sum(won) == 10
    for (doc_id, owner), success in zip(claims, won, strict=True):
        doc = await store.get("things", doc_id)
        assert doc is not None
        assert (doc["owner"] == owner) is success


async def test_one_of_many_equal_inserts_wins(store: StateStore) -> None:
    async def insert(n: int) -> bool:
        try:
            await store.insert("things", thing("same", by=n))
        except DuplicateKey:
            return False
        return True

    assert sum(await asyncio.gather(*(insert(n) for n in range(20)))) == 1


async def test_one_of_many_equal_unique_fields_wins(store: StateStore) -> None:
    results = await asyncio.gather(
        *(store.insert_many("things", [thing(f"{n}", tenant="t", name="n")]) for n in range(20))
    )
    assert sum(result == [True] for result in results) == 1
    assert await store.count("things", {"tenant": "t", "name": "n"}) == 1


async def test_mixed_work_at_once_keeps_each_answer_with_its_caller(store: StateStore) -> None:
    await put(store, *(thing(f"{n}", n=n) for n in range(30)))

    async def work(n: int) -> None:
        doc = await store.get("things", f"{n}")
        assert doc == thing(f"{n}", n=n)
        assert await store.replace("things", {**doc, "n": -n})
        assert (await store.find("things", {"_id": f"{n}"}))[0]["n"] == -n
        assert await store.replace("things", doc) is False
        assert await store.insert_many("things", [thing(f"{n}"), thing(f"new{n}")]) == [False, True]
        assert await store.delete("things", f"{n}", 1)

    await asyncio.gather(*(work(n) for n in range(30)))
    assert await store.count("things", {"n": {"$exists": True}}) == 0
    assert await store.count("things", {}) == 30


async def race(url: str, racers: int, times: int) -> None:
    module = "tests.contract.state.racer"
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-m", module, url, f"racer{n}", str(racers), str(times))
        for n in range(racers)
    ]
    assert await asyncio.gather(*(process.wait() for process in processes)) == [0] * racers


async def test_processes_that_share_a_sqlite_file_lose_no_change(tmp_path: Path) -> None:
    """They also make the file and its tables all at once."""
    path = tmp_path / "state.db"
    await race(f"sqlite:///{path}", 5, 200)
    store = await SqliteStateStore.open(path, SPECS)
    assert await store.get("things", "shared") == {"_id": "shared", "version": 1000, "n": 1000}
    await store.close()


async def test_processes_that_share_a_mongo_database_lose_no_change(mongo_wire: WireServer) -> None:
    url = mongo_wire.url("reelway_race")
    await race(url, 3, 20)
    store = await MongoStateStore.open(url, "reelway_race", SPECS)
    assert await store.get("things", "shared") == {"_id": "shared", "version": 60, "n": 60}
    await store.close()
