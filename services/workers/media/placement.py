"""Where a watermark lies on the picture, and how large it is (MPS_API §7). Pure.

Pixels are those of the output; per cent are of its sides.
"""

from __future__ import annotations

from dataclasses import dataclass

from services.workers.media.geometry import MAX_SIDE, Geometry
from shared.mps.extent import Extent
from shared.mps.watermark import AnyMark

MAX_PIXELS = 64 * 1024**2


class Misplaced(ValueError):
    """A watermark that nobody would see, or that is too large to be drawn."""


@dataclass(frozen=True, slots=True)
class Box:
    """In pixels of the output, from its upper left corner; `left` and `top` may be negative."""

    left: int
    top: int
    width: int
    height: int


def size_of(extents: tuple[Extent, Extent], own: tuple[int, int], frame: Geometry) -> tuple[int, int]:
    """The size of a picture of its `own` size (square pixels): a side of 0 follows from the other one, and both 0 keep
    it. Raises Misplaced."""
    width = extents[0].pixels(frame.width, frame.width, frame.height)
    height = extents[1].pixels(frame.height, frame.width, frame.height)
    own_width, own_height = own[0] / frame.sar, float(own[1])
    if not width and not height:
        width, height = own_width, own_height
    elif not height:
        height = width * own_height / own_width
    elif not width:
        width = height * own_width / own_height
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise Misplaced(f"it would be {width:.0f}x{height:.0f} pixels large, which is too much")
    return max(round(width), 1), max(round(height), 1)


def box_of(mark: AnyMark, size: tuple[int, int], frame: Geometry) -> Box:
    """Where something of that size comes to lie. Raises Misplaced if no part of it is on the picture."""
    x, y = offsets(mark, frame)
    width, height = size
    left = frame.width - width - x if mark.coordinate_origin.endswith("Right") else x
    top = frame.height - height - y if mark.coordinate_origin.startswith("Bottom") else y
    if left >= frame.width or top >= frame.height or left + width <= 0 or top + height <= 0:
        raise Misplaced(f"it would lie outside of the picture, which has {frame.width}x{frame.height} pixels")
    return Box(left, top, width, height)


def offsets(mark: AnyMark, frame: Geometry) -> tuple[int, int]:
    """XPos and YPos in pixels. Raises Misplaced if they are beyond the picture."""
    x = round(Extent.parse(mark.x_pos or "0px").pixels(frame.width, frame.width, frame.height))
    y = round(Extent.parse(mark.y_pos or "0px").pixels(frame.height, frame.width, frame.height))
    if x >= frame.width or y >= frame.height:
        raise Misplaced(f"it would lie outside of the picture, which has {frame.width}x{frame.height} pixels")
    return x, y
