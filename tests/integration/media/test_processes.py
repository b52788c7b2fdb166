"""Children never outlive who started them, and hostile files open nothing else."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from services.workers.media import ffmpeg, process
from services.workers.media.ffmpeg import MediaTools, media_tools
from services.workers.media.process import Limits, ProcessTimeout, run
from services.workers.nodes.transcode import Transcode
from shared.model.failure import InternalError, SourceFileError
from tests.eventually import eventually
from tests.integration.media.conftest import BUNNY
from tests.integration.media.context import FakeContext, task_for

LONG = {
    "Definition": 0,
    "RawParameter": {
        "Container": "mp4",
        "RemoveAudio": 1,
        "VideoTemplate": {"Codec": "h265", "Fps": 120, "Bitrate": 0, "Width": 4096, "Height": 0},
    },
}
"""Takes minutes."""

PARENT = """
import asyncio, sys, uvloop
from pathlib import Path
from services.workers.media.ffmpeg import media_tools
from services.workers.nodes.transcode import Transcode
from tests.integration.media.context import FakeContext, task_for
from tests.integration.media.test_processes import LONG
context = FakeContext(task_for("transcode", LONG), Path(sys.argv[1]), Path(sys.argv[2]))
with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(Transcode(media_tools()).execute(context))
"""


def encoders(folder: Path) -> list[psutil.Process]:
    """Processes that work in a folder."""
    found = []
    for candidate in psutil.process_iter():
        try:
            if candidate.status() != psutil.STATUS_ZOMBIE and Path(candidate.cwd()).is_relative_to(folder):
                found.append(candidate)
        except (psutil.Error, OSError):
            continue
    return found


def encoding(folder: Path) -> bool:
    """Whether ffmpeg itself is at work there."""
    return any("ffmpeg" in encoder.name() for encoder in encoders(folder)) and any(folder.rglob("output.mp4"))


async def test_cancelling_an_encode_leaves_no_process(tmp_path: Path) -> None:
    context = FakeContext(task_for("transcode", LONG), tmp_path, BUNNY)
    work = asyncio.create_task(Transcode(media_tools()).execute(context))
    await eventually(lambda: encoding(tmp_path) or work.done(), within_s=20)
    assert not work.done()
    started = time.monotonic()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert time.monotonic() - started < 5
    assert encoders(tmp_path) == []


async def test_an_encoder_dies_with_its_killed_worker(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path), str(BUNNY)], cwd=root)
    try:
        await eventually(lambda: encoding(tmp_path) or parent.poll() is not None, within_s=30)
        assert parent.poll() is None
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    await eventually(lambda: encoders(tmp_path) == [], within_s=5)


async def test_a_child_that_stands_still_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "KILL_AFTER_S", 0.2)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    seen: list[str] = []

    def keep(line: str) -> bool:
        seen.append(line)
        return True

    with pytest.raises(ProcessTimeout, match="no progress") as stopped:
        await run([sys.executable, "-c", deaf], tmp_path, keep, Limits(stall_s=1))
    assert stopped.value.failure.retryable
    assert seen == ["up"]
    assert encoders(tmp_path) == []


async def test_a_child_that_never_ends_is_stopped(tmp_path: Path) -> None:
    busy = "import sys\nwhile True: sys.stdout.write('x\\n')"
    with pytest.raises(ProcessTimeout, match=r"ran for 0\.5 s"):
        await run([sys.executable, "-c", busy], tmp_path, lambda _: True, Limits(wall_s=0.5))
    assert encoders(tmp_path) == []


async def test_limits_environment_and_the_end_of_stderr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REELWAY_S3_SECRET_KEY", "secret")
    shown = (
        "import os, resource, sys; print(resource.getrlimit(resource.RLIMIT_AS)[0]); print(os.environ);"
        "print(os.getpgid(0) == os.getpid()); sys.stderr.write('a' * 100_000 + 'end'); sys.exit(3)"
    )
    lines: list[str] = []

    def keep(line: str) -> bool:
        lines.append(line)
        return True

    ended = await run([sys.executable, "-c", shown], tmp_path, keep, Limits(address_space_bytes=4 * 1024**3))
    assert lines[0] == str(4 * 1024**3)
    assert "secret" not in lines[1]
    assert lines[2] == "True"
    assert ended.returncode == 3
    assert ended.errors.endswith("end")
    assert len(ended.errors) == process.STDERR_TAIL_BYTES


async def test_an_encoder_killed_from_outside_may_be_tried_again(tmp_path: Path) -> None:
    work = asyncio.create_task(
        Transcode(media_tools()).execute(FakeContext(task_for("transcode", LONG), tmp_path, BUNNY))
    )
    await eventually(lambda: encoding(tmp_path) or work.done(), within_s=20)
    for encoder in encoders(tmp_path):
        encoder.kill()
    with pytest.raises(InternalError, match="killed by signal 9") as failed:
        await work
    assert failed.value.failure.retryable


@pytest.mark.parametrize("name", ["playlist.mp4", "list.mp4"])
async def test_a_list_in_disguise_opens_no_other_file(clips: Path, tmp_path: Path, name: str) -> None:
    arguments = [*ffmpeg.source(clips / name), "-c", "copy", "file:out.mp4"]
    with pytest.raises(SourceFileError):
        await ffmpeg.call(media_tools(), arguments, tmp_path)
    assert not (tmp_path / "out.mp4").exists()


async def test_the_test_above_would_see_a_leak(clips: Path, tmp_path: Path) -> None:
    """Without our arguments ffmpeg does follow the list."""
    arguments = ["-safe", "0", "-i", str(clips / "list.mp4"), "-c", "copy", "out.mp4"]
    await ffmpeg.call(media_tools(), arguments, tmp_path)
    assert (tmp_path / "out.mp4").exists()


async def test_an_own_ffmpeg_can_be_named(tmp_path: Path) -> None:
    tools = MediaTools(Path("/bin/false"))
    with pytest.raises(InternalError, match="code 1"):
        await ffmpeg.call(tools, [], tmp_path)
