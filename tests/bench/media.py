"""Section `media`: three renditions and snapshots of one clip by a pipeline, and the very same ffmpeg commands by hand.

What our ffmpeg is called with is written down by a wrapper; by hand means the same commands on local files, as many at
once as the worker has slots, with nothing else going on but the idle stack.
"""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import imageio_ffmpeg

from tests.bench.figures import Figures, median
from tests.bench.ours import Ours
from tests.bench.scale import SLOTS, Scale
from tests.bench.starting import UPLOADS, event_of, outside_producer
from tests.e2e.stack import SNAPSHOTS, raw_transcode

HEIGHTS = (360, 240, 144)
MEDIA_SLOTS = 2
LOOK_S = 0.002
WRAPPER = """#!/bin/sh
printf '%s\\0' "$PWD" "$@" > "{folder}/$$"
exec "{ffmpeg}" "$@"
"""


@dataclass(frozen=True)
class Command:
    """One call of ffmpeg: where and with what."""

    cwd: Path
    arguments: tuple[str, ...]
    began: float

    @property
    def attempt(self) -> str:
        """The folder of the attempt; the commands of one attempt come one after another."""
        parts = self.cwd.parts
        return next((part for part in parts if part.startswith("attempt-")), str(self.cwd))


async def measure(scale: Scale, folder: Path, say: Callable[[str], None]) -> Figures:
    """Seconds of both, in turn, and the difference."""
    clip, calls = folder / "clip.mp4", folder / "calls"
    calls.mkdir(parents=True)
    ffmpeg = str(imageio_ffmpeg.get_ffmpeg_exe())  # type: ignore[no-untyped-call, attr-defined]
    make(ffmpeg, clip, scale.media_s)
    wrapper = folder / "ffmpeg"
    wrapper.write_text(WRAPPER.format(folder=calls, ffmpeg=ffmpeg))
    wrapper.chmod(0o755)
    piped: list[float] = []
    by_hand: list[float] = []
    env = {"REELWAY_FFMPEG": str(wrapper), "REELWAY_MEDIA_SLOTS": str(MEDIA_SLOTS)}
    async with Ours(folder / "media", SLOTS, env=env) as ours, outside_producer(ours.stack) as producer:
        actions = [*(raw_transcode(height) for height in HEIGHTS), SNAPSHOTS]
        ours.stack.create_pipeline("bench-media", "/media/", actions, OutputDir="/media-out/")
        for number in range(scale.media_rounds + 1):
            say(f"media, round {number} of {scale.media_rounds}" if number else "media, to get warm")
            for call in calls.iterdir():
                call.unlink()
            key = f"media/clip-{number}.mp4"
            await asyncio.to_thread(ours.stack.upload, key, clip)
            began = datetime.now(UTC)
            await producer.send_and_wait(UPLOADS, event_of(ours.stack.bucket, key), key=key.encode())
            ended = await _end(ours, key)
            commands = sorted((_read(call) for call in calls.iterdir()), key=lambda command: command.began)
            seconds = await asyncio.to_thread(_by_hand, ffmpeg, commands, clip, folder / "hand" / str(number))
            if number:
                piped.append((ended - began).total_seconds())
                by_hand.append(seconds)
    nodes = len(HEIGHTS) + 1
    over = median([one - other for one, other in zip(piped, by_hand, strict=True)])
    allowed = max(0.15 * nodes, 0.03 * median(by_hand))
    return {
        "nodes": nodes,
        "clip_s": scale.media_s,
        "pipeline_s": median(piped),
        "by_hand_s": median(by_hand),
        "overhead_s": over,
        "allowed_s": allowed,
        "pipeline_s_by_round": piped,
        "by_hand_s_by_round": by_hand,
        "commands": len(commands),
    }


def make(ffmpeg: str, path: Path, seconds: int) -> None:
    """A clip with picture and sound."""
    picture, sound = f"testsrc2=s=1280x720:r=25:d={seconds}", f"sine=frequency=440:duration={seconds}"
    inputs = ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound]
    encode = ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-c:a", "aac", "-shortest"]
    subprocess.run([ffmpeg, "-v", "error", "-y", *inputs, *encode, str(path)], check=True, timeout=300)


async def _end(ours: Ours, key: str) -> datetime:
    async with asyncio.timeout(600):
        while True:
            for run in await ours.records.runs.find({"input.key": key}, limit=1):
                if run.state.final:
                    assert run.state.value == "succeeded", run.failure
                    assert run.finished_at is not None
                    return run.finished_at
            await asyncio.sleep(0.1)


def _read(call: Path) -> Command:
    cwd, *arguments = call.read_bytes().decode().split("\0")[:-1]
    return Command(Path(cwd), tuple(arguments), call.stat().st_mtime)


def _by_hand(ffmpeg: str, commands: Sequence[Command], clip: Path, folder: Path) -> float:
    """Seconds for all commands, as many attempts at once as there are slots."""
    attempts: dict[str, list[tuple[Path, list[str]]]] = {}
    for command in commands:
        attempts.setdefault(command.attempt, []).append(_moved(command, clip, folder / command.attempt))
    for steps in attempts.values():
        for place, arguments in steps:
            place.mkdir(parents=True, exist_ok=True)
            for argument in arguments:
                if argument.startswith(f"file:{folder}"):
                    Path(argument.removeprefix("file:")).parent.mkdir(parents=True, exist_ok=True)
    waiting = list(attempts.values())
    running: list[tuple[subprocess.Popen[bytes], list[tuple[Path, list[str]]]]] = []
    began = time.monotonic()
    while waiting or running:
        while waiting and len(running) < MEDIA_SLOTS:
            steps = waiting.pop(0)
            running.append((_start(ffmpeg, steps[0]), steps[1:]))
        time.sleep(LOOK_S)
        for process, steps in list(running):
            if process.poll() is not None:
                assert process.returncode == 0, process.args
                running.remove((process, steps))
                if steps:
                    running.append((_start(ffmpeg, steps[0]), steps[1:]))
    return time.monotonic() - began


def _start(ffmpeg: str, step: tuple[Path, list[str]]) -> subprocess.Popen[bytes]:
    place, arguments = step
    return subprocess.Popen([ffmpeg, *arguments], cwd=place, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def _moved(command: Command, clip: Path, folder: Path) -> tuple[Path, list[str]]:
    """The command on the local clip, in a folder of its own."""
    root = next((str(path) for path in (command.cwd, *command.cwd.parents) if path.name == command.attempt), "")
    arguments: list[str] = []
    for argument in command.arguments:
        if arguments and arguments[-1] == "-i":
            arguments.append(f"file:{clip}")
        else:
            arguments.append(argument.replace(root, str(folder)) if root else argument)
    return Path(str(command.cwd).replace(root, str(folder)) if root else folder), arguments
