"""The size of a picture that a template makes of a source. Pure.

The rules of `services.workers.media.geometry`, which the encoder follows; a test keeps the two together.
"""

from __future__ import annotations

from shared.mps.media import MediaMetaData


def frame_size(
    width: int, height: int, source: MediaMetaData, *, close: bool, even: bool = True, sar: int = 1
) -> tuple[int, int]:
    """Width and height. 0 x 0 keeps the source's size, one 0 its aspect ratio; unless `close`, width is the long."""
    shown_width, shown_height = source.shown_size
    if not shown_width or not shown_height:
        return 0, 0
    own_width, own_height = shown_width / sar, float(shown_height)
    if not close and source.shown_portrait:
        width, height = height, width
    step = 2 if even else 1
    if not width and not height:
        return _down(own_width, step), _down(own_height, step)
    if not height:
        width = _down(width, step)
        return width, _near(width * own_height / own_width, step)
    if not width:
        height = _down(height, step)
        return _near(height * own_width / own_height, step), height
    return _down(width, step), _down(height, step)


def _down(value: float, step: int) -> int:
    return max(int(value) // step * step, step)


def _near(value: float, step: int) -> int:
    return max(int(value / step + 0.5) * step, step)
