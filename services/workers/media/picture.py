"""How a still or moving picture (not a video) is shaped: colours, size, fill, and its encoders. Pure.

Pictures are looked at by programs that know nothing of video: JPEG and WebP mean BT.601 (JPEG in full range), PNG and
GIF are RGB. Sources are turned upright by ffmpeg itself and made square-pixelled here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from services.workers.media.geometry import Geometry, frame_filters, placed
from services.workers.media.hdr import to_sdr
from shared.mps.media import MediaMetaData

DEINTERLACE = "estdif=mode=frame:deint=interlaced"
"""Within one frame: a single picture has no neighbours to compare with."""
FLATTEN = "format=gbrap,premultiply=inplace=1"
"""Transparent parts become black; without it they show whatever colour lies hidden there."""
HD_HEIGHT = 720
_JPEG = ("scale=out_color_matrix=bt601:out_range=pc", "format=yuvj420p")
_WEBP = ("scale=out_color_matrix=bt601:out_range=tv", "format=yuv420p")
_RGB = ("rgb", "bgr", "gbr", "argb", "abgr", "pal8", "0rgb", "0bgr", "x2rgb", "x2bgr")
_ALPHA = ("rgba", "bgra", "argb", "abgr", "gbrap", "pal8", "yuva", "ya8", "ya16")
_STILL_CODECS = frozenset({"mjpeg", "webp"})


class PictureSize(Protocol):
    """What the templates of all kinds of pictures have."""

    @property
    def width(self) -> int:
        """0 for that of the source."""
        ...

    @property
    def height(self) -> int:
        """0 for that of the source."""
        ...

    @property
    def resolution_adaptive(self) -> str:
        """`open`: width is the long side."""
        ...


@dataclass(frozen=True, slots=True)
class Encoder:
    """How a format is written: the last filters and the arguments."""

    filters: tuple[str, ...]
    arguments: tuple[str, ...]


ENCODERS = {
    "jpg": Encoder(_JPEG, ("-c:v", "mjpeg", "-q:v", "2")),
    "png": Encoder(("format=rgb24",), ("-c:v", "png")),
    "webp": Encoder(_WEBP, ("-c:v", "libwebp", "-q:v", "80")),
}


def frame_of(template: PictureSize, source: MediaMetaData, fill: str) -> Geometry:
    """The size that a template asks for. Raises InvalidInput for a picture that no encoder takes."""
    return placed(
        template.width,
        template.height,
        source,
        open_sides=template.resolution_adaptive == "open",
        stretch=fill == "stretch",
    )


def look(frame: Geometry, source: MediaMetaData, fill: str) -> tuple[str, ...]:
    """The filters that make of a decoded frame the picture that is wanted, in whatever pixel format that is then."""
    return (*_colours(source), *frame_filters(frame, fill))


def _colours(source: MediaMetaData) -> list[str]:
    filters = []
    video, facts = source.video, source.facts
    pixel_format = facts.pixel_format if facts else ""
    if facts and facts.interlaced:
        filters.append(DEINTERLACE)
    if video and video.hdr_type:
        filters += to_sdr(source)
    elif pixel_format.startswith(_ALPHA):
        filters.append(FLATTEN)
    elif video and not video.color_space and pixel_format and not pixel_format.startswith(_RGB):
        # What players take for granted.
        hd = min(source.width, source.height) >= HD_HEIGHT and video.codec not in _STILL_CODECS
        filters.append(f"setparams=colorspace={'bt709' if hd else 'smpte170m'}")
    return filters
