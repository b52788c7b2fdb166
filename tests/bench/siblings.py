"""Sibling encodes: one ffmpeg with one decode for all renditions against a process for each, as the worker runs them.

`python -m tests.bench.siblings`. Each case is run both ways in turns. The ratios are the medians of joint to apart in
each turn: of wall time, and of CPU seconds, which a loaded machine changes less.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from services.workers.media import ffmpeg
from services.workers.media.ffmpeg import MediaTools, media_tools
from services.workers.media.probe import probe
from services.workers.nodes.transcode_plan import TranscodePlan, plan
from shared.cores import cores
from shared.mps.naming import OutputNames
from shared.mps.presets import resolve
from shared.mps.transcode import TranscodeTaskInput
from tests.e2e.stack import CLIP

CASES = (
    ("360p", "h264", (360, 240)),
    ("720p", "h264", (720, 480, 240)),
    ("1080p", "h264", (480, 360)),
    ("1080p", "h264", (1080, 720, 480)),
    ("1080p", "h265", (720, 480, 240)),
)
"""Size and codec of the source, heights of the renditions (H.264, AAC)."""
SLOTS = (1, 2)
console = Console()


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds."""

    wall: float
    cpu: float


def make_source(tools: MediaTools, folder: Path, size: str, codec: str, seconds: float) -> Path:
    """The clip in that size and codec."""
    path = folder / f"{size}-{codec}.mp4"
    encoder = ["libx264", "-preset", "veryfast"] if codec == "h264" else ["libx265", "-preset", "ultrafast"]
    command = [str(tools.ffmpeg), "-v", "error", "-nostdin", "-y", "-stream_loop", "9", "-i", str(CLIP)]
    command += ["-t", str(seconds), "-vf", f"scale=-2:{size[:-1]}", "-c:v", *encoder, "-crf", "21", "-ac", "2"]
    subprocess.run([*command, str(path)], check=True, timeout=600)
    return path


def plan_of(source: Path, height: int, threads: int) -> TranscodePlan:
    """What the transcode node runs for one rendition."""
    template = {
        "Container": "mp4",
        "VideoTemplate": {"Codec": "h264", "Fps": 0, "Bitrate": 0, "Height": height},
        "AudioTemplate": {"Codec": "aac", "Bitrate": 96, "SampleRate": 44100},
    }
    params = TranscodeTaskInput.model_validate({"Definition": 0, "RawParameter": template})
    return plan(params, resolve(params), asyncio.run(probe(source)), OutputNames("in/x.mp4", 0, "/"), threads=threads)


def command(tools: MediaTools, source: Path, plans: Sequence[TranscodePlan], threads: int) -> list[str]:
    """One ffmpeg for all of the plans, each with a file of its own."""
    before = plans[0].before
    outputs = [
        argument for number, work in enumerate(plans) for argument in (*work.after[:-1], f"file:{number}-{work.output}")
    ]
    prefix = ["-hide_banner", "-nostdin", "-v", "error", "-y", "-filter_threads", str(threads)]
    return [str(tools.ffmpeg), *prefix, *ffmpeg.source(source, *before), *outputs]


def run(commands: Sequence[Sequence[str]], folder: Path, at_once: int) -> Cost:
    """Runs them, so many at once, and says what that took."""
    began, waiting, running, cpu = time.perf_counter(), list(enumerate(commands)), 0, 0.0
    while waiting or running:
        while waiting and running < at_once:
            number, arguments = waiting.pop(0)
            place = folder / str(number)
            place.mkdir(exist_ok=True)
            # Waited for below, by whoever ends first.
            subprocess.Popen(arguments, cwd=place)
            running += 1
        _, status, used = os.wait3(0)
        if status:
            raise RuntimeError(f"ffmpeg ended with {status}")
        running -= 1
        cpu += used.ru_utime + used.ru_stime
    return Cost(time.perf_counter() - began, cpu)


def measure(tools: MediaTools, folder: Path, source: Path, heights: Sequence[int], slots: int, times: int) -> list[str]:
    """One row: both ways in turns."""
    threads = max(cores() // slots, 1)
    plans = [plan_of(source, height, threads) for height in heights]
    apart, joint = [], []
    for _ in range(times):
        apart.append(run([command(tools, source, [work], threads) for work in plans], folder, slots))
        joint.append(run([command(tools, source, plans, threads)], folder, 1))
    wall = [statistics.median(cost.wall for cost in costs) for costs in (apart, joint)]
    cpu = [statistics.median(cost.cpu for cost in costs) for costs in (apart, joint)]
    return [
        *(f"{value:.1f}" for value in (*wall, *cpu)),
        f"{statistics.median(j.wall / a.wall for a, j in zip(apart, joint, strict=True)):.2f}",
        f"{statistics.median(j.cpu / a.cpu for a, j in zip(apart, joint, strict=True)):.2f}",
    ]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5, help="length of the sources")
    parser.add_argument("--times", type=int, default=3)
    options = parser.parse_args()
    tools = media_tools()
    table = Table(title="joint / apart")
    for name in (
        "source",
        "renditions",
        "slots",
        "wall apart",
        "joint",
        "CPU apart",
        "joint",
        "wall ratio",
        "CPU ratio",
    ):
        table.add_column(name)
    with tempfile.TemporaryDirectory(prefix="reelway-siblings-") as name:
        folder = Path(name)
        for size, codec, heights in CASES:
            source = make_source(tools, folder, size, codec, options.seconds)
            for slots in SLOTS:
                row = measure(tools, folder, source, heights, slots, options.times)
                table.add_row(f"{size} {codec}", " ".join(map(str, heights)), str(slots), *row)
                console.print(*row)
    console.print(table)


if __name__ == "__main__":
    main()
