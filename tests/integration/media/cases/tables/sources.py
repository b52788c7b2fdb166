"""What users send (FACTS §5): each comes out right."""

from __future__ import annotations

from typing import Any

from tests.integration.media.cases.case import Case, Expect, audio, raw, video

_BT709, _PQ, _HLG = 1, 16, 18


def _case(name: str, source: str, codec: str = "h264", *, expect: dict[str, Any], **members: Any) -> Case:
    found = {"h265": "hevc"}.get(codec, codec)
    return Case(f"source-{name}", source, raw("mp4", video(codec, **members), audio()), Expect(video=found, **expect))


CASES = [
    _case("odd-size", "odd.mkv", expect={"size": (160, 90), "pixels": "yuv420p", "seconds": 1}),
    _case("turned-left", "left.mp4", expect={"size": (90, 160)}),
    _case("turned-right", "right.mp4", expect={"size": (90, 160)}),
    _case("upside-down", "upside_down.mp4", expect={"size": (160, 90)}),
    _case("variable-frame-rate", "vfr.mp4", expect={"size": (160, 90), "frames": 32}),
    _case("no-sound", "silent.mp4", expect={"audio": None, "frames": 50}),
    _case("six-channels", "surround.mp4", expect={"channels": 2, "layout": "stereo"}),
    _case("pq", "pq.mp4", expect={"pixels": "yuv420p", "transfer": _BT709, "seconds": 1}),
    _case("hlg", "hlg.mp4", expect={"pixels": "yuv420p", "transfer": _BT709, "seconds": 1}),
    _case("pq-stays", "pq.mp4", "h265", BitDepth=10, expect={"pixels": "yuv420p10le", "transfer": _PQ, "seconds": 1}),
    _case(
        "hlg-stays", "hlg.mp4", "h265", BitDepth=10, expect={"pixels": "yuv420p10le", "transfer": _HLG, "seconds": 1}
    ),
    _case("gif", "loop.gif", expect={"audio": None, "fps": 10, "frames": 10, "pixels": "yuv420p", "seconds": 1}),
    _case("png", "still.png", expect={"audio": None, "frames": 1, "seconds": None, "pixels": "yuv420p"}),
    _case("jpeg-of-odd-size", "still.jpg", expect={"audio": None, "frames": 1, "seconds": None, "size": (160, 90)}),
    _case("interlaced", "interlaced.ts", expect={"fps": 25, "size": (160, 90)}),
    _case("times-that-begin-late", "late.ts", expect={"frames": 50}),
    Case("source-sound-alone", "tone.mp3", raw("m4a", None, audio()), Expect(video=None, channels=2, rate=44100)),
    Case(
        "source-sound-of-a-film",
        "noisy.mp4",
        raw("mp3", None, audio("mp3", 128)),
        Expect(video=None, audio="mp3", seconds=3),
    ),
]
