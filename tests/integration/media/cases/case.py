"""A case: a source, parameters in the contract's words, and what the output must be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

Wire = dict[str, Any]


@dataclass(frozen=True)
class Expect:
    """What must be measured. A member that is None is not looked at, but for `video` and `audio`: there None means
    that the output must have no such stream."""

    video: str | None = "h264"
    """Codec."""
    audio: str | None = "aac"
    """Codec."""
    container: str | None = None
    """The demuxer's name, or one of its names."""
    seconds: float | None = 2.0
    """Of each stream, within 0.1 s."""
    size: tuple[int, int] | None = None
    """As stored."""
    sar: tuple[int, int] | None = None
    fps: float | None = None
    """Within 1 %."""
    frames: int | None = None
    kbps: float | None = None
    """Of the video, within 15 %."""
    kbps_at_most: float | None = None
    """Of the video."""
    gop: int | None = None
    """Every distance between key frames, in frames; the last group may be shorter."""
    gop_at_most: int | None = None
    keys_at: tuple[float, ...] | None = None
    """A key frame begins within half a frame of each of these seconds."""
    pixels: str | None = None
    profile: str | None = None
    level: int | None = None
    b_frames: bool | None = None
    transfer: int | None = None
    """ISO/IEC 23091-2."""
    channels: int | None = None
    layout: str | None = None
    rate: int | None = None
    """Hz."""
    audio_kbps: float | None = None
    """Within 15 %."""
    segments: tuple[float, ...] | None = None
    """Seconds of each, within a tenth."""
    tags: Wire = field(default_factory=dict)
    """Of the sound."""


@dataclass(frozen=True)
class Case:
    """One row."""

    name: str
    source: str
    params: Wire
    expect: Expect


def video(codec: str = "h264", **members: Any) -> Wire:
    """A VideoTemplate: the source's frame rate, by quality."""
    return {"Codec": codec, "Fps": 0, "Bitrate": 0} | members


def audio(codec: str = "aac", bitrate: int = 64, rate: int = 0, **members: Any) -> Wire:
    """An AudioTemplate."""
    return {"Codec": codec, "Bitrate": bitrate, "SampleRate": rate} | members


def raw(container: str, picture: Wire | None = None, sound: Wire | None = None, **more: Any) -> Wire:
    """Parameters of a raw template; a stream that is not given is removed."""
    template: Wire = {"Container": container}
    template |= {"VideoTemplate": picture} if picture else {"RemoveVideo": 1}
    template |= {"AudioTemplate": sound} if sound else {"RemoveAudio": 1}
    if "TEHDConfig" in more:
        template["TEHDConfig"] = more.pop("TEHDConfig")
    return {"Definition": 0, "RawParameter": template} | more


def rows(cases: list[Case]) -> list[Any]:
    """For `parametrize`."""
    return [pytest.param(case, id=case.name) for case in cases]
