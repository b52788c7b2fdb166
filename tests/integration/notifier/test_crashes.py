"""The notifier as a process, on a store in a file and without any bus, killed (-9) between any two of its effects."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.adapters.state_url import open_state
from shared.model import collections
from shared.model.delivery import Delivery
from shared.model.pipeline import NotifyMode
from shared.model.replay import Chosen, Replay, ReplayState
from shared.state.records import Records
from tests.integration.notifier.scripted_server import OK, ScriptedServer, answer, serving
from tests.unit.notifier.builders import RUN_ID, notification, requested, until, whole_story

ROOT = Path(__file__).resolve().parents[3]


@asynccontextmanager
async def notifier(state_url: str, log: Path, **more: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A notifier process for the length of a block; nothing listens where its bus should be."""
    env = {
        **os.environ,
        "REELWAY_STATE_URL": state_url,
        "REELWAY_KAFKA": "127.0.0.1:9",
        "REELWAY_S3_ENDPOINT": "http://127.0.0.1:9",
        "REELWAY_S3_ACCESS_KEY": "a",
        "REELWAY_S3_SECRET_KEY": "s",
        "REELWAY_ALLOWED_NETWORKS": "127.0.0.0/8",
        "REELWAY_SWEEP_INTERVAL_S": "0.1",
        "REELWAY_SEND_LEASE_S": "1",
        **more,
    }
    with log.open("ab") as out:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.notifier", env=env, cwd=ROOT, stdout=out, stderr=out
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(process.wait(), 30)


@asynccontextmanager
async def told_run(state_url: str, server: ScriptedServer) -> AsyncIterator[Records]:
    """A store with one finished run, whose messages have all been lost."""
    store = await open_state(state_url, collections.ALL)
    try:
        records = Records(store)
        run = whole_story(requested(notification(server.url(), mode=NotifyMode.CHANGE))).run
        await records.runs.insert(run.with_changes(notify_due_at=datetime.now(UTC)))
        yield records
    finally:
        await store.close()


async def deliveries(records: Records) -> list[Delivery]:
    return await records.deliveries.find({"run_id": RUN_ID})


async def all_delivered(records: Records) -> bool:
    return [delivery.state.value for delivery in await deliveries(records)] == ["delivered"] * 6


@pytest.mark.parametrize(
    ("fault", "most_calls"),
    [
        ("notifier.after_deliveries", 6),
        ("notifier.before_send", 6),
        ("notifier.after_send", 7),
        ("notifier.after_send:3", 7),
        ("notifier.after_record", 6),
    ],
)
async def test_killed_notifier_loses_nothing(tmp_path: Path, fault: str, most_calls: int) -> None:
    url, log = f"sqlite:///{tmp_path / 'state.db'}", tmp_path / "notifier.log"
    async with serving(OK) as server, told_run(url, server) as records:
        async with notifier(url, log, REELWAY_FAULT_AT=fault) as doomed:
            assert await asyncio.wait_for(doomed.wait(), 30) == -signal.SIGKILL, log.read_text()
        assert not await all_delivered(records)
        async with notifier(url, log):
            await until(lambda: all_delivered(records), "six deliveries", 30)
    ids = [request.headers["webhook-id"] for request in server.requests]
    assert list(dict.fromkeys(ids)) == [f"{RUN_ID}:{sequence}:URL" for sequence in range(1, 7)]
    assert len(ids) <= most_calls


async def test_stopped_notifier_ends_by_itself(tmp_path: Path) -> None:
    url, log = f"sqlite:///{tmp_path / 'state.db'}", tmp_path / "notifier.log"
    async with serving(OK) as server, told_run(url, server) as records, notifier(url, log) as process:
        await until(lambda: all_delivered(records), "six deliveries", 30)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 20) == 0, log.read_text()


async def test_answer_that_was_not_recorded_brings_the_same_id_again(tmp_path: Path) -> None:
    """Killed after the sink's 200 and before the log has it: at least once, and to be known by its id."""
    url, log = f"sqlite:///{tmp_path / 'state.db'}", tmp_path / "notifier.log"
    async with serving(OK) as server, told_run(url, server) as records:
        async with notifier(url, log, REELWAY_FAULT_AT="notifier.after_send:2") as doomed:
            assert await asyncio.wait_for(doomed.wait(), 30) == -signal.SIGKILL, log.read_text()
        assert [one.headers["webhook-id"] for one in server.requests] == [f"{RUN_ID}:1:URL", f"{RUN_ID}:2:URL"]
        unrecorded = await records.deliveries.get(f"{RUN_ID}:2:URL")
        assert unrecorded is not None
        assert (unrecorded.state.value, unrecorded.attempts) == ("pending", ())
        async with notifier(url, log):
            await until(lambda: all_delivered(records), "six deliveries", 30)
    first, again = [one for one in server.requests if one.headers["webhook-id"] == f"{RUN_ID}:2:URL"]
    assert json.loads(first.body)["ScheduleTaskEvent"] == json.loads(again.body)["ScheduleTaskEvent"]
    assert [one.headers["webhook-id"] for one in server.requests[3:]] == [f"{RUN_ID}:{n}:URL" for n in (3, 4, 5, 6)]


async def test_killed_replay_goes_on_and_sends_each_once(tmp_path: Path) -> None:
    url, log = f"sqlite:///{tmp_path / 'state.db'}", tmp_path / "notifier.log"
    async with serving(answer(410), OK) as server, told_run(url, server) as records:
        async with notifier(url, log):
            await until(lambda: all_dead(records), "six dead letters", 30)
        now = await records.now()
        await records.replays.insert(Replay(id="r", tenant="1250000000", chosen=Chosen(), created_at=now, due_at=now))
        async with notifier(url, log, REELWAY_FAULT_AT="notifier.after_put_back") as doomed:
            assert await asyncio.wait_for(doomed.wait(), 30) == -signal.SIGKILL, log.read_text()
        half = await records.replays.get("r")
        assert half is not None
        assert half.mark is None
        await records.replays.replace(half.with_changes(due_at=now))  # as when the lease has run out
        async with notifier(url, log):
            await until(lambda: all_delivered(records), "six deliveries", 30)
            await until(lambda: is_done(records), "the replay's end", 30)
    ids = [request.headers["webhook-id"] for request in server.requests[1:]]
    # The doomed one may have sent some before it died: those are known by their ids.
    assert list(dict.fromkeys(ids)) == [f"{RUN_ID}:{sequence}:URL" for sequence in range(1, 7)]
    assert len(ids) <= 7


async def all_dead(records: Records) -> bool:
    return [delivery.state.value for delivery in await deliveries(records)] == ["dead"] * 6


async def is_done(records: Records) -> bool:
    replay = await records.replays.get("r")
    return replay is not None and replay.state is ReplayState.DONE
