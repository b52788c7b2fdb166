from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from motor.motor_asyncio import AsyncIOMotorClient

from shared.adapters.memory import MemoryStateStore
from shared.adapters.mongo import MongoStateStore
from shared.adapters.sqlite import SqliteStateStore
from shared.ports.state import StateStore
from tests.contract.conftest import WIRE_SERVERS
from tests.contract.state.stores import SPECS, Opener
from tests.contract.state.wire_server import WireServer

MONGO_URL = os.environ.get("REELWAY_TEST_MONGO_URL")
"""A real MongoDB, if there is one: the suite makes databases of its own there and drops them."""

LASTING = ["sqlite", *WIRE_SERVERS, *(["mongo"] if MONGO_URL else [])]
ADAPTERS = ["memory", *LASTING]


def _mongo_url(request: pytest.FixtureRequest, adapter: str, database: str) -> str:
    if adapter == "mongo":
        assert MONGO_URL
        return urlsplit(MONGO_URL)._replace(path=f"/{database}").geturl()
    server: WireServer = request.getfixturevalue(f"{adapter}_server")
    return server.url(database)


@contextlib.asynccontextmanager
async def _opener(request: pytest.FixtureRequest, adapter: str, folder: Path) -> AsyncIterator[Opener]:
    database = f"reelway_test_{secrets.token_hex(6)}"
    memory = MemoryStateStore(SPECS)
    opened: list[StateStore] = []

    async def open_one() -> StateStore:
        match adapter:
            case "memory":
                store: StateStore = memory
            case "sqlite":
                store = await SqliteStateStore.open(folder / "state.db", SPECS)
            case _:
                store = await MongoStateStore.open(_mongo_url(request, adapter, database), database, SPECS)
        opened.append(store)
        return store

    yield open_one
    for store in opened:
        await store.close()
    if adapter == "mongo":
        client: Any = AsyncIOMotorClient(MONGO_URL)
        await client.drop_database(database)
        client.close()


@pytest.fixture(params=ADAPTERS)
async def opener(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Opener]:
    """Opens the store of this test; every handle is closed at the end."""
    async with _opener(request, request.param, tmp_path) as open_one:
        yield open_one


@pytest.fixture(params=LASTING)
async def lasting_opener(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Opener]:
    """The same for stores that outlive their handles: memory has nothing to come back to."""
    async with _opener(request, request.param, tmp_path) as open_one:
        yield open_one


@pytest.fixture
async def store(opener: Opener) -> StateStore:
    return await opener()
