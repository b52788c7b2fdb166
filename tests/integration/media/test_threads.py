"""Full slots fill the machine and do not fight for it: with one thread each, an encode is one busy thread."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.workers.media import ffmpeg
from services.workers.media.ffmpeg import media_tools
from services.workers.media.probe import probe
from services.workers.nodes.transcode_plan import plan
from services.workers.settings import WorkerSettings
from shared.mps.naming import OutputNames
from shared.mps.presets import resolve
from shared.mps.transcode import TranscodeTaskInput
from tests.integration.media.conftest import BUNNY


def test_default_slots_and_threads_make_one_thread_for_each_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.workers.settings.cores", lambda: 8)
    for slots, threads in ((8, 1), (4, 2), (3, 2), (1, 8), (0, 8), (100, 1)):
        assert WorkerSettings(media_slots=slots).threads == threads
    assert WorkerSettings(media_slots=8, encoder_threads=3).threads == 3


@pytest.mark.parametrize(("codec", "seconds"), [("h264", 1.5), ("h265", 1)])
async def test_encode_with_one_thread_keeps_one_cpu_busy(tmp_path: Path, codec: str, seconds: float) -> None:
    template = {
        "Container": "mp4",
        "VideoTemplate": {"Codec": codec, "Fps": 0, "Bitrate": 0},
        "RemoveAudio": 1,
    }
    params = TranscodeTaskInput.model_validate({"Definition": 0, "RawParameter": template, "EndTimeOffset": seconds})
    work = plan(params, resolve(params), await probe(BUNNY), OutputNames("in/x.mp4", 0, "/"), threads=1)
    command = [str(media_tools().ffmpeg), "-v", "error", "-nostdin", *ffmpeg.filter_threads(1)]
    command += [*ffmpeg.source(BUNNY, *work.before), *work.after]
    busy: dict[str, int] = {}
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            busy |= dict(ticks_by_thread(process.pid))
            time.sleep(0.02)
    assert process.returncode == 0
    spent = sorted(busy.values(), reverse=True)
    # The decoder has far less to do; a second thread of the encoder would have as much as the first.
    assert spent[1] < spent[0] / 2


def ticks_by_thread(pid: int) -> Iterator[tuple[str, int]]:
    """How much each thread has used so far."""
    for task in Path(f"/proc/{pid}/task").glob("*/stat"):
        try:
            members = task.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        yield task.parent.name, int(members[11]) + int(members[12])
