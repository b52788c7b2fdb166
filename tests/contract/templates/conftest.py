from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.adapters.memory import MemoryStateStore
from shared.adapters.mongo import MongoStateStore
from shared.adapters.sqlite import SqliteStateStore
from shared.model import collections
from shared.ports.state import StateStore
from shared.state.records import Records
from tests.contract.conftest import WIRE_SERVERS
from tests.contract.state.wire_server import WireServer


@pytest.fixture(params=["memory", "sqlite", *WIRE_SERVERS])
async def records(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Records]:
    match request.param:
        case "memory":
            store: StateStore = MemoryStateStore(collections.ALL)
        case "sqlite":
            store = await SqliteStateStore.open(tmp_path / "state.db", collections.ALL)
        case _:
            server: WireServer = request.getfixturevalue(f"{request.param}_server")
            database = f"templates_{secrets.token_hex(6)}"
            store = await MongoStateStore.open(server.url(database), database, collections.ALL)
    try:
        yield Records(store)
    finally:
        await store.close()
