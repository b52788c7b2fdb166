"""Still pictures at given moments: arguments (pure) and the run that takes them all.

One process with several `-ss T -i IN` inputs jumps to each moment instead of decoding everything (FACTS §5).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from services.workers.media import ffmpeg
from services.workers.media.ffmpeg import MediaTools
from services.workers.media.picture import TONE_MAP, size_filters
from services.workers.media.verify import claims_more_than_there_is
from shared.model.failure import ErrCode, InvalidInput, SourceFileError
from shared.mps.media import MediaMetaData
from shared.mps.snapshot import SnapshotTemplate

INPUTS_AT_ONCE = 10
LARGE_PIXELS = 1920 * 1088
LARGE_INPUTS_AT_ONCE = 3
"""Each input has a decoder with its frames; those of 4K are big."""
STEPS_BACK_S = (0.0, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0)
"""How far before a moment to look when there is no frame at or after it: the last frame lies before the end."""
END_SLACK_S = 0.5

_ENCODERS = {
    "jpg": ("-c:v", "mjpeg", "-q:v", "2", "-strict", "unofficial"),
    "png": ("-c:v", "png"),
    "webp": ("-c:v", "libwebp", "-q:v", "80"),
}


def check_times(times: Sequence[float], source: MediaMetaData) -> tuple[float, ...]:
    """The moments to look at. Raises InvalidInput if one lies beyond the end, SourceFileError without a picture."""
    require_picture(source)
    for time in times:
        if source.duration and time > source.duration + END_SLACK_S:
            raise InvalidInput(
                f"time offset {time:g} s is beyond the end of the source ({source.duration:g} s)",
                ErrCode.INVALID_TIME_OFFSET,
            )
    last = max((source.video_duration or source.duration) - 0.001, 0.0)
    return tuple(min(time, last) for time in times)


def require_picture(source: MediaMetaData) -> None:
    """Raises SourceFileError if there is no video."""
    if source.video is None:
        raise SourceFileError("the source has no video to take pictures of", ErrCode.NO_VIDEO)


def chunk_size(source: MediaMetaData) -> int:
    """How many pictures one process takes."""
    return LARGE_INPUTS_AT_ONCE if source.width * source.height > LARGE_PIXELS else INPUTS_AT_ONCE


def picture_filter(template: SnapshotTemplate, source: MediaMetaData) -> str:
    """The filter chain of a template."""
    tone = [TONE_MAP] if source.video and source.video.hdr_type else []
    size = size_filters(
        template.width,
        template.height,
        open_sides=template.resolution_adaptive == "open",
        fill=template.fill_type,
        portrait=source.shown_portrait,
        even=False,
    )
    return ",".join([*tone, *size])


def arguments(path: Path, wanted: Mapping[int, float], filters: str, extension: str) -> list[str]:
    """One call that writes `picture-<index>.<extension>` for each index and moment."""
    inputs: list[str] = []
    outputs: list[str] = []
    for place, (index, time) in enumerate(wanted.items()):
        # A still cannot be wound, not even to its start.
        inputs += ffmpeg.source(path, *(["-ss", f"{time:.3f}"] if time >= 0.001 else []))
        outputs += ["-map", f"{place}:V:0", "-frames:v", "1", "-vf", filters, *_ENCODERS[extension]]
        outputs += ["-an", "-sn", "-dn", "-f", "image2", "-update", "1", f"file:{file_name(index, extension)}"]
    return [*inputs, *outputs]


def file_name(index: int, extension: str) -> str:
    """The local name of a picture."""
    return f"picture-{index}.{extension}"


async def take(
    tools: MediaTools,
    path: Path,
    source: MediaMetaData,
    folder: Path,
    times: Sequence[float],
    filters: str,
    extension: str,
    on_count: Callable[[int], None],
) -> list[Path]:
    """Takes all pictures into `folder`; `on_count` hears how many are there. Raises NodeError."""
    files = [folder / file_name(index, extension) for index in range(len(times))]
    at_once = chunk_size(source)
    for first in range(0, len(times), at_once):
        wanted = {index: times[index] for index in range(first, min(first + at_once, len(times)))}
        with contextlib.suppress(SourceFileError):
            # Some builds fail if one of the inputs has no frame left; each that is missing is looked at below.
            await ffmpeg.call(tools, arguments(path, wanted, filters, extension), folder)
        on_count(sum(map(_there, files)))
    for index, file in enumerate(files):
        if not _there(file):
            await _take_late(tools, path, source, folder, index, times[index], filters, extension)
            on_count(sum(map(_there, files)))
    return files


async def _take_late(
    tools: MediaTools,
    path: Path,
    source: MediaMetaData,
    folder: Path,
    index: int,
    time_s: float,
    filters: str,
    extension: str,
) -> None:
    """A picture that was not there at its time: the last frame before it, unless the file was cut off there."""
    truncated = SourceFileError(f"the source is truncated or damaged: there is no picture at {time_s:.1f} s")
    for back_s in STEPS_BACK_S:
        wanted = {index: max(time_s - back_s, 0.0)}
        try:
            complaints = await ffmpeg.call(tools, arguments(path, wanted, filters, extension), folder)
        except SourceFileError as error:
            complaints = error.failure.message
        if _there(folder / file_name(index, extension)):
            return
        if "prematurely" in complaints or claims_more_than_there_is(source) or back_s > time_s:
            raise truncated
    raise truncated


def _there(file: Path) -> bool:
    return file.is_file() and file.stat().st_size > 0
