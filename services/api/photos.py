"""Photos that a caller sends, decoded and made anew: what is kept is a picture of ours, whatever was sent."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
from dataclasses import dataclass

from PIL import Image, ImageOps

from shared.errors import ReelwayError

MAX_PHOTO_BYTES = 3 * 1024 * 1024
"""As sent [OURS]: two fit into a request, or five smaller ones."""
MAX_PIXELS = 16_000_000
LEAST_SIDE = 200
KEPT_SIDE = 1024
"""The longer side of what is kept."""
PREVIEW_SIDE = 64
_QUALITY = 90


class UnusablePhoto(ReelwayError):
    """What was sent is no photo that can be kept."""

    code = "unusable_photo"


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo as it is kept: JPEG in Base64, upright. `mark` is the same for the same bytes sent again."""

    mark: str
    width: int
    height: int
    content: str
    preview: str


def read_photo(text: str) -> Photo:
    """Decodes the picture whole. Blocks for some 100 ms. Raises UnusablePhoto."""
    if len(text) > MAX_PHOTO_BYTES * 4 // 3 + 4:
        raise UnusablePhoto(f"a photo may have at most {MAX_PHOTO_BYTES} bytes")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise UnusablePhoto("it is no Base64") from None
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as picture:
            _check_size(picture)
            picture.draft("RGB", (KEPT_SIDE, KEPT_SIDE))
            picture.load()
            upright = ImageOps.exif_transpose(picture).convert("RGB")
    except UnusablePhoto:
        raise
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        # What Pillow raises for files that are broken differs from place to place.
        raise UnusablePhoto("it is no JPEG or PNG picture that can be decoded") from None
    upright.thumbnail((KEPT_SIDE, KEPT_SIDE))
    width, height = upright.size
    content = _jpeg(upright)
    upright.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    return Photo(hashlib.sha256(data).hexdigest()[:32], width, height, content, _jpeg(upright))


def _check_size(picture: Image.Image) -> None:
    """By what the header says, before anything is decoded."""
    width, height = picture.size
    if min(width, height) < LEAST_SIDE:
        raise UnusablePhoto(f"it has {width} x {height} pixels, at least {LEAST_SIDE} x {LEAST_SIDE} are needed")
    if width * height > MAX_PIXELS:
        raise UnusablePhoto(f"it has {width} x {height} pixels, more than {MAX_PIXELS}")


def _jpeg(picture: Image.Image) -> str:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=_QUALITY)
    return base64.b64encode(stream.getvalue()).decode()
