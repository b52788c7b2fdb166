"""Where to begin reading for the picture that is shown at a moment. Pure.

A picture "at T" is the one that a player shows at T: the last frame whose time is not after T, also where frames have
uneven distances. Decoding begins at a key frame before; the `fps` filter then lets through the frame that stands at T.
"""

from __future__ import annotations

import math
from pathlib import Path

from services.workers.media import ffmpeg
from shared.mps.media import MediaMetaData

LEAD_S = 12.0
"""How long before a moment to begin in a container without an index. Seeking in MPEG-TS lands behind the moment, and in
an FLV without index anywhere (measured); a key frame has to lie between. x264's default is one in ten seconds."""
_INDEXED = frozenset({"mov", "mp4", "matroska", "webm"})
_STILLS = frozenset({"image2", "png_pipe", "jpeg_pipe", "webp_pipe"})
_UNWINDABLE = _STILLS | {"gif", "apng", "h264", "hevc", "mpegvideo"}
"""Without times that could be looked for: read from the start."""
REORDERED = 6
"""Frames. Containers find a key frame by when it is decoded, which is that long before it is shown."""
MIN_LEAD_S = 0.5
SLACK_S = 0.0005
"""Times are written down to the millisecond, and rounded once more on their way: a frame that begins so little after
the moment is meant."""
SEEK_COSTS_S = 3.0
"""A jump costs about as much as decoding this much: measured 0.16 CPU s against 0.04 for each second of 720p."""


_HELD = "tpad=stop=1:stop_mode=clone"


def is_still(source: MediaMetaData) -> bool:
    """Whether the source is one picture, which is there at any time."""
    return not _STILLS.isdisjoint(source.container.split(","))


def jump_s(source: MediaMetaData, time_s: float) -> float:
    """How long before a moment to begin when ffmpeg is to decode from there on: 0 where it finds the key frame before
    by itself, at most `time_s`."""
    names = source.container.split(",")
    return 0.0 if not _INDEXED.isdisjoint(names) else min(lead_s(source), time_s)


def seek_costs_s(source: MediaMetaData) -> float:
    """What taking one picture by a jump costs, in seconds of the source decoded."""
    return SEEK_COSTS_S + lead_s(source)


def lead_s(source: MediaMetaData) -> float:
    """How long before a moment reading has to begin."""
    names = source.container.split(",")
    if not _UNWINDABLE.isdisjoint(names):
        return math.inf
    if _INDEXED.isdisjoint(names) or not source.duration:
        return LEAD_S
    return max(MIN_LEAD_S, REORDERED / source.frame_rate) if source.frame_rate else 2 * MIN_LEAD_S


def opened_at(path: Path, source: MediaMetaData, time_s: float, *before: str) -> tuple[list[str], float]:
    """Arguments that open a source for what is shown from `time_s` on, and where that lies on the clock of what is
    read. `before` are further input options."""
    start = time_s - lead_s(source)
    before = (*before, *ffmpeg.bounded(source.duration))
    if start < 0.001 or is_still(source):
        # Even a jump to the very start goes wrong without an index.
        return ffmpeg.source(path, *before), max(time_s, 0.0)
    return ffmpeg.source(path, *before, "-noaccurate_seek", "-ss", f"{start:.3f}"), time_s - start


def shown_from(clock_s: float, rate: float) -> tuple[str, ...]:
    """Filters that let through what is shown at a moment of that clock, as the first frame, and at that rate from then
    on; the last frame may come late."""
    # In microseconds: `start_time` would be rounded to the source's frames.
    return (
        "settb=1/1000000",
        f"setpts=PTS-{round((clock_s + SLACK_S) * 1_000_000)}",
        f"fps={rate:g}:start_time=0:round=up",
    )


def shown_at(clock_s: float) -> tuple[str, ...]:
    """Filters that let through the frame that is shown at a moment of that clock, as the first one."""
    # The last frame stands as long as another: the filter wants to see what comes after.
    return (_HELD, *shown_from(clock_s, 1000))


def shown_every(interval_s: float) -> tuple[str, ...]:
    """Filters that let through the frames that are shown at 0, at `interval_s`, at twice that, ..."""
    return (
        _HELD,
        "settb=1/1000000",
        # Counting in intervals keeps a distance of a third of a second from drifting.
        f"setpts=(PTS-{round(SLACK_S * 1_000_000)})/{interval_s:.9f}",
        "fps=1:start_time=0:round=up",
    )


def key_frames_near(interval_s: float, tolerance_s: float) -> tuple[str, ...]:
    """Filters that let through, of key frames, the first one that lies at most `tolerance_s` before each multiple of
    the interval, or, if there is none within the tolerance, perhaps one that lies farther behind. Times in ms."""
    due = f"gte(t,ld(0)*{interval_s:.6f}-{tolerance_s:.6f})"
    following = f"floor((t+{tolerance_s:.6f})/{interval_s:.6f})+1"
    return ("settb=1/1000", f"select='if({due},st(0,{following});1,0)'")
