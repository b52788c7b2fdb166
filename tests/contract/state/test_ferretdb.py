"""What FerretDB v1 cannot do, so that it is noticed when it can: the tests work around it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from shared.adapters.mongo import MongoStateStore
from tests.contract.state.ferretdb import FerretDb
from tests.contract.state.racer import add
from tests.contract.state.stores import SPECS, put, thing
from tests.peers.tools import ToolMissing

pytestmark = pytest.mark.slow


async def test_without_the_turnstile_two_writers_of_one_version_both_win(tmp_path: Path) -> None:
    try:
        server = FerretDb.built(tmp_path, one_at_a_time=False)
    except ToolMissing as missing:
        pytest.skip(str(missing))
    with server:
        store = await MongoStateStore.open(server.url("x"), "x", SPECS)
        await put(store, thing("a", n=0))
        await asyncio.gather(*(add(store, "a", 20) for _ in range(8)))
        found = await store.get("things", "a")
        await store.close()
    assert found is not None
    assert found["n"] < 160, "FerretDB compares and sets in one step now: the turnstile can go"
