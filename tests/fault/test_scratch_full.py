"""The scratch disk is full: nodes fail with words that say so, and succeed once there is room. A real disk: a tmpfs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shared.model.failure import ErrCode
from shared.model.run import RunEvent, RunEventType
from tests.e2e.stack import Callbacks, raw_transcode, wait_for
from tests.fault.arranged import Arrangement
from tests.fault.rig import Rig
from tests.fault.work import ENCODE_AND_SNAPSHOTS, OUTPUTS, Work, looped_clip

pytestmark = [pytest.mark.timeout(400), pytest.mark.slow]

MB = 1_000_000
DISK = 30 * MB


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    running = Rig(tmp_path_factory.mktemp("full") / "data", arrangement=Arrangement(scratch_bytes=DISK))
    try:
        running.start()
        assert disk_bytes(running) < DISK + MB, "the worker has no disk of its own"
        yield running
    finally:
        running.stop()


def disk_bytes(rig: Rig) -> int:
    """The size of the worker's disk."""
    stat = os.statvfs(rig.scratch())
    return stat.f_blocks * stat.f_frsize


def free_bytes(rig: Rig) -> int:
    stat = os.statvfs(rig.scratch())
    return stat.f_bavail * stat.f_frsize


@contextmanager
def filled_but(rig: Rig, free: int) -> Iterator[Path]:
    """Somebody else fills the disk but for so many bytes, until the block ends."""
    filler = rig.scratch() / "filler"
    with filler.open("wb") as file:
        while (left := free_bytes(rig) - free) > 0:
            file.write(bytes(min(left, MB)))
            file.flush()
    try:
        yield filler
    finally:
        filler.unlink()


def failed_attempts(work: Work) -> list[RunEvent]:
    return [event for run in work.runs() for event in run.history if event.type is RunEventType.NODE_RETRYING]


def assert_said_so(events: list[RunEvent]) -> None:
    assert events
    assert {(event.code, event.message) for event in events} == {(ErrCode.INTERNAL, "the scratch disk is full")}


def test_no_room_for_the_source(rig: Rig, callbacks: Callbacks, tmp_path: Path) -> None:
    work = Work(rig, callbacks, "no-source")
    with filled_but(rig, 2 * MB):
        work.upload(source=looped_clip(tmp_path, 4))
        wait_for("failed attempt", lambda: failed_attempts(work), within_s=40)
        wait_for("empty scratch", lambda: not rig.leftovers_in_scratch(), within_s=10)
    work.check()
    assert_said_so(failed_attempts(work))


def test_no_room_for_what_an_encoder_writes(rig: Rig, callbacks: Callbacks, tmp_path: Path) -> None:
    rig.wait_healthy()
    # Ten megabytes come out of two.
    work = Work(rig, callbacks, "no-output", (raw_transcode(720, bitrate=8000),), {"_720.mp4": 1})
    with filled_but(rig, 5 * MB):
        work.upload(source=looped_clip(tmp_path, 2))
        wait_for("failed attempt", lambda: failed_attempts(work), within_s=60)
        wait_for("empty scratch", lambda: not rig.leftovers_in_scratch(), within_s=10)
    work.check()
    assert_said_so(failed_attempts(work))
    assert {event.node for event in failed_attempts(work)} == {1}


def test_sources_that_nobody_uses_make_room(rig: Rig, callbacks: Callbacks, tmp_path: Path) -> None:
    """More sources one after another than the disk holds, though the cache might keep gigabytes."""
    rig.wait_healthy()
    work = Work(rig, callbacks, "many-sources", ENCODE_AND_SNAPSHOTS[1:], {".jpg": OUTPUTS[".jpg"]})
    for times in (9, 10, 11, 12):
        work.upload(source=looped_clip(tmp_path, times))
        work.wait_ended()
    work.check()
    assert failed_attempts(work) == [], "the cache gave way before an attempt failed"
