"""Reads what a media file is and writes it as one line of JSON:
`python -I probe_child.py FILE PROTOCOLS FORMATS DEMUXER`; an empty demuxer is found by looking at the file.

A program of its own because a hostile file may crash the libraries. It imports PyAV and the standard library only.
The line has either `error` or the facts that `services.workers.media.probe` turns into the contract's MediaMetaData.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import av
from av.audio.stream import AudioStream
from av.stream import Disposition
from av.video.stream import VideoStream

MAX_PACKETS_TO_FIRST_FRAME = 600
MAX_STREAMS = 64
MAX_PIXELS = 16384 * 8192
PROGRESSIVE = 1  # AV_FIELD_PROGRESSIVE; 0 is unknown, the others are interlaced


def _seconds(stream: VideoStream | AudioStream) -> float | None:
    if stream.duration is None or stream.time_base is None:
        return _tagged_seconds(stream.metadata.get("DURATION", ""))
    return float(stream.duration * stream.time_base)


def _tagged_seconds(text: str) -> float | None:
    """`00:01:02.500000000`, as Matroska writers tag each track."""
    try:
        hours, minutes, seconds = text.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        return None


def _video(stream: VideoStream) -> dict[str, Any]:
    context = stream.codec_context
    rate = stream.average_rate or stream.guessed_rate or stream.base_rate
    return {
        "codec": context.codec.canonical_name,
        "width": context.width,
        "height": context.height,
        "bit_rate": context.bit_rate or 0,
        "rate": [rate.numerator, rate.denominator] if rate else [0, 1],
        "base_rate": [stream.base_rate.numerator, stream.base_rate.denominator] if stream.base_rate else [0, 1],
        "profile": str(context.profile or ""),
        "level": context.level or 0,
        "primaries": int(context.color_primaries or 0),
        "transfer": int(context.color_trc or 0),
        "matrix": int(context.colorspace or 0),
        "extradata": (context.extradata or b"")[:512].hex(),
        "duration": _seconds(stream),
        "start": float(stream.start_time * stream.time_base) if stream.start_time and stream.time_base else 0.0,
        "sar": _ratio(stream),
        "pixel_format": context.pix_fmt or "",
        "bit_depth": context.format.components[0].bits if context.format and context.format.components else 8,
        "interlaced": context.field_order > PROGRESSIVE,
    }


def _ratio(stream: VideoStream) -> list[int]:
    ratio = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio
    return [ratio.numerator, ratio.denominator] if ratio else [1, 1]


def _audio(stream: AudioStream) -> dict[str, Any]:
    context = stream.codec_context
    return {
        "codec": context.codec.canonical_name,
        "sample_rate": context.sample_rate or 0,
        "channels": context.channels or 0,
        "bit_rate": context.bit_rate or 0,
        "profile": str(context.profile or ""),
        "extradata": (context.extradata or b"")[:64].hex(),
        "duration": _seconds(stream),
        "layout": context.layout.name,
        "language": (stream.language or "")[:3],
        "title": (stream.metadata.get("title") or stream.metadata.get("name") or "")[:200],
        "default": bool(stream.disposition & Disposition.default),
    }


def _first_frame(container: av.container.InputContainer, stream: VideoStream | AudioStream) -> Any:
    """The first frame that can be decoded, or None. Damaged packets before it are passed over."""
    for count, packet in enumerate(container.demux(stream)):
        try:
            for frame in packet.decode():
                return frame
        except av.error.InvalidDataError:
            pass
        if count >= MAX_PACKETS_TO_FIRST_FRAME:
            return None
    return None


def _count_bytes(container: av.container.InputContainer, facts: dict[str, Any]) -> None:
    """Bit rates of the first streams from all their packets: playlists and transport streams do not say."""
    sizes: dict[int, int] = {}
    for packet in container.demux(*container.streams.video[:1], *container.streams.audio[:1]):
        sizes[packet.stream_index] = sizes.get(packet.stream_index, 0) + packet.size
    duration = facts["duration"] or 0
    for kind, streams in (("video", container.streams.video), ("audio", container.streams.audio)):
        if streams and facts[kind] and duration > 0:
            facts[kind][0]["bit_rate"] = round(sizes.get(streams[0].index, 0) * 8 / duration)


def probe(path: str, protocols: str, formats: str, demuxer: str) -> dict[str, Any]:
    """The facts; those of a playlist are counted. Raises av.error.FFmpegError and OSError."""
    options = {"protocol_whitelist": protocols, "format_whitelist": formats}
    with av.open(f"file:{path}", format=demuxer or None, options=options, metadata_errors="replace") as container:
        videos = [
            stream
            for stream in container.streams.video[:MAX_STREAMS]
            if not stream.disposition & Disposition.attached_pic and stream.codec_context is not None
        ]
        audios = [stream for stream in container.streams.audio[:MAX_STREAMS] if stream.codec_context is not None]
        facts: dict[str, Any] = {
            "format": container.format.name,
            "size": container.size,
            "bit_rate": container.bit_rate or 0,
            "duration": None if container.duration is None else container.duration / 1_000_000,
            "video": [_video(stream) for stream in videos],
            "audio": [_audio(stream) for stream in audios],
            "start": (container.start_time or 0) / 1_000_000,
            "rotation": 0,
            "decoded": False,
        }
        first = videos[0] if videos else audios[0] if audios else None
        if first is None:
            return facts
        if videos and videos[0].codec_context.width * videos[0].codec_context.height > MAX_PIXELS:
            return {"error": "the picture is too large"}
        frame = _first_frame(container, first)
        facts["decoded"] = frame is not None
        if isinstance(frame, av.VideoFrame):
            facts["rotation"] = frame.rotation
            shown = facts["video"][0]
            shown["interlaced"] = shown["interlaced"] or frame.interlaced_frame
            for name, value in (
                ("primaries", frame.color_primaries),
                ("transfer", frame.color_trc),
                ("matrix", frame.colorspace),
            ):
                shown[name] = int(value or 0) or shown[name]
            # What needed a frame to be known, e.g. in a transport stream.
            shown["width"], shown["height"] = shown["width"] or frame.width, shown["height"] or frame.height
    if facts["format"] == "hls":
        # From the start again: a playlist whose first segment begins at 1.4 s cannot be wound back to 0.
        with av.open(f"file:{path}", options=options, metadata_errors="replace") as container:
            _count_bytes(container, facts)
    return facts


def main(argv: list[str]) -> None:
    """Writes the line."""
    try:
        found = probe(*argv[1:5])
    except av.error.FFmpegError as error:
        found = {"error": error.strerror or type(error).__name__}
    except MemoryError:
        found = {"error": "it needs too much memory"}
    except (OSError, ValueError) as error:
        found = {"error": type(error).__name__}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(sys.argv)
