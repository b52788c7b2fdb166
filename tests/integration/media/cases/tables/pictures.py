"""Sizes, shapes, frame rates, groups of pictures, profiles, depth."""

from __future__ import annotations

from typing import Any

from tests.integration.media.cases.case import Case, Expect, raw, video


def _case(name: str, source: str = "plain.mp4", container: str = "mp4", *, expect: Expect, **members: Any) -> Case:
    codec = members.pop("Codec", "h264")
    return Case(name, source, raw(container, video(codec, **members)), expect)


def _size(
    name: str, size: tuple[int, int], source: str = "plain.mp4", sar: tuple[int, int] = (1, 1), **more: Any
) -> Case:
    seconds = 1.0 if source in ("wide.mp4", "odd.mkv") else 2.0
    return _case(f"size-{name}", source, expect=Expect(audio=None, size=size, sar=sar, seconds=seconds), **more)


SIZES = [
    _size("as-the-source", (160, 90)),
    _size("larger-width", (320, 180), Width=320),
    _size("larger-height", (320, 180), Height=180),
    _size("smaller-width", (160, 90), "wide.mp4", Width=160),
    _size("smaller-height", (228, 128), "wide.mp4", Height=128),
    _size("both", (200, 200), Width=200, Height=200),
    _size("odd-wish-is-made-even", (200, 150), Width=201, Height=151),
    _size("long-side-of-a-portrait", (180, 320), "left.mp4", Width=320),
    _size("short-side-of-a-portrait", (128, 228), "right.mp4", Height=128),
    _size("width-of-a-portrait-as-it-is", (180, 320), "left.mp4", Width=180, ResolutionAdaptive="close"),
    _size("height-of-a-portrait-as-it-is", (144, 256), "left.mp4", Height=256, ResolutionAdaptive="close"),
    _size("both-of-a-portrait", (180, 320), "left.mp4", Width=320, Height=180),
    _size("upside-down", (160, 90), "upside_down.mp4"),
    _size("odd-source", (160, 90), "odd.mkv"),
    _size("anamorphic-becomes-square", (320, 90), "anamorphic.mp4"),
    _size("pixels-twice-as-wide", (160, 180), Width=160, Height=180, ResolutionAdaptive="close", Sar="2:1", sar=(2, 1)),
    _size("stretched", (200, 200), Width=200, Height=200, FillType="stretch"),
    _size("white-bars", (200, 200), Width=200, Height=200, FillType="white"),
    _size("blurred-bars", (200, 200), Width=200, Height=200, FillType="gauss"),
]


def _fps(name: str, fps: float, source: str = "plain.mp4", frames: int | None = None, **more: Any) -> Case:
    return _case(f"fps-{name}", source, expect=Expect(audio=None, fps=fps, frames=frames), **more)


RATES = [
    _fps("as-the-source", 25, frames=50),
    _fps("fewer", 10, Fps=10, frames=20),
    _fps("more", 50, Fps=50, frames=100),
    _fps("most", 120, Fps=120, frames=240),
    _fps("one", 1, Fps=1, frames=2),
    _fps("fraction", 30000 / 1001, Fps=30000, FpsDenominator=1001, frames=60),
    _fps("fraction-of-the-source", 30000 / 1001, "ntsc.mp4", frames=60),
    _fps("ntsc-to-film", 24, "ntsc.mp4", Fps=24, frames=48),
    _fps("half-of-fifty", 25, "fast.mp4", Fps=25, frames=50),
    _fps("of-a-variable-source", 30, "vfr.mp4", Fps=30, frames=60),
]


def _gop(name: str, codec: str = "h264", container: str = "mp4", source: str = "noisy.mp4", **more: Any) -> Case:
    seen = {
        "gop": more.pop("gop", None),
        "keys_at": more.pop("keys_at", None),
        "gop_at_most": more.pop("at_most", None),
    }
    found = {"h265": "hevc", "mpeg2": "mpeg2video"}.get(codec, codec)
    expect = Expect(video=found, audio=None, seconds=3 if source == "noisy.mp4" else 2, **seen)
    return _case(f"gop-{name}", source, container, expect=expect, Codec=codec, **more)


GROUPS = [
    _gop("frames", Gop=10, gop=10),
    _gop("frames-h265", "h265", Gop=15, gop=15),
    _gop("frames-vp9", "vp9", "webm", Gop=20, gop=20),
    _gop("frames-vp8", "vp8", "webm", Gop=25, gop=25),
    _gop("frames-av1", "av1", Gop=25, gop=25),
    _gop("all-key-frames", Gop=1, gop=1),
    _gop("seconds", Gop=1, GopUnit="second", gop=25, keys_at=(0, 1, 2)),
    _gop("seconds-h265", "h265", Gop=1, GopUnit="second", gop=25, keys_at=(0, 1, 2)),
    _gop("seconds-av1", "av1", Gop=1, GopUnit="second", gop=25, keys_at=(0, 1, 2)),
    _gop("seconds-at-another-rate", Gop=1, GopUnit="second", Fps=10, gop=10, keys_at=(0, 1, 2)),
    _gop("seconds-of-a-variable-source", source="vfr.mp4", Gop=1, GopUnit="second", keys_at=(0,), at_most=25),
    _gop("without-scene-cuts", Gop=25, NoScenecut=1, gop=25),
    _gop("by-itself", at_most=250),
]


def _syntax(name: str, codec: str = "h264", container: str = "mp4", *, expect: dict[str, Any], **more: Any) -> Case:
    found = {"h265": "hevc"}.get(codec, codec)
    return _case(name, container=container, expect=Expect(video=found, audio=None, **expect), Codec=codec, **more)


SYNTAX = [
    _syntax("profile-baseline", VideoProfile="baseline", expect={"profile": "Constrained Baseline", "b_frames": False}),
    _syntax("profile-main", VideoProfile="main", expect={"profile": "Main"}),
    _syntax("profile-high", VideoProfile="high", expect={"profile": "High", "b_frames": True}),
    _syntax("profile-default", VideoProfile="default", expect={"profile": "High"}),
    _syntax("profile-h265-main", "h265", VideoProfile="main", expect={"profile": "Main"}),
    _syntax("level-h264", VideoLevel="3.1", expect={"level": 31}),
    _syntax("level-h264-4", VideoLevel="4", expect={"level": 40}),
    _syntax("level-h265", "h265", VideoLevel="4.1", expect={"level": 123}),
    _syntax("no-b-frames", Bframes=0, expect={"b_frames": False}),
    _syntax("b-frames", Bframes=3, expect={"b_frames": True}),
    _syntax("no-b-frames-h265", "h265", Bframes=0, expect={"b_frames": False}),
    _syntax("depth-8", BitDepth=8, expect={"pixels": "yuv420p"}),
    _syntax("depth-10-h264", BitDepth=10, expect={"pixels": "yuv420p10le", "profile": "High 10"}),
    _syntax("depth-10-h265", "h265", BitDepth=10, expect={"pixels": "yuv420p10le", "profile": "Main 10"}),
    _syntax("depth-10-av1", "av1", BitDepth=10, expect={"pixels": "yuv420p10le"}),
    _syntax("depth-10-vp9", "vp9", "webm", BitDepth=10, expect={"pixels": "yuv420p10le", "profile": "Profile 2"}),
]

CASES = [*SIZES, *RATES, *GROUPS, *SYNTAX]
