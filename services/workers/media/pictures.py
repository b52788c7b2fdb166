"""Still pictures of a source: the arguments of the three ways to take them. Pure.

By jumps: one process with several inputs, each wound to its moment (FACTS §5). In one pass: everything is decoded once,
for pictures that lie close together. Of key frames only: sixteen times cheaper than a pass (measured on 720p), for
pictures that may be a little off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.workers.media import ffmpeg
from services.workers.media.picture import ENCODERS
from services.workers.media.winding import key_frames_near, opened_at, shown_at, shown_every
from shared.model.failure import ErrCode, InvalidInput, SourceFileError
from shared.mps.media import MediaMetaData

INPUTS_AT_ONCE = 10
LARGE_PIXELS = 1920 * 1088
LARGE_INPUTS_AT_ONCE = 3
"""Each input has a decoder with its frames; those of 4K are big."""
END_SLACK_S = 0.5
_ONE = ("-an", "-sn", "-dn", "-f", "image2")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What every picture looks like: `look` are its filters, `extension` its format. `threads` is for each decoder."""

    path: Path
    source: MediaMetaData
    look: tuple[str, ...]
    extension: str
    threads: int = 0

    @property
    def before(self) -> tuple[str, ...]:
        """Input options."""
        return ("-threads", str(self.threads)) if self.threads else ()

    def chain(self, *pick: str) -> str:
        """All filters, behind those that choose the frame."""
        return ",".join((*pick, *self.look, *ENCODERS[self.extension].filters))


def check_times(times: Sequence[float], source: MediaMetaData) -> tuple[float, ...]:
    """The moments to look at. Raises InvalidInput if one lies beyond the end, SourceFileError without a picture."""
    require_picture(source)
    for time in times:
        if source.duration and time > source.duration + END_SLACK_S:
            raise InvalidInput(
                f"time offset {time:g} s is beyond the end of the source ({source.duration:g} s)",
                ErrCode.INVALID_TIME_OFFSET,
            )
    begins_s = source.facts.video_start if source.facts else 0.0
    last = max(begins_s + (source.video_duration or source.duration) - 0.001, 0.0)
    # Of a recording that was never closed nobody knows the end.
    return tuple(min(time, last) for time in times) if last else tuple(times)


def require_picture(source: MediaMetaData) -> None:
    """Raises SourceFileError if there is no video."""
    if source.video is None:
        raise SourceFileError("the source has no video to take pictures of", ErrCode.NO_VIDEO)


def chunk_size(source: MediaMetaData) -> int:
    """How many pictures one process takes by jumps."""
    return LARGE_INPUTS_AT_ONCE if source.width * source.height > LARGE_PIXELS else INPUTS_AT_ONCE


def file_name(index: int | str, extension: str) -> str:
    """The local name of a picture."""
    return f"picture-{index}.{extension}"


def by_jumps(wanted: Wanted, times: Mapping[int, float]) -> list[str]:
    """One call that writes `picture-<index>.<extension>` for each index and moment."""
    inputs: list[str] = []
    outputs: list[str] = []
    for place, (index, time) in enumerate(times.items()):
        opened, clock_s = opened_at(wanted.path, wanted.source, time, *wanted.before)
        inputs += opened
        outputs += ["-map", f"{place}:V:0", "-frames:v", "1", "-vf", wanted.chain(*shown_at(clock_s))]
        outputs += [*ENCODERS[wanted.extension].arguments, *_ONE, "-update", "1"]
        outputs.append(f"file:{file_name(index, wanted.extension)}")
    return [*inputs, *outputs]


def in_one_pass(wanted: Wanted, interval_s: float, count: int) -> list[str]:
    """One call that writes the pictures 0 to `count` - 1, which lie `interval_s` apart."""
    return [
        *ffmpeg.source(wanted.path, *wanted.before),
        *("-map", "0:V:0", "-frames:v", str(count), "-vf", wanted.chain(*shown_every(interval_s))),
        *(*ENCODERS[wanted.extension].arguments, *_ONE, "-start_number", "0"),
        f"file:{file_name('%d', wanted.extension)}",
    ]


def of_key_frames(wanted: Wanted, interval_s: float, tolerance_s: float) -> list[str]:
    """One call that writes `near-<time in ms>.<extension>` for key frames near to multiples of the interval."""
    return [
        *ffmpeg.source(wanted.path, *wanted.before, "-skip_frame", "nokey"),
        *("-map", "0:V:0", "-vf", wanted.chain(*key_frames_near(interval_s, tolerance_s))),
        *("-fps_mode", "passthrough", "-enc_time_base", "1/1000"),
        *(*ENCODERS[wanted.extension].arguments, *_ONE, "-frame_pts", "1"),
        f"file:near-%d.{wanted.extension}",
    ]


def nearest(found: Sequence[float], interval_s: float, tolerance_s: float, count: int) -> dict[int, float]:
    """Which of the key frames found stands for which picture; pictures with none near enough are left out."""
    chosen: dict[int, float] = {}
    for time in sorted(found):
        index = int((time + tolerance_s) // interval_s)
        if index < count and index not in chosen and abs(time - index * interval_s) <= tolerance_s:
            chosen[index] = time
    return chosen
