"""How bright a picture is: a few of its frames looked at. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from services.workers.media import ffmpeg
from services.workers.media.hdr import to_sdr
from shared.mps.media import MediaMetaData

FRAMES = 8
STATISTICS = "brightness.txt"
_BLACK, _WHITE = 16, 235
_VALUE = re.compile(r"lavfi\.signalstats\.(YAVG|YHIGH)=([\d.]+)")


@dataclass(frozen=True, slots=True)
class Brightness:
    """Luma from 0 (black) to 1 (white), as shown in SDR: the mean, and what nine tenths of the picture stay below."""

    mean: float
    high: float


def measuring(path: Path, source: MediaMetaData, start_s: float, length_s: float) -> list[str]:
    """Arguments of a call that writes `STATISTICS` into its folder. It seeks, so it takes no longer for a long file."""
    opened: list[str] = []
    parts: list[str] = []
    for index in range(FRAMES):
        at = start_s + length_s * (index + 0.5) / FRAMES
        opened += ffmpeg.source(path, "-an", "-ss", f"{at:.3f}")
        chain = ["trim=end_frame=1", *to_sdr(source), "scale=160:90:out_range=tv", "format=yuv420p", "setsar=1"]
        parts.append(f"[{index}:V:0]{','.join(chain)},settb=1/1000,setpts=0[frame{index}]")
    joined = "".join(f"[frame{index}]" for index in range(FRAMES))
    parts.append(f"{joined}concat=n={FRAMES}:v=1:a=0,signalstats,metadata=mode=print:file={STATISTICS}")
    return [*opened, "-filter_complex", ";".join(parts), "-f", "null", "-"]


def brightness_of(lines: Iterable[str]) -> Brightness | None:
    """From what the filter wrote; None if not one frame could be had."""
    found: dict[str, list[float]] = {"YAVG": [], "YHIGH": []}
    for line in lines:
        if match := _VALUE.search(line):
            found[match[1]].append((float(match[2]) - _BLACK) / (_WHITE - _BLACK))
    if not found["YAVG"]:
        return None
    return Brightness(min(max(fmean(found["YAVG"]), 0.0), 1.0), min(max(fmean(found["YHIGH"]), 0.0), 1.0))
