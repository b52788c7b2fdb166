"""What a media file is, as the contract's MediaMetaData, found out in a child process."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from services.workers.media.codecs import audio_codecs, video_codecs
from services.workers.media.ffmpeg import FORMATS, PROTOCOLS
from services.workers.media.process import PROBE_LIMITS, CpuExceeded, Limits, probe_limits, run
from shared.model.failure import ErrCode, InternalError, SourceFileError
from shared.mps.facts import AudioFacts, MediaFacts
from shared.mps.media import MediaAudioStreamItem, MediaMetaData, MediaVideoStreamItem

CHILD = Path(__file__).with_name("probe_child.py")
MAX_DURATION_S = 7 * 86400
"""What a source may claim to last: longer is a mistake, or a trick to keep a worker busy."""

# ISO/IEC 23091-2 (also H.273), in the words of ffprobe.
_PRIMARIES = {1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film", 9: "bt2020"} | {
    10: "smpte428",
    11: "smpte431",
    12: "smpte432",
}
_TRANSFERS = {1: "bt709", 4: "gamma22", 5: "gamma28", 6: "smpte170m", 7: "smpte240m", 8: "linear"} | {
    11: "iec61966-2-4",
    13: "iec61966-2-1",
    14: "bt2020-10",
    15: "bt2020-12",
    16: "smpte2084",
    17: "smpte428",
    18: "arib-std-b67",
}
_MATRICES = {0: "gbr", 1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "ycgco"} | {
    9: "bt2020nc",
    10: "bt2020c",
}
_CRASHES = frozenset(
    -number for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)
)
_HDR = {"smpte2084": "hdr10", "arib-std-b67": "hlg"}


async def probe(path: Path, demuxer: str = "") -> MediaMetaData:
    """Metadata of an untrusted file, read as `demuxer` says or as it looks.

    Raises SourceFileError if it is no media that can be decoded.
    """
    size_bytes = (await asyncio.to_thread(path.stat)).st_size
    if size_bytes == 0:
        raise SourceFileError("the source is empty: it has 0 bytes")
    facts = await _facts(path, FORMATS, PROBE_LIMITS, demuxer)
    if "error" in facts:
        raise SourceFileError(f"the source cannot be read as media: {str(facts['error'])[:200]}")
    data = to_metadata(facts, size_bytes)
    if not data.video_stream_set and not data.audio_stream_set:
        raise SourceFileError("the source cannot be read as media: it has no video and no audio")
    if data.video and not (data.width and data.height):
        raise SourceFileError("the picture of the source has no size", ErrCode.NO_RESOLUTION)
    if not facts["decoded"]:
        raise SourceFileError("the source is damaged: nothing of it can be decoded")
    if not data.duration <= MAX_DURATION_S:
        raise SourceFileError(
            f"the source claims to last {data.duration / 86400:.0f} days, more than {MAX_DURATION_S // 86400}"
        )
    return data


async def probe_output(path: Path, size_bytes: int) -> MediaMetaData:
    """Metadata of a file that we made, which may be an HLS playlist; `size_bytes` counts all its parts.

    Raises SourceFileError if nothing came out of the source that can be played: the next attempt would end the same.
    """
    facts = await _facts(path, f"{FORMATS},hls", probe_limits(size_bytes))
    if "error" in facts or not facts["decoded"]:
        reason = facts.get("error", "nothing can be decoded")
        raise SourceFileError(f"nothing that can be played came out of the source: {reason}")
    if facts["duration"]:
        # The demuxer knows the playlist's own size only.
        facts["bit_rate"] = round(size_bytes * 8 / facts["duration"])
    return to_metadata(facts, size_bytes)


async def _facts(path: Path, formats: str, limits: Limits, demuxer: str = "") -> dict[str, Any]:
    lines: list[str] = []

    def keep(line: str) -> bool:
        lines.append(line)
        return True

    program = [sys.executable, "-I", "-B", str(CHILD), str(path), PROTOCOLS, formats, demuxer]
    try:
        ended = await run(program, path.parent, keep, limits)
    except CpuExceeded:
        # Processor time, unlike time, does not depend on what else the machine does: the file's doing as well.
        return {"error": "it takes too long to read"}
    if ended.returncode in _CRASHES:
        # The file's doing: it would crash the next attempt as well.
        return {"error": "the decoder crashed"}
    if ended.returncode != 0 or not lines:
        raise InternalError(f"the probe ended with code {ended.returncode}")
    facts: dict[str, Any] = json.loads(lines[-1])
    return facts


def to_metadata(facts: Mapping[str, Any], size_bytes: int) -> MediaMetaData:
    """The child's facts in the contract's words. Streams without a duration of their own last as long as the file."""
    videos, audios = facts["video"], facts["audio"]
    known = [stream["duration"] for stream in (*videos, *audios) if stream["duration"]]
    duration = facts["duration"] or max(known, default=0.0)
    video_items = [_video_item(stream) for stream in videos]
    audio_items = [_audio_item(stream) for stream in audios]
    bitrate = facts["bit_rate"] or (round(size_bytes * 8 / duration) if duration else 0)
    if len(video_items) == 1 and not video_items[0].bitrate:
        # Matroska and transport streams do not say; what is left of the whole is the picture's.
        left = max(bitrate - sum(item.bitrate for item in audio_items), 0)
        video_items = [video_items[0].model_copy(update={"bitrate": left})]
    first = video_items[0] if video_items else MediaVideoStreamItem()
    return MediaMetaData(
        size=size_bytes,
        container=facts["format"],
        bitrate=bitrate,
        height=first.height,
        width=first.width,
        duration=round(duration, 3),
        # PyAV counts anticlockwise, -180 to 180.
        rotate=round(-facts["rotation"]) % 360,
        video_stream_set=video_items,
        audio_stream_set=audio_items,
        video_duration=round((videos[0]["duration"] or duration) if videos else 0.0, 3),
        audio_duration=round((audios[0]["duration"] or duration) if audios else 0.0, 3),
        facts=_encoding_facts(facts),
    )


def _encoding_facts(facts: Mapping[str, Any]) -> MediaFacts:
    video = facts["video"][0] if facts["video"] else {}
    sar = video.get("sar", [1, 1])
    base_rate = video.get("base_rate", [0, 1])
    return MediaFacts(
        sar_numerator=sar[0],
        sar_denominator=sar[1],
        base_rate_numerator=base_rate[0],
        base_rate_denominator=base_rate[1] or 1,
        pixel_format=video.get("pixel_format", ""),
        bit_depth=video.get("bit_depth", 8),
        interlaced=video.get("interlaced", False),
        profile=video.get("profile", ""),
        level=video.get("level", 0),
        start=facts.get("start", 0.0),
        video_start=max(round(video.get("start", 0.0) - facts.get("start", 0.0), 3), 0.0) if video else 0.0,
        audio=[
            AudioFacts(
                layout=stream.get("layout", ""),
                language="" if stream.get("language", "") == "und" else stream.get("language", ""),
                title=stream.get("title", ""),
                default=stream.get("default", False),
            )
            for stream in facts["audio"]
        ],
    )


def _video_item(stream: Mapping[str, Any]) -> MediaVideoStreamItem:
    numerator, denominator = stream["rate"]
    transfer = _TRANSFERS.get(stream["transfer"], "")
    return MediaVideoStreamItem(
        bitrate=stream["bit_rate"],
        height=stream["height"],
        width=stream["width"],
        codec=stream["codec"],
        fps=round(numerator / denominator) if denominator else 0,
        color_primaries=_PRIMARIES.get(stream["primaries"], ""),
        color_space=_MATRICES.get(stream["matrix"], ""),
        color_transfer=transfer,
        hdr_type=_HDR.get(transfer, ""),
        codecs=video_codecs(stream["codec"], bytes.fromhex(stream["extradata"]), stream["profile"], stream["level"]),
        fps_numerator=numerator,
        fps_denominator=denominator or 1,
    )


def _audio_item(stream: Mapping[str, Any]) -> MediaAudioStreamItem:
    return MediaAudioStreamItem(
        bitrate=stream["bit_rate"],
        sampling_rate=stream["sample_rate"],
        codec=stream["codec"],
        channel=stream["channels"],
        codecs=audio_codecs(stream["codec"], bytes.fromhex(stream["extradata"]), stream["profile"]),
    )
