"""The setting that names the store."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.adapters.memory import MemoryStateStore
from shared.adapters.mongo import MongoStateStore
from shared.adapters.sqlite import SqliteStateStore
from shared.adapters.state_url import BadStateUrl, open_state
from tests.contract.state.stores import SPECS, thing
from tests.contract.state.wire_server import WireServer


async def test_memory() -> None:
    assert isinstance(await open_state("memory://", SPECS), MemoryStateStore)


async def test_sqlite_with_four_slashes_and_odd_letters(tmp_path: Path) -> None:
    store = await open_state(f"sqlite:///{tmp_path}/a%20b 视频.db", SPECS)
    assert isinstance(store, SqliteStateStore)
    await store.insert("things", thing("a"))
    await store.close()
    assert (tmp_path / "a b 视频.db").exists()


async def test_mongodb(mongo_wire: WireServer) -> None:
    store = await open_state(mongo_wire.url("by_url"), SPECS)
    assert isinstance(store, MongoStateStore)
    await store.close()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "state.db",
        "/var/lib/state.db",
        "sqlite://state.db",
        "sqlite:///state.db",
        "sqlite:////",
        "memory://x",
        "redis://localhost",
        "mongodb://localhost",
        "mongodb://localhost/",
        "mongodb://localhost/a b",
        "mongodb://localhost/$x",
        "mongodb://localhost:port/x",
        "mongodb://localhost/x?readPreference=nonsense",
        "mongodb:///x",
    ],
)
async def test_a_bad_url_names_the_setting_and_what_is_right(url: str) -> None:
    with pytest.raises(BadStateUrl, match=r"REELWAY_STATE_URL: .*sqlite:////absolute/path"):
        await open_state(url, SPECS)


async def test_a_bad_url_keeps_the_password_to_itself() -> None:
    for url in ("mongodb://user:s3cret@localhost", "mongodb://user:s3cret@localhost:x/db", "redis://u:s3cret@h/1"):
        with pytest.raises(BadStateUrl) as raised:
            await open_state(url, SPECS)
        assert "s3cret" not in str(raised.value)
