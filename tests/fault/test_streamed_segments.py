"""Segments go into the storage while the encode goes on; whatever happens then, a run references the outputs of one
attempt, and what nobody references goes away or is overwritten."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import psutil
import pytest

from shared.model.run import RunState
from shared.model.task import Task
from tests.e2e.stack import Callbacks, wait_for
from tests.fault.arranged import Arrangement
from tests.fault.crash_points import ON_STREAMS
from tests.fault.rig import SHORT_LEASE, Rig, freeze, pid_of
from tests.fault.test_zombies import assert_powerless, stopped_worker, taken_over
from tests.fault.work import Work, looped_clip

pytestmark = [pytest.mark.timeout(400), pytest.mark.slow]

LOOPS = 4
SEGMENTS = 11
"""Of two seconds each, in four times the clip."""
OUTPUT = {".ts": SEGMENTS, ".m3u8": 1}


def streamed() -> dict[str, Any]:
    """An encode into segments that takes some seconds."""
    video = {"Codec": "h264", "Fps": 0, "Bitrate": 800, "Width": 0, "Height": 480, "HlsTime": 2}
    template = {
        "Container": "hls",
        "VideoTemplate": video | {"ResolutionAdaptive": "close"},
        "AudioTemplate": {"Codec": "aac", "Bitrate": 64, "SampleRate": 44100},
    }
    task = {"Definition": 0, "RawParameter": template, "OutputObjectPath": "{inputName}/index.{format}"}
    return {"ActivityType": "action-trans", "ActivityPara": {"TranscodeTask": task}}


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    running = Rig(
        tmp_path_factory.mktemp("streamed") / "data",
        env={**SHORT_LEASE, "REELWAY_MEDIA_SLOTS": "1", "REELWAY_ENCODER_THREADS": "1"},
        arrangement=Arrangement(workers=2),
        through_proxy=True,
    )
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return looped_clip(tmp_path_factory.mktemp("clips"), LOOPS)


def begun(rig: Rig, callbacks: Callbacks, name: str, clip: Path) -> tuple[Work, Task]:
    """A run whose encode is at work and whose first segments are there."""
    rig.wait_healthy()
    work = Work(rig, callbacks, name, (streamed(),), OUTPUT)
    work.upload(source=clip)
    wait_for("first segments", lambda: rig.keys(f"{name}-out/"), within_s=60)
    (task,) = work.wait_held("transcode")
    return work, task


def assert_nothing_is_referenced(work: Work) -> None:
    """The encode has not ended: there are segments and no playlist, and no result names them."""
    there = work.rig.keys(f"{work.name}-out/")
    assert there
    assert {Path(key).suffix for key in there} == {".ts"}
    (run,) = work.runs()
    assert not run.state.final
    assert all(task.result is None for task in work.tasks() if task.kind == "transcode")


def test_worker_killed_in_the_middle_of_a_stream(rig: Rig, callbacks: Callbacks, clip: Path) -> None:
    work, task = begun(rig, callbacks, "killed", clip)
    os.kill(pid_of(task), signal.SIGKILL)
    assert_nothing_is_referenced(work)
    work.check()


@pytest.mark.parametrize("point", sorted(ON_STREAMS))
def test_death_after_some_segments(rig: Rig, callbacks: Callbacks, clip: Path, point: str) -> None:
    rig.arm(point)
    work, _ = begun(rig, callbacks, "died", clip)
    wait_for("death", lambda: rig.reached(point), within_s=60)
    work.check()


def test_worker_paused_in_the_middle_of_a_stream_beyond_its_lease(rig: Rig, callbacks: Callbacks, clip: Path) -> None:
    work, task = begun(rig, callbacks, "paused", clip)
    zombie = freeze(pid_of(task))
    assert_nothing_is_referenced(work)
    taken_over(work, task)
    work.wait_ended()
    assert_powerless(work, task, zombie)
    work.check()


@pytest.mark.parametrize("point", sorted(ON_STREAMS))
def test_worker_stopped_between_a_segment_and_its_record(
    rig: Rig, callbacks: Callbacks, clip: Path, point: str
) -> None:
    rig.wait_healthy()
    rig.arm(point, "STOP")
    work, _ = begun(rig, callbacks, "stopped", clip)

    def stopped() -> psutil.Process | None:
        return stopped_worker(rig)

    worker = wait_for("stop", stopped, within_s=60)
    (lost,) = [task for task in rig.running("transcode") if pid_of(task) == worker.pid]
    zombie = freeze(worker.pid)
    taken_over(work, lost)
    work.wait_ended()
    assert_powerless(work, lost, zombie)
    work.check()


def test_source_that_turns_out_to_be_truncated_leaves_no_segments(
    rig: Rig, callbacks: Callbacks, clip: Path, tmp_path: Path
) -> None:
    """That is found out when the whole has been encoded, and most of it lies in the bucket."""
    whole = tmp_path / "whole.mp4"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(clip), "-c", "copy"]
    subprocess.run([*command, "-movflags", "+faststart", str(whole)], check=True, timeout=60)
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 82 // 100])
    work, _ = begun(rig, callbacks, "truncated", cut)
    (run,) = work.wait_ended()
    assert run.state is RunState.FAILED
    assert "truncated" in str(run.history)
    wait_for("an empty folder", lambda: not rig.keys("truncated-out/"), within_s=20)


def test_cancelled_stream_leaves_no_segments(rig: Rig, callbacks: Callbacks, clip: Path) -> None:
    work, task = begun(rig, callbacks, "cancelled", clip)
    rig.call("ManageTask", TaskId=task.run_id, OperationType="Abort")
    (run,) = work.wait_ended()
    assert run.state is RunState.CANCELLED
    wait_for("an empty folder", lambda: not rig.keys("cancelled-out/"), within_s=20)
