"""What only the MongoDB adapter promises: a server that goes and comes, and its clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.adapters import mongo
from shared.adapters.mongo import MongoStateStore
from shared.adapters.state_url import open_state
from shared.ports.state import DuplicateKey, StateUnavailable
from tests.contract.conftest import WIRE_SERVERS
from tests.contract.state.ferretdb import FerretDb
from tests.contract.state.secantus import Secantus
from tests.contract.state.stores import SPECS, put, thing
from tests.contract.state.wire_server import WireServer, free_port
from tests.peers.tools import ToolMissing


@pytest.fixture(params=WIRE_SERVERS)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WireServer]:
    """One that may be killed."""
    try:
        made = Secantus(tmp_path) if request.param == "secantus" else FerretDb.built(tmp_path)
    except ToolMissing as missing:
        pytest.skip(str(missing))
    with made as running:
        yield running


async def test_a_dead_server_makes_every_call_unavailable_and_a_new_one_has_the_data(server: WireServer) -> None:
    store = await MongoStateStore.open(server.url("x"), "x", SPECS)
    await put(store, thing("a", tenant="t", name="n"))
    server.kill()
    began = time.monotonic()
    outcomes = await asyncio.gather(
        store.get("things", "a"),
        store.get_many("things", ["a"]),
        store.insert("things", thing("b")),
        store.insert_many("things", [thing("b")]),
        store.replace("things", thing("a")),
        store.replace_many("things", [thing("a")]),
        store.delete("things", "a", 0),
        store.find("things", {}),
        store.count("things", {}),
        store.now(),
        store.ping(),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [StateUnavailable] * 11
    assert time.monotonic() - began < 10
    server.start()
    assert await store.get("things", "a") == thing("a", tenant="t", name="n")
    with pytest.raises(DuplicateKey):
        await store.insert("things", thing("b", tenant="t", name="n"))
    await store.close()


async def test_an_absent_server_is_unavailable_at_once() -> None:
    began = time.monotonic()
    with pytest.raises(StateUnavailable):
        await open_state(f"mongodb://127.0.0.1:{free_port()}/x", SPECS)
    assert time.monotonic() - began < 5


async def test_opening_again_with_the_same_rules_is_no_trouble(mongo_wire: WireServer) -> None:
    for _ in range(2):
        store = await MongoStateStore.open(mongo_wire.url("again"), "again", SPECS)
        await store.close()


async def test_the_server_is_asked_for_its_time_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[datetime] = []

    async def ask() -> datetime:
        asked.append(datetime(2030, 1, 1, tzinfo=UTC))
        return asked[-1]

    clock = mongo._ServerClock(ask)
    first = await clock.now()
    assert timedelta(0) <= first - asked[0] < timedelta(seconds=1)
    assert await clock.now() >= first
    assert len(asked) == 1
    monkeypatch.setattr(mongo, "_CLOCK_REFRESH_S", -1.0)
    await clock.now()
    assert len(asked) == 2
