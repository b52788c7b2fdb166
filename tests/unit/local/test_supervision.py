"""Supervision goes on when the disk is full or descriptors run out."""

from __future__ import annotations

import asyncio
import errno
import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from rich.console import Console

from services.local import supervised as supervised_module
from services.local import supervisor as supervisor_module
from services.local.announcer import Announcer
from services.local.process_spec import ProcessSpec
from services.local.supervised import SupervisedProcess
from services.local.supervisor import Supervisor

FULL = OSError(errno.ENOSPC, "No space left on device")


class FakeChild:
    """A process that ends when it is told to."""

    pid = 4711
    lived_s = 1.0
    log_began_at_byte = 0

    def __init__(self) -> None:
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.cleaned_up = False

    async def wait(self) -> int:
        return await self.ended

    async def stop(self, _: float) -> None:
        if not self.ended.done():
            self.ended.set_result(-15)

    async def clean_up(self) -> None:
        self.cleaned_up = True

    def rss_bytes(self) -> int:
        return 0


class FakeGuard:
    """A guard that only counts its stops."""

    pid: int | None = 1
    stops = 0

    async def ensure(self) -> None:
        return

    async def stop(self) -> None:
        self.stops += 1


class Stage:
    """A supervisor whose children are made by `starts`, one callable for each start, then plainly."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.children: list[FakeChild] = []
        self.starts: list[Callable[[], FakeChild]] = []
        self.started = asyncio.Event()
        self.guard = FakeGuard()
        self.tmp_path = tmp_path
        self.say = Announcer(Console(file=io.StringIO()), tmp_path / "launcher.log")

        async def start(*_: Any) -> FakeChild:
            child = self.starts.pop(0)() if self.starts else FakeChild()
            self.children.append(child)
            self.started.set()
            return child

        monkeypatch.setattr(supervised_module.Child, "start", start)
        monkeypatch.setattr(supervised_module.RestartBackoff, "after_life_of", lambda *_: 0.001)
        monkeypatch.setattr(supervisor_module, "GuardProcess", lambda _: self.guard)
        self.supervisor = Supervisor("launch", self.say, rss_warning_bytes=10, log_limit_bytes=10, interval_s=3600)

    def spec(self, name: str, **more: Any) -> ProcessSpec:
        async def ready() -> None:
            return None

        log = self.tmp_path / f"{name}.log"
        return ProcessSpec(name=name, argv=("/bin/true",), env={}, log=log, ready=ready, cwd=self.tmp_path, **more)

    async def next_start(self) -> FakeChild:
        async with asyncio.timeout(5):
            await self.started.wait()
        self.started.clear()
        return self.children[-1]

    def events(self) -> list[str]:
        return [orjson.loads(line)["event"] for line in (self.tmp_path / "launcher.log").read_bytes().splitlines()]


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    stage = Stage(tmp_path, monkeypatch)
    yield stage
    stage.say.close()


def full() -> Any:
    raise FULL


async def test_start_that_fails_is_announced_and_tried_again(stage: Stage) -> None:
    stage.starts = [full, full]
    await stage.supervisor.start([stage.spec("workers")])
    await stage.next_start()
    await stage.supervisor.wait_ready(5)
    assert stage.events() == ["process_not_started", "process_not_started"]
    await stage.supervisor.stop()


async def test_what_fails_before_a_start_is_tried_again_too(stage: Stage) -> None:
    troubles = [FULL]

    def before_start() -> None:
        if troubles:
            raise troubles.pop()

    await stage.supervisor.start([stage.spec("storage", before_start=before_start)])
    await stage.next_start()
    assert stage.events() == ["process_not_started"]
    await stage.supervisor.stop()


async def test_process_that_can_never_be_started_is_given_up_at_the_start(stage: Stage) -> None:
    stage.starts = [full] * 100
    await stage.supervisor.start([stage.spec("workers")])
    with pytest.raises(supervisor_module.NotReady, match="could not be started"):
        await stage.supervisor.wait_ready(5)
    await stage.supervisor.stop()


async def test_process_is_restarted_although_the_ready_file_cannot_be_written_and_that_is_made_up_for(
    stage: Stage,
) -> None:
    told: list[dict[str, int]] = []
    disk_is_full = True

    def on_change() -> None:
        if disk_is_full:
            raise FULL
        told.append(stage.supervisor.pids())

    await stage.supervisor.start([stage.spec("workers")])
    first = await stage.next_start()
    stage.supervisor.on_change = on_change
    first.ended.set_result(-9)
    second = await stage.next_start()
    second.ended.set_result(-9)
    await stage.next_start()
    await stage.supervisor.look()
    assert first.cleaned_up
    assert stage.events() == ["process_died", "supervision_impaired", "process_died"]  # said once
    disk_is_full = False
    await stage.supervisor.look()
    await stage.supervisor.look()
    assert told == [{"workers": 4711, "guard": 1}]
    await stage.supervisor.stop()


async def test_leftovers_that_cannot_be_looked_for_do_not_keep_it_from_being_restarted(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_descriptors(_: FakeChild) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(FakeChild, "clean_up", no_descriptors)
    await stage.supervisor.start([stage.spec("workers")])
    (await stage.next_start()).ended.set_result(-9)
    await stage.next_start()
    assert stage.events() == ["not_cleaned_up", "process_died"]
    await stage.supervisor.stop()


async def test_log_that_cannot_be_rotated_keeps_no_other_from_it_and_is_said_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.supervisor.start([stage.spec("trigger"), stage.spec("workers")])
    asked: list[str] = []

    def rotate(path: Path, _: int) -> bool:
        asked.append(path.name)
        if path.name == "trigger.log":
            raise FULL
        return False

    monkeypatch.setattr(supervisor_module, "rotate", rotate)
    await stage.supervisor.look()
    await stage.supervisor.look()
    assert asked == ["trigger.log", "workers.log"] * 2
    assert stage.events() == ["supervision_impaired"]
    await stage.supervisor.stop()


async def test_stop_goes_through_all_waves_though_one_supervision_has_failed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.supervisor.start([stage.spec("storage")])
    storage = await stage.next_start()
    await stage.supervisor.start([stage.spec("workers")])
    await stage.next_start()
    stop = SupervisedProcess.stop

    async def failing(process: SupervisedProcess) -> None:
        await stop(process)
        if process.spec.name == "workers":
            raise RuntimeError("a defect")

    monkeypatch.setattr(SupervisedProcess, "stop", failing)
    await stage.supervisor.stop()
    assert storage.ended.done()
    assert stage.guard.stops == 1
    assert "not_stopped" in stage.events()
