"""Section `big`: a large object goes through a pipeline that only changes its container: fetched, copied by ffmpeg,
uploaded. How much memory each process takes meanwhile.

Memory is what the kernel counts as resident at most (VmHWM), reset when the stack is warm; children that end are looked
at every 100 ms.
"""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imageio_ffmpeg

from tests.bench.figures import Figures
from tests.bench.ours import Ours
from tests.bench.processes import ChildWatch, forget_peaks, peak_bytes
from tests.bench.scale import SLOTS, Scale

PATIENCE_S = 900
PIECE_S = 4


async def measure(scale: Scale, folder: Path, say: Callable[[str], None]) -> Figures:
    """Megabytes by process."""
    say(f"an object of {scale.big_bytes / 1e9:g} GB")
    clip = folder / "big.mp4"
    await asyncio.to_thread(make, clip, scale.big_bytes)
    size = clip.stat().st_size
    async with Ours(folder / "big", SLOTS) as ours:
        stack = ours.stack
        stack.create_pipeline("bench-big", "/big/", [remux()], OutputDir="/big-out/")
        pids = {name: int(pid) for name, pid in stack.ready["pids"].items()}
        forget_peaks(pids.values())
        began = time.monotonic()
        with ChildWatch(pids.values()) as children:
            await asyncio.to_thread(stack.upload, "big/big.mp4", clip)
            clip.unlink()
            uploaded_s = time.monotonic() - began
            task = await asyncio.to_thread(stack.task_of, "big/big.mp4", within_s=120)
            detail = await asyncio.to_thread(stack.finished, task, within_s=PATIENCE_S)
            ended_s = time.monotonic() - began
        written = stack.keys("big-out/")
        return {
            "bytes": size,
            "written_bytes": sum(written.values()),
            "err_code": detail.ScheduleTask.ErrCode,
            "uploaded_s": uploaded_s,
            "run_s": ended_s - uploaded_s,
            "peak_mb": {name: peak_bytes(pid) / 1e6 for name, pid in pids.items()},
            "children_peak_mb": {name: peak / 1e6 for name, peak in children.peaks.items()},
        }


def make(path: Path, size: int) -> None:
    """A film of about this size: a few seconds of noise, again and again."""
    ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostdin", "-v", "error", "-y"]  # type: ignore[no-untyped-call, attr-defined]
    piece = path.with_name("piece.mp4")
    noise = f"nullsrc=s=640x360:r=25:d={PIECE_S},geq=random(1)*255:128:128"
    encode = ["-c:v", "libx264", "-preset", "ultrafast", "-qp", "4", "-pix_fmt", "yuv420p"]
    subprocess.run([*ffmpeg, "-f", "lavfi", "-i", noise, *encode, str(piece)], check=True, timeout=300)
    times = max(round(size / piece.stat().st_size) - 1, 0)
    repeat = ["-stream_loop", str(times), "-i", str(piece), "-c", "copy", str(path)]
    subprocess.run([*ffmpeg, *repeat], check=True, timeout=600)
    piece.unlink()


def remux() -> dict[str, Any]:
    """The same streams in another file."""
    raw = {"Container": "mp4", "RemoveAudio": 1, "VideoTemplate": {"Codec": "copy", "Fps": 0, "Bitrate": 0}}
    return {"ActivityType": "action-trans", "ActivityPara": {"TranscodeTask": {"Definition": 0, "RawParameter": raw}}}
