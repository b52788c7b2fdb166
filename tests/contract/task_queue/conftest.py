from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.memory import MemoryStateStore
from shared.adapters.mongo import MongoStateStore
from shared.adapters.sqlite import SqliteStateStore
from shared.clock import ManualClock
from shared.model import collections
from shared.ports.state import StateStore
from shared.state.records import Records
from shared.state.task_queue import TaskQueue
from tests.builders import T0
from tests.contract.conftest import WIRE_SERVERS
from tests.contract.state.wire_server import WireServer

LEASE = timedelta(seconds=30)


class OnClock:
    """A store whose time is told by hand."""

    def __init__(self, inner: StateStore, clock: ManualClock) -> None:
        self._inner = inner
        self._clock = clock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def now(self) -> datetime:
        return self._clock.now()


class Bench:
    """A queue over one store, with its clock."""

    def __init__(self, store: StateStore) -> None:
        self.store = store
        self.clock = ManualClock(T0)
        self.records = Records(OnClock(store, self.clock))  # type: ignore[arg-type]
        self.queue = TaskQueue(self.records, LEASE)

    def over(self, store: Any) -> TaskQueue:
        """Another queue on the same time."""
        return TaskQueue(Records(OnClock(store, self.clock)), LEASE)  # type: ignore[arg-type]

    def in_real_time(self, lease: timedelta) -> TaskQueue:
        """A queue on the store's own clock."""
        return TaskQueue(Records(self.store), lease)


@pytest.fixture(params=["memory", "sqlite", *WIRE_SERVERS])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    match request.param:
        case "memory":
            store: StateStore = MemoryStateStore(collections.ALL)
        case "sqlite":
            store = await SqliteStateStore.open(tmp_path / "state.db", collections.ALL)
        case _:
            server: WireServer = request.getfixturevalue(f"{request.param}_server")
            database = f"queue_{secrets.token_hex(6)}"
            store = await MongoStateStore.open(server.url(database), database, collections.ALL)
    try:
        yield Bench(store)
    finally:
        await store.close()
