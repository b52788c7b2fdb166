"""The bus is lost with all it held, the store is away for 20 s, in the middle of several runs: all end right."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.contract.state.secantus import Secantus, secantus
from tests.e2e.stack import Callbacks, wait_for
from tests.fault.rig import SHORT_LEASE, Rig
from tests.fault.work import Work

pytestmark = [pytest.mark.timeout(400), pytest.mark.slow]

RUNS = 5
OUTAGE_S = 20


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """On SQLite. The outage is several times a lease: none must be taken from a worker that could not renew it."""
    running = Rig(tmp_path_factory.mktemp("outages") / "data", env=SHORT_LEASE)
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def on_mongo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Rig, Secantus]]:
    folder = tmp_path_factory.mktemp("outages-mongo")
    with ExitStack() as resources:
        server = resources.enter_context(secantus(folder / "mongo"))
        running = Rig(folder / "data", arguments=("--state-url", server.url("reelway")), env=SHORT_LEASE)
        resources.callback(running.stop)
        running.start()
        yield running, server


def in_the_middle(rig: Rig, callbacks: Callbacks, name: str) -> Work:
    """Several runs in different states: encoding, waiting for a slot, not yet begun."""
    work = Work(rig, callbacks, name)
    work.upload(RUNS)
    work.wait_held("transcode")
    return work


def wait_out() -> None:
    """The length of an outage; nothing can be waited for while it lasts."""
    began = time.monotonic()
    wait_for("the end of the outage", lambda: time.monotonic() - began >= OUTAGE_S, within_s=OUTAGE_S + 5)


def test_bus_lost_with_all_it_held_and_lost_again(rig: Rig, callbacks: Callbacks) -> None:
    work = in_the_middle(rig, callbacks, "bus-lost")
    for _ in range(2):
        old = rig.kill("broker")
        rig.wait_restarted("broker", old)
        work.upload(2)  # with nobody to tell
        work.wait_begun()
    work.check()
    assert {task.lost for task in work.tasks()} == {0}
    # And news travels over the new bus.
    rig.wait_healthy()
    work.upload()
    work.check()


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Nobody can write to the SQLite file for the length of the block."""
    connection = sqlite3.connect(database, timeout=30, isolation_level=None)
    try:
        connection.execute("BEGIN EXCLUSIVE")
        yield
    finally:
        connection.close()


def test_sqlite_locked_for_20_s(rig: Rig, callbacks: Callbacks) -> None:
    rig.wait_healthy()
    work = in_the_middle(rig, callbacks, "locked")
    pids = rig.ready["pids"]
    with locked(rig.data / "state.db"):
        rig.upload("locked/late.mp4")
        work.keys.append("locked/late.mp4")
        wait_out()
    assert_came_through(rig, work, pids)


@pytest.mark.long
@pytest.mark.parametrize("how", ["killed", "hangs"])
def test_mongo_away_for_20_s(on_mongo: tuple[Rig, Secantus], callbacks: Callbacks, how: str) -> None:
    rig, server = on_mongo
    rig.wait_healthy()
    work = in_the_middle(rig, callbacks, f"mongo-{how}")
    pids = rig.ready["pids"]
    away: dict[str, tuple[Callable[[], None], Callable[[], None]]] = {
        "killed": (server.kill, server.start),
        "hangs": (server.freeze, server.thaw),
    }
    begin, end = away[how]
    begin()
    try:
        rig.upload(f"mongo-{how}/late.mp4")
        work.keys.append(f"mongo-{how}/late.mp4")
        wait_out()
    finally:
        end()
    rig.wait_healthy()
    assert_came_through(rig, work, pids)


def assert_came_through(rig: Rig, work: Work, pids: dict[str, int]) -> None:
    """Everything ends, nobody died of it, and no attempt is used up: a task may have changed hands once, if its worker
    came back to the store after the scheduler did."""
    work.check()
    assert all(task.attempt == 1 and task.lost <= 1 for task in work.tasks())
    rig.refresh()
    assert rig.ready["pids"] == pids
