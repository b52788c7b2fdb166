"""WebVTT as HLS wants it (RFC 8216 §3.5). Pure."""

from __future__ import annotations

import math

_CLOCK_HZ = 90_000
_HEADER = "WEBVTT"


def timed(text: str, begins_s: float) -> str:
    """A WebVTT file whose times count from the first picture, which the streams show at `begins_s`."""
    head, _, body = text.partition("\n")
    assert head.startswith(_HEADER)
    return f"{_HEADER}\nX-TIMESTAMP-MAP=MPEGTS:{round(begins_s * _CLOCK_HZ)},LOCAL:00:00:00.000\n{body}"


def playlist(uri: str, lasts_s: float) -> str:
    """The media playlist of subtitles that are one file: they are small, and one segment may be as long as a film."""
    return "\n".join(
        [
            "#EXTM3U",
            "#EXT-X-VERSION:6",
            f"#EXT-X-TARGETDURATION:{max(math.ceil(lasts_s), 1)}",
            "#EXT-X-MEDIA-SEQUENCE:0",
            "#EXT-X-PLAYLIST-TYPE:VOD",
            f"#EXTINF:{lasts_s:.6f},",
            uri,
            "#EXT-X-ENDLIST",
            "",
        ]
    )
