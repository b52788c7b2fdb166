"""Subtitle files from users, read in a child process into one form."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path

from pysubs2 import SSAFile

from services.workers.media.process import Limits, ProcessTimeout, run
from shared.model.failure import InvalidInput

CHILD = Path(__file__).with_name("captions_child.py")
LIMITS = Limits(address_space_bytes=2 * 1024**3, cpu_s=20, wall_s=60, stall_s=60)
MAX_BYTES = 5_000_000
MAX_EVENTS = 50_000


@dataclass(frozen=True, slots=True)
class Captions:
    """Lines with their times in the source; `styled` says that they bring looks of their own (ASS, SSA)."""

    subs: SSAFile
    styled: bool


async def read_captions(path: Path, folder: Path) -> Captions:
    """SubRip, WebVTT, ASS or SSA, in UTF-8, UTF-16 or GB 18030; `folder` is for a file of ours.

    Raises InvalidInput if they cannot be read, or not within 20 s.
    """
    said: list[str] = []

    def listen(line: str) -> bool:
        said.append(line)
        return True

    target = folder / "captions-read.ass"
    program = [sys.executable, "-I", str(CHILD), str(path), str(target), str(MAX_BYTES), str(MAX_EVENTS)]
    try:
        ended = await run(program, folder, listen, LIMITS)
    except ProcessTimeout as error:
        raise InvalidInput("the subtitles cannot be read: it takes too long") from error
    if ended.returncode == 2 and said:
        raise InvalidInput(f"the subtitles cannot be read: {said[-1]}")
    if ended.returncode != 0 or not said:
        raise InvalidInput("the subtitles cannot be read: they are too large or too complex")
    subs = await asyncio.to_thread(SSAFile.load, str(target), "utf-8", "ass")
    return Captions(subs, said[-1] == "styled")
