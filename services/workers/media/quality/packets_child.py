"""Reads all packets of a media file and writes what is wrong with them as one line of JSON:
`python -I packets_child.py FILE PROTOCOLS FORMATS`.

A program of its own because a hostile file may crash the libraries. It imports PyAV and the standard library only;
nothing is decoded. The line has `found` (moments in seconds by item), or `error` if the file cannot be opened.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from array import array
from typing import Any

import av

MOMENTS = 100
"""Of each fault at most."""
PACKETS = 20_000_000
"""Per stream: more than a week of video."""
ALIVE_S = 5.0
JUMP_S = 1.0
"""A step of this much more than usual is a jump of the timestamps."""
DROPPED_STEPS = 1.5
"""A step of so many usual ones has lost a frame."""
VARIABLE_SHARE = 0.1
"""With more than this share of odd steps a stream's rate varies on purpose: nothing was dropped."""
UNEVEN_SHARE = 0.5
"""A second with this much fewer or more frames than usual is uneven."""


class Track:
    """Timestamps of one stream, in seconds from the start of the file."""

    def __init__(self, stream: Any, start: float) -> None:
        self.index: int = stream.index
        self.video = stream.type == "video"
        self._base = float(stream.time_base or 0)
        self._start = start
        self.first_key: bool | None = None
        self.dts: array[float] = array("d")
        self.pts: array[float] = array("d")
        self.late: list[float] = []

    def take(self, packet: Any) -> None:
        if self.first_key is None:
            self.first_key = bool(packet.is_keyframe)
        if len(self.dts) >= PACKETS:
            return
        if packet.dts is not None:
            self.dts.append(packet.dts * self._base - self._start)
        if packet.pts is not None:
            self.pts.append(packet.pts * self._base - self._start)
        if packet.dts is not None and packet.pts is not None and packet.pts < packet.dts and len(self.late) < MOMENTS:
            self.late.append(packet.pts * self._base - self._start)


def _steps(times: array[float]) -> list[tuple[float, float]]:
    return [(times[index], times[index] - times[index - 1]) for index in range(1, len(times))]


def _usual(steps: list[tuple[float, float]]) -> float:
    positive = [step for _, step in steps if step > 0]
    return statistics.median(positive) if positive else 0.0


def judge(track: Track) -> dict[str, list[float]]:
    """Moments by item."""
    found: dict[str, list[float]] = {"PtsLessThanDts": track.late}
    decoding = _steps(track.dts)
    usual = _usual(decoding)
    found["TimestampFallback"] = [at for at, step in decoding if step < 0]
    found["DtsJitter"] = [at for at, step in decoding if step > usual + JUMP_S]
    shown = _steps(array("d", sorted(track.pts)))
    usual = _usual(shown)
    found["PtsJitter"] = [at for at, step in shown if step > usual + JUMP_S]
    # Timestamps of some containers are rounded to milliseconds, or to a ninetieth of one.
    odd = [at for at, step in shown if usual * DROPPED_STEPS < step <= usual + JUMP_S and step > usual + 0.004]
    if len(odd) <= len(shown) * VARIABLE_SHARE:
        found["VideoDroppingFrames" if track.video else "AudioDroppingFrames"] = odd
    if track.video:
        found["FpsJitter"] = _uneven(shown)
        if track.first_key is False:
            found["VideoFirstFrameNotIdr"] = [0.0]
    return {item: [round(at, 3) for at in moments[:MOMENTS]] for item, moments in found.items() if moments}


def _uneven(shown: list[tuple[float, float]]) -> list[float]:
    """Starts of the whole seconds that have far fewer or more frames than usual."""
    counts: dict[int, int] = {}
    for at, _ in shown:
        counts[int(at)] = counts.get(int(at), 0) + 1
    whole = sorted(counts)[1:-1]
    if len(whole) < 3:
        return []
    usual = statistics.median(counts[second] for second in whole)
    return [float(second) for second in whole if abs(counts[second] - usual) > max(usual * UNEVEN_SHARE, 2)]


def examine(path: str, protocols: str, formats: str) -> dict[str, Any]:
    """The findings. Raises av.error.FFmpegError and OSError if the file cannot be opened."""
    options = {"protocol_whitelist": protocols, "format_whitelist": formats}
    with av.open(f"file:{path}", options=options, metadata_errors="replace") as container:
        start = (container.start_time or 0) / 1_000_000
        streams = [*container.streams.video[:1], *container.streams.audio[:1]]
        tracks = {stream.index: Track(stream, start) for stream in streams}
        tags = {
            stream.type: (stream.codec_context.codec.canonical_name, stream.codec_context.codec_tag)
            for stream in streams
            if stream.codec_context is not None
        }
        timecode = any("timecode" in stream.metadata for stream in container.streams.data)
        found: dict[str, list[float]] = {}
        said = time.monotonic()
        try:
            for packet in container.demux(streams) if streams else ():
                if packet.size:
                    tracks[packet.stream_index].take(packet)
                if time.monotonic() - said > ALIVE_S:
                    sys.stdout.write("alive\n")
                    sys.stdout.flush()
                    said = time.monotonic()
        except (av.error.FFmpegError, OSError):
            found["StreamParseFailed"] = [round(max((t.dts[-1] for t in tracks.values() if t.dts), default=0.0), 3)]
        for track in tracks.values():
            for item, moments in judge(track).items():
                found[item] = sorted({*found.get(item, []), *moments})[:MOMENTS]
        return {"found": found, "tags": tags, "timecode": timecode}


def main(argv: list[str]) -> None:
    """Writes the line."""
    try:
        answer = examine(*argv[1:4])
    except av.error.FFmpegError as error:
        answer = {"error": error.strerror or type(error).__name__}
    except MemoryError:
        answer = {"error": "it needs too much memory"}
    except (OSError, ValueError) as error:
        answer = {"error": type(error).__name__}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main(sys.argv)
