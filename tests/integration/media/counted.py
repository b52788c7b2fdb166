"""Clips whose frames carry their number: in binary, as columns of black and white, the lowest bit on the left.

What a picture shows can be read back from it whatever its size and format, also out of a tile or an animation.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from tests.integration.media.conftest import make

BITS = 8
RATE = 25
_COLUMNS = f"geq=lum='if(mod(floor(N/pow(2,floor(X*{BITS}/W))),2),235,16)':cb=128:cr=128"


def make_counted(path: Path, duration_s: float, *, key_every: int, rate: int = RATE, filters: str = "") -> None:
    """160 x 90; the container follows the name. `filters` come behind the numbers."""
    source = f"color=gray:size=160x90:rate={rate}:duration={duration_s}"
    chain = ",".join(text for text in (_COLUMNS, filters) if text)
    encoder = ["-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", str(key_every), "-sc_threshold", "0"]
    make("-f", "lavfi", "-i", source, "-vf", chain, *encoder, "-pix_fmt", "yuv420p", "-fps_mode", "vfr", str(path))


def number_in(image: Image.Image) -> int:
    """The number of the frame that a picture shows."""
    grey = image.convert("L")
    width, height = grey.size
    return sum((grey.getpixel((int((bit + 0.5) * width / BITS), height // 2)) > 128) << bit for bit in range(BITS))


def number_of(path: Path) -> int:
    """As `number_in`, of a file."""
    with Image.open(path) as image:
        return number_in(image)
