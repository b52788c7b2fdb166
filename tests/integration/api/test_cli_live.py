"""The commands that follow, upload, and look at what runs: against a running API and a real storage."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from services.api import following
from services.cli import transfer
from services.cli.events import parsed
from shared.adapters.s3 import S3BucketAccess, S3ObjectStore, S3Settings
from shared.model.attempt_log import AttemptLog, Call, log_id
from shared.ports.objects import ObjectsUnavailable
from tests.builders import T0
from tests.contract.objects.seaweed import seaweed
from tests.integration.api.stand import BUCKET, Stand, running_stand
from tests.integration.api.test_cli import _own_environment, reelway, reelway_json  # noqa: F401
from tests.integration.api.test_rest_events import Player
from tests.integration.api.test_rest_operations import a_record
from tests.integration.api.test_rest_run_files import put_done
from tests.integration.api.test_rest_uploads import Ledger


async def test_a_run_is_watched_to_its_end(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "LOOK_EVERY_S", 0.02)
    player, broken = Player(stand, "run-1"), Player(stand, "run-2")
    await player.begin()
    await broken.begin()

    async def go_on() -> None:
        while not player.run.state.final:
            await asyncio.sleep(0.05)
            await player.step()
        await broken.cancel()

    playing = asyncio.create_task(go_on())
    said = (await reelway(stand, "runs", "watch", "run-1")).stdout
    await playing
    for text in ("run.started", "node.succeeded node 4", "run.finished succeeded"):
        assert text in said
    lines = (await reelway(stand, "runs", "watch", "run-2", "--json", exit_code=6)).stdout.splitlines()
    events = [json.loads(line) for line in lines]
    assert events[-1]["data"]["state"] == "cancelled"
    await reelway(stand, "runs", "watch", "nobody", exit_code=3)


def test_events_are_read_as_the_standard_says() -> None:
    lines = ["retry: 2000", "", ": still here", "id: 7", "", "event: history", 'data: {"a":', "data: 1}", "id: 8", ""]
    [event] = parsed(lines)
    assert (event.kind, event.data, event.id) == ("history", {"a": 1}, "8")


async def test_logs_and_outputs_are_shown(stand: Stand) -> None:
    _, task = await put_done(stand)
    call = Call(
        arguments=("ffmpeg", "-i", "file:<scratch>/a b"), started_at=T0, ended_at=T0, returncode=1, said="oh no"
    )
    await stand.records.attempt_logs.insert(
        AttemptLog(
            id=log_id(task.id, 2), tenant="t", run_id="run-1", task_id=task.id, fence=2, worker="w", calls=(call,)
        )
    )
    said = (await reelway(stand, "runs", "logs", "run-1", "1")).stdout
    for text in ("node 1, attempt 2, worker w", "$ ffmpeg -i 'file:<scratch>/a b'", "oh no", "ended with 1"):
        assert text in said
    assert "out/2.ts" in (await reelway(stand, "runs", "outputs", "run-1")).stdout
    assert len((await reelway_json(stand, "runs", "outputs", "run-1"))["outputs"]) == 4
    assert (await reelway(stand, "runs", "list", "--key", "in/", "--name", "pipeline")).stdout.count("run-1") == 1


async def test_uploads_are_listed_shown_and_explained(stand: Stand) -> None:
    ledger = Ledger(stand)
    await ledger.pipeline("1", name="films", trigger={"formats": ("mp4",)})
    await ledger.arrive("in/film.mkv")
    listed = await reelway_json(stand, "uploads", "list", "--bucket", BUCKET, "--prefix", "in/")
    [upload] = listed["uploads"]
    assert "unmatched" in (await reelway(stand, "uploads", "list")).stdout
    assert "'mkv' is not among mp4" in (await reelway(stand, "uploads", "show", upload["id"])).stdout
    stand.objects.put(BUCKET, "in/new.mp4")
    assert "will start" in (await reelway(stand, "uploads", "explain", f"{BUCKET}/in/new.mp4")).stdout
    assert "there is no object" in (await reelway(stand, "uploads", "explain", f"{BUCKET}/none")).stdout


async def test_workers_queues_and_stuck_runs(stand: Stand) -> None:
    await stand.records.workers.insert(a_record(stand))
    assert "media 1/2" in (await reelway(stand, "workers", "list")).stdout
    assert (await reelway(stand, "workers", "drain", "w.1-a")).stdout == "w.1-a takes nothing more\n"
    assert "draining" in (await reelway(stand, "workers", "list")).stdout
    assert (await reelway(stand, "workers", "resume", "w.1-a")).stdout == "w.1-a takes tasks\n"
    assert "0 runs requested" in (await reelway(stand, "queues")).stdout
    await Player(stand, "run-1").begin()
    stand.store_clock.advance(timedelta(hours=1))
    assert "waits for a worker of the lane light" in (await reelway(stand, "stuck")).stdout


async def test_shell_completion_is_there(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_REELWAY_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "reelway runs w")
    monkeypatch.setenv("COMP_CWORD", "2")
    process = await asyncio.create_subprocess_exec(
        str(Path(__import__("sys").executable).with_name("reelway")), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert (await process.stdout.read()).decode().split() == ["watch"]
    await process.wait()


# -- with a storage -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def s3_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Settings]:
    with seaweed(tmp_path_factory.mktemp("seaweed")) as settings:
        yield settings


@pytest.fixture
async def store(s3_settings: S3Settings) -> AsyncIterator[S3ObjectStore]:
    async with S3ObjectStore(s3_settings) as store, asyncio.timeout(30):
        while True:
            try:
                await store.ensure_bucket(BUCKET)
                break
            except ObjectsUnavailable:
                await asyncio.sleep(0.1)
        yield store


async def test_files_are_uploaded_in_one_piece_and_in_parts(
    s3_settings: S3Settings, store: S3ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "ONE_PIECE_BYTES", 6 * 1024**2)
    small, large = tmp_path / "a b%.mp4", tmp_path / "large.mp4"
    small.write_bytes(b"small")
    large.write_bytes(bytes(range(256)) * 4096 * 17)
    access = S3BucketAccess(s3_settings)
    async with running_stand(buckets=access) as stand:
        stand.objects.put(BUCKET, "in/a b%.mp4")  # the API asks its own storage what is there
        said = await reelway(stand, "upload", str(small), f"{BUCKET}/in/")
        assert f"{BUCKET}/in/a b%.mp4" in said.stdout
        answer = await reelway_json(stand, "upload", str(large), f"{BUCKET}/in/other.mp4")
        assert answer["key"] == "in/other.mp4"
        await reelway(stand, "upload", str(small), "media-1260000000/in/", exit_code=3)
        assert (await reelway(stand, "buckets", "list")).stdout == f"{BUCKET}\n"
        listed = (await reelway(stand, "buckets", "ls", f"{BUCKET}/in/")).stdout
        assert "a b%.mp4" in listed
    assert await store.get_bytes(BUCKET, "in/a b%.mp4") == b"small"
    info = await store.head(BUCKET, "in/other.mp4")
    assert info.size == large.stat().st_size
    target = tmp_path / "back"
    await store.download(BUCKET, "in/other.mp4", target)
    assert target.read_bytes() == large.read_bytes()
    await access.aclose()
