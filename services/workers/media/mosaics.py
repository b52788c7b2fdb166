"""Areas made of coarse blocks. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from services.workers.media.canvas import Canvas
from shared.mps.extent import sized
from shared.mps.mosaic import MosaicInput

_BLOCKS_PER_SIDE = 30
"""A block is this part of the shorter side of the frame: 36 pixels of 1080."""
_MIN_BLOCK = 8


def mosaics(areas: Sequence[MosaicInput], canvas: Canvas) -> tuple[str, ...]:
    """A filter for each area; areas that are never to be seen are left out.

    An area is enlarged to even pixels and cut at the frame. Raises ValueError, its text beginning with the area's path
    in the parameters, for one that covers nothing of the frame: it would hide nothing, and nobody would know.
    """
    found = []
    for index, area in enumerate(areas):
        try:
            if not (times := canvas.moments(area)).never:
                found.append(_filter(index, area, canvas, canvas.enabled(times)))
        except ValueError as error:
            raise ValueError(f"MosaicSet[{index}]: {error}") from None
    return tuple(found)


def _filter(index: int, area: MosaicInput, canvas: Canvas, enabled: str) -> str:
    frame = canvas.frame
    left, right = _span(area.x_pos, area.width, frame.width)
    top, bottom = _span(area.y_pos, area.height, frame.height)
    if left >= right or top >= bottom:
        raise ValueError(f"it would lie outside of the picture, which has {frame.width}x{frame.height} pixels")
    block = max(min(frame.width, frame.height) // _BLOCKS_PER_SIDE, _MIN_BLOCK)
    name = f"mosaic{index}"
    options = ":".join([f"format={canvas.overlay_format}", "eval=init", *([enabled] if enabled else [])])
    return (
        f"split[{name}a][{name}b];"
        f"[{name}b]crop={right - left}:{bottom - top}:{left}:{top},pixelize=w={block}:h={block}[{name}c];"
        f"[{name}a][{name}c]overlay={left}:{top}:{options}"
    )


def _span(place: str, length: str, side: int) -> tuple[int, int]:
    """From and to, in even pixels: the planes of colour have one sample for two."""
    start = sized(place, "0px").pixels(side, side, side)
    end = start + sized(length, "10%").pixels(side, side, side)
    return int(start) // 2 * 2, min(-(-int(end + 0.999) // 2) * 2, side)
