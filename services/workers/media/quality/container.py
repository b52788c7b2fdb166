"""What is wrong with a container and its streams, in the contract's words (MPS_EVENTS §4)."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from services.workers.media.ffmpeg import FORMATS, PROTOCOLS
from services.workers.media.process import CpuExceeded, probe_limits, run
from shared.model.failure import InternalError
from shared.mps.media import MediaMetaData
from shared.mps.quality_control import ContainerDiagnoseResultItem

CHILD = Path(__file__).with_name("packets_child.py")
_SENSIBLE_SAR = (0.2, 5.0)
_APPLE_TAGS = {"hevc": "hvc1", "h264": "avc1"}
"""The sample entries that Apple's HLS authoring rules ask of MP4."""
_DECODER = re.compile(r"\[(?:[vai]st#\d+:\d+/|dec:)?(?P<codec>[a-z0-9_]+)(?: @ [^\]]*)?\]")

Severity = Literal["Fatal", "Error", "Warning", "Notice", "Info"]
_KNOWN: Mapping[str, tuple[str, Severity]] = {
    "DarOrSarInvalid": ("DecodeParamException", "Warning"),
    "TimestampFallback": ("TimeStampException", "Error"),
    "DtsJitter": ("TimeStampException", "Warning"),
    "PtsJitter": ("TimeStampException", "Warning"),
    "PtsLessThanDts": ("TimeStampException", "Error"),
    "AudioDroppingFrames": ("FrameException", "Warning"),
    "VideoDroppingFrames": ("FrameException", "Warning"),
    "FpsJitter": ("FrameException", "Warning"),
    "StreamParseFailed": ("StreamStatusException", "Fatal"),
    "AudioStreamLack": ("StreamStatusException", "Notice"),
    "VideoStreamLack": ("StreamStatusException", "Notice"),
    "VideoFirstFrameNotIdr": ("StreamAbnormalCharacteristics", "Error"),
    "VideoDuplicatedFrame": ("StreamAbnormalCharacteristics", "Warning"),
    "AudioOutOfPhase": ("StreamAbnormalCharacteristics", "Warning"),
    "VideoRotation": ("StreamInfo", "Notice"),
    "TimecodeTrackExist": ("StreamInfo", "Notice"),
    "Mp4InvalidCodecFourcc": ("HLSRequirements", "Warning"),
    "VideoDecodeFailed": ("DecodeException", "Error"),
    "AudioDecodeFailed": ("DecodeException", "Error"),
}
"""Category and severity of each item; which severity goes with which is not published [OURS]."""


@dataclass(frozen=True, slots=True)
class Packets:
    """What reading all packets told. `moments` are seconds by item."""

    moments: Mapping[str, Sequence[float]] = field(default_factory=dict)
    tags: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Codec and four-character code of the first stream of each type."""
    timecode: bool = False


async def examine(path: Path, size_bytes: int, folder: Path) -> Packets:
    """Reads all packets in a child process; decodes nothing. Raises InternalError."""
    lines: list[str] = []

    def keep(line: str) -> bool:
        lines[:] = [line]
        return True

    program = [sys.executable, "-I", "-B", str(CHILD), str(path), PROTOCOLS, FORMATS]
    try:
        ended = await run(program, folder, keep, probe_limits(size_bytes))
    except CpuExceeded:
        return Packets({"StreamParseFailed": []})
    if ended.returncode < 0:
        # A file that crashes the demuxer or exhausts its limits would do so again.
        return Packets({"StreamParseFailed": []})
    if ended.returncode != 0 or not lines:
        raise InternalError(f"reading the packets ended with code {ended.returncode}")
    answer: dict[str, Any] = json.loads(lines[-1])
    if "error" in answer:
        return Packets({"StreamParseFailed": []})
    return Packets(answer["found"], answer["tags"], answer["timecode"])


def diagnose(
    source: MediaMetaData, packets: Packets, complaints: str, moments: Mapping[str, Sequence[float]]
) -> dict[str, Sequence[float]]:
    """Every fault with its moments; none means that the whole stream is meant.

    `complaints` is what the decoders wrote, `moments` what looking and listening found.
    """
    found: dict[str, Sequence[float]] = {**packets.moments, **moments}
    if source.video is None:
        found["VideoStreamLack"] = []
    if source.audio is None:
        found["AudioStreamLack"] = []
    if source.rotate:
        found["VideoRotation"] = []
    if source.video is not None and source.facts is not None and not _sensible(source):
        found["DarOrSarInvalid"] = []
    if packets.timecode:
        found["TimecodeTrackExist"] = []
    codec, tag = packets.tags.get("video", ("", ""))
    if "mp4" in source.container.split(",") and _APPLE_TAGS.get(codec, tag) != tag:
        found["Mp4InvalidCodecFourcc"] = []
    for item in decoders_that_failed(source, complaints):
        found[item] = []
    return found


def _sensible(source: MediaMetaData) -> bool:
    facts = source.facts
    if facts is None or facts.sar_denominator == 0:
        return facts is None or facts.sar_numerator == 0
    return _SENSIBLE_SAR[0] <= facts.sar_numerator / facts.sar_denominator <= _SENSIBLE_SAR[1]


def decoders_that_failed(source: MediaMetaData, complaints: str) -> list[str]:
    """Which of the first streams' decoders complained."""
    video = source.video.codec if source.video else ""
    audio = source.audio.codec if source.audio else ""
    named = {match["codec"].removesuffix("float") for match in _DECODER.finditer(complaints)}
    found = []
    if video and video in named:
        found.append("VideoDecodeFailed")
    if audio and audio in named:
        found.append("AudioDecodeFailed")
    return found


def items(found: Mapping[str, Sequence[float]], wanted: Iterable[str]) -> list[ContainerDiagnoseResultItem]:
    """The contract's list, of what was asked for."""
    asked = frozenset(wanted)
    return [
        ContainerDiagnoseResultItem(
            category=_KNOWN[item][0], type=item, severity_level=_KNOWN[item][1], timestamp_set=list(found[item])
        )
        for item in _KNOWN
        if item in found and item in asked
    ]
