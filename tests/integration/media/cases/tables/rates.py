"""Bit rates of the picture. The source is noise, 3 s of it: it could fill any of these."""

from __future__ import annotations

from typing import Any

from tests.integration.media.cases.case import Case, Expect, raw, video

_NAMES = {"h265": "hevc", "mpeg2": "mpeg2video"}


def _rate(codec: str, mode: str, kbps: int, container: str = "mp4", **more: Any) -> Case:
    members = {"Bitrate": kbps, **({"Mode": mode} if mode else {}), **more}
    return Case(
        f"rate-{codec}-{mode or 'default'}-{kbps}",
        "noisy.mp4",
        raw(container, video(codec, **members)),
        Expect(video=_NAMES.get(codec, codec), audio=None, seconds=3, kbps=kbps),
    )


def _peak(name: str, kbps: float, tehd: dict[str, Any] | None = None, codec: str = "h264", **members: Any) -> Case:
    return Case(
        f"rate-at-most-{name}",
        "noisy.mp4",
        raw("mp4", video(codec, **members), **({"TEHDConfig": tehd} if tehd else {})),
        Expect(video=_NAMES.get(codec, codec), audio=None, seconds=3, kbps_at_most=kbps),
    )


CASES = [
    *(_rate("h264", mode, kbps) for mode in ("", "VBR", "ABR", "CBR") for kbps in (200, 600)),
    *(_rate("h265", mode, 400) for mode in ("VBR", "ABR", "CBR")),
    *(_rate("av1", mode, 400) for mode in ("VBR", "ABR", "CBR")),
    *(_rate("vp9", mode, 400, "webm") for mode in ("VBR", "ABR", "CBR")),
    *(_rate("vp8", mode, 400, "webm") for mode in ("VBR", "ABR", "CBR")),
    *(_rate("mpeg2", mode, 1500, "mxf") for mode in ("VBR", "ABR", "CBR")),
    _peak("quality-and-a-rate", 600 * 1.15, Vcrf=10, Bitrate=600),
    _peak("top-speed", 500 * 1.15, {"Type": "TEHD-100", "MaxVideoBitrate": 500}),
    _peak("top-speed-h265", 500 * 1.15, {"Type": "TEHD-100", "MaxVideoBitrate": 500}, "h265"),
    _peak("top-speed-and-a-rate", 300 * 1.15, {"Type": "TEHD-100", "MaxVideoBitrate": 500}, Bitrate=300),
]
