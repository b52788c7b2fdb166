"""The ffmpeg command line: where it is, the arguments that make untrusted media safe, progress, what failures mean."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import imageio_ffmpeg

from services.workers.media.process import Ended, Limits, run
from services.workers.scratch import ScratchFull
from shared.model.failure import InternalError, InvalidInput, NodeError, SourceFileError

PROTOCOLS = "file,pipe"
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,mpegts,mpeg,mpegvideo,ogg,wav,mp3,aac,flac,h264,hevc,gif,image2,"
    "png_pipe,jpeg_pipe,webp_pipe,apng,asf,mxf"
)
"""Demuxers that open nothing but the file they are given (FACTS §5): no playlists, no concat lists, no scripts."""
BEYOND, BEYOND_S = 3, 1200
"""Durations in headers are wrong at times, but not by so much: times and seconds more."""
MAX_PIXELS = 16384 * 8192
"""Per frame, of what is decoded: 16K. A bigger picture is a decompression bomb."""

SIGN_OF_LIFE = (
    "metadata=mode=add:key=reelway:value=1,metadata=mode=print:key=reelway:file='pipe\\:1':direct=1,"
    "metadata=mode=delete:key=reelway"
)
"""Behind a slow filter: says that a frame came out of it. Encoders keep dozens of frames before they write the first,
and those of a large picture may take longer than a stall."""
_FRAME = re.compile(r"frame:\d")

_NOT_OURS = ("Error while filtering", "Conversion failed", "Error submitting", "Terminating thread", "Nothing was")
_DISK = re.compile(r"No space left on device|Disk quota exceeded", re.I)
_MEMORY = re.compile(r"Cannot allocate memory|Out of memory|malloc of size", re.I)
_SOURCE = re.compile(
    r"Invalid data found|ended prematurely|partial file|moov atom not found|Error opening input|Error while decoding"
    r"|could not find codec parameters"
    r"|not on whitelist|not in whitelist|Format not on|does not contain any stream|matches no streams"
    r"|Decoding error|Decoder .* not found|Error during demuxing|End of file|Picture size|Invalid .*stream"
    r"|Cannot determine format of input|no video|Output file .*does not contain|received no packets"
    # A muxer that was given nothing.
    r"|Error writing trailer: Invalid argument",
    re.I,
)
_PARAMETERS = re.compile(
    r"not currently supported in container|Could not find tag for codec|incorrect codec parameters"
    r"|Error (while )?(opening|initializing) (the )?(encoder|output)|maybe incorrect parameters|Could not open encoder"
    r"|Unsupported (codec|sample rate|channel)|only one|codec .* (is )?not supported|not compatible",
    re.I,
)
_ADDRESS = re.compile(r"^(\[[^\]]*\]\s*)+|(?<=\w) @ 0x[0-9a-f]+")
_PATH = re.compile(r"(?:file:)?(?<![\w.])/[^\s'\":]+")


@dataclass(frozen=True, slots=True)
class MediaTools:
    """The ffmpeg to call and what one call may use."""

    ffmpeg: Path
    limits: Limits = field(default_factory=Limits)
    threads: int = 0
    """For a decoder, an encoder and the filters each; 0 leaves that to ffmpeg."""


def media_tools(ffmpeg: Path | None = None, threads: int = 0) -> MediaTools:
    """The tools with the given ffmpeg, else the one that ships with `imageio-ffmpeg`."""
    found = ffmpeg or Path(imageio_ffmpeg.get_ffmpeg_exe())  # type: ignore[attr-defined, no-untyped-call]
    return MediaTools(found, threads=threads)


def source(path: Path, *before: str) -> list[str]:
    """Arguments that open a file as untrusted media; `before` are further input options."""
    return [
        "-protocol_whitelist",
        PROTOCOLS,
        "-format_whitelist",
        FORMATS,
        "-max_pixels",
        str(MAX_PIXELS),
        *before,
        "-i",
        f"file:{path}",
    ]


def bounded(lasts_s: float, clock_s: float = 0.0) -> tuple[str, ...]:
    """Input options that end the reading of a source far behind the end that it claims. A packet may claim to be shown
    in a hundred years, and filters that make an even frame rate would fill all the time up to it. None if the
    duration is not known. `clock_s` is what the clock shows at its beginning."""
    return ("-t", f"{BEYOND * lasts_s + BEYOND_S + clock_s:.3f}") if lasts_s > 0 else ()


async def call(
    tools: MediaTools,
    arguments: Sequence[str],
    folder: Path,
    on_time: Callable[[float], None] = lambda _: None,
    *,
    pass_fds: Sequence[int] = (),
    log_level: str = "error",
) -> str:
    """Runs ffmpeg in `folder`; `on_time` gets the seconds of output written so far, growing. It can write to the
    descriptors `pass_fds` as `pipe:N`.

    Returns the end of what it complained about (it may have succeeded all the same), or said, if `log_level` is info.
    Raises NodeError if it failed.
    """
    watch = _Progress(on_time)
    prefix = [
        "-hide_banner",
        "-nostdin",
        "-v",
        log_level,
        "-y",
        "-nostats",
        "-progress",
        "pipe:1",
        "-stats_period",
        "0.5",
        *filter_threads(tools.threads),
    ]
    ended = await run([str(tools.ffmpeg), *prefix, *arguments], folder, watch.line, tools.limits, pass_fds=pass_fds)
    if ended.returncode != 0:
        raise failure(ended)
    return ended.errors


def filter_threads(threads: int) -> list[str]:
    """Arguments for that many threads of each filter graph; 0 leaves that to ffmpeg."""
    return ["-filter_threads", str(threads), "-filter_complex_threads", str(threads)] if threads else []


_UNKNOWN = 2**62
"""With -copyts ffmpeg subtracts from a time that it does not know yet, and tells what becomes of that."""


class _Progress:
    """Lines of `-progress`: a grown time, frame count or size is a sign of life."""

    def __init__(self, on_time: Callable[[float], None]) -> None:
        self._on_time = on_time
        self._seen: dict[str, int] = {}

    def line(self, text: str) -> bool:
        if _FRAME.match(text):
            return True
        name, _, value = text.partition("=")
        if name == "progress":
            return value == "end"
        if name not in ("out_time_us", "frame", "total_size"):
            return False
        try:
            number = int(value)
        except ValueError:  # N/A
            return False
        if not self._seen.get(name, 0) < number < _UNKNOWN:
            return False
        self._seen[name] = number
        if name == "out_time_us":
            self._on_time(number / 1_000_000)
        return True


def failure(ended: Ended) -> NodeError:
    """What a failed call means: our side (tried again), parameters that do not fit, or a bad source."""
    text = ended.errors
    if _DISK.search(text):
        return ScratchFull()
    if ended.returncode < 0 or ended.returncode in (137, 143):
        return InternalError(f"the media process was killed by signal {abs(ended.returncode) % 128}")
    if _MEMORY.search(text):
        return InternalError("the media process ran out of memory")
    reason = plain_reason(text)
    # The first telling line is the cause, the following ones are what came of it.
    if _PARAMETERS.search(reason) and not _SOURCE.search(reason):
        return InvalidInput(f"the parameters cannot be applied to this source: {reason}")
    if _SOURCE.search(text):
        return SourceFileError(f"the source cannot be decoded: {reason}")
    return InternalError(f"ffmpeg failed with code {ended.returncode}: {reason}")


def plain_reason(text: str) -> str:
    """The first telling line of an error text, without addresses and paths of this machine, at most 200 characters."""
    lines = [_PATH.sub("<file>", _ADDRESS.sub("", line.strip())) for line in text.splitlines()]
    telling = [line for line in lines if line and not line.startswith(_NOT_OURS)]
    best = next((line for line in telling if _SOURCE.search(line) or _PARAMETERS.search(line)), None)
    return (best or (telling[-1] if telling else "no reason given"))[:200]
