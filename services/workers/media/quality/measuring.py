"""One pass of ffmpeg over a source that measures picture and sound: its arguments, and what it writes. Pure.

Pictures are sampled, because neighbours differ little and the filters cost more than the decoder: blocks are measured
at full size, blur at 720 lines, light, colour, movement and bars at 360. Sound is measured in windows of 100 ms.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from services.workers.media import ffmpeg
from services.workers.media.hdr import to_sdr
from shared.mps.media import MediaMetaData

SAMPLE_S = 0.2
"""Between two pictures, unless asked otherwise."""
SAMPLES_AT_MOST = 18_000
"""An hour at the usual distance; of longer sources the pictures are further apart."""
WINDOW_S = 0.1
"""Of sound."""
_BLUR_LINES = 720
_LIGHT_LINES = 360
_BAR_LEVEL = 24
"""Luma up to which a line counts as black."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What was measured at a moment, `at_s` seconds from the start of the source, by the filters' names."""

    at_s: float
    values: Mapping[str, float]

    def get(self, name: str) -> float | None:
        """A measure; None if there is none, as of blur in a picture without edges."""
        value = self.values.get(name)
        return None if value is None or math.isnan(value) else value


def sample_distance(duration_s: float, wanted_s: float | None = None) -> float:
    """Seconds between two pictures."""
    return max(wanted_s or SAMPLE_S, duration_s / SAMPLES_AT_MOST)


def arguments(
    path: Path,
    source: MediaMetaData,
    distance_s: float,
    *,
    picture_fd: int | None,
    sound_fd: int | None,
    threads: int = 0,
) -> list[str]:
    """The call, which writes measures of the first picture and sound stream to file descriptors; without one that
    stream is left alone. Empty if there is nothing to measure.

    Descriptors and not names, because the filters are made anew when a stream changes its size in the middle, and a
    named file would begin anew as well.
    """
    before = ("-threads", str(threads)) if threads else ()
    outputs: list[str] = []
    if source.video is not None and picture_fd is not None:
        # A little less than the distance, so that rounding does not skip every other picture.
        picked = f"select='isnan(prev_selected_t)+gte(t-prev_selected_t,{distance_s - 0.002:.3f})'"
        tone = to_sdr(source)
        chain = [
            picked,
            *tone,
            "scale=out_range=tv,format=yuv420p",
            "blockdetect",
            _at_most(_BLUR_LINES),
            "blurdetect",
            _at_most(_LIGHT_LINES),
            "signalstats",
            f"cropdetect=limit={_BAR_LEVEL}:round=2:reset=1:skip=0",
            rf"metadata=mode=print:file='pipe\:{picture_fd}'",
        ]
        outputs += ["-map", "0:V:0", "-vf", ",".join(chain)]
    if source.audio is not None and sound_fd is not None:
        chain = [
            # Exact windows whatever the codec's frames are; 48 kHz is what the loudness filter works in.
            "aresample=48000",
            f"asetnsamples=n={round(48_000 * WINDOW_S)}:p=0",
            "ebur128=metadata=1:framelog=quiet",
            "astats=metadata=1:reset=1:measure_perchannel=none:measure_overall=Peak_level+RMS_level",
            *(["aphasemeter=video=0"] if source.audio.channel == 2 else []),
            rf"ametadata=mode=print:file='pipe\:{sound_fd}'",
        ]
        outputs += ["-map", "0:a:0", "-af", ",".join(chain)]
    if not outputs:
        return []
    return [
        *ffmpeg.source(path, *before, *ffmpeg.bounded(source.duration)),
        *outputs,
        "-sn",
        "-dn",
        "-fps_mode",
        "passthrough",
        "-f",
        "null",
        "-",
    ]


def _at_most(lines: int) -> str:
    """Makes the picture smaller so that its short side has at most so many lines."""
    factor = f"min(1,{lines}/min(iw,ih))"
    return f"scale='trunc(iw*{factor}/2)*2':'trunc(ih*{factor}/2)*2'"


def read(lines: Iterable[str]) -> Iterator[Sample]:
    """Samples from what `metadata=print` writes: a line that begins a frame, then `name=value` lines."""
    at_s: float | None = None
    values: dict[str, float] = {}
    blocks = _OfEach()
    for line in lines:
        if line.startswith("frame:"):
            if at_s is not None:
                yield Sample(at_s, blocks.undone(values))
            at_s, values = _time(line), {}
            if line.startswith("frame:0 "):
                blocks = _OfEach()
        elif at_s is not None and line.startswith("lavfi."):
            name, _, text = line.strip().partition("=")
            number = _number(text)
            if number is not None:
                values[name.removeprefix("lavfi.")] = number
    if at_s is not None:
        yield Sample(at_s, blocks.undone(values))


class _OfEach:
    """blockdetect writes the mean of all frames since it was made, not the frame's own value; this undoes it. A frame
    of one colour does not count in that mean, which then stays what it was; blurdetect finds no edge in it either."""

    def __init__(self) -> None:
        self._count = 0
        self._mean = 0.0

    def undone(self, values: dict[str, float]) -> dict[str, float]:
        mean = values.get("block", math.nan)
        if math.isnan(mean):
            return values
        if mean == self._mean and math.isnan(values.get("blur", math.nan)):
            return {**values, "block": math.nan}
        before = self._count * self._mean
        self._count, self._mean = self._count + 1, mean
        return {**values, "block": max(self._count * mean - before, 0.0)}


def _time(line: str) -> float | None:
    """Of `frame:3    pts:1536    pts_time:0.12`; None if the frame has none."""
    value = _number(line.rpartition("pts_time:")[2].strip())
    return value if value is not None and math.isfinite(value) else None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
