"""Where the picture lies in the frame of an output. Pure.

Everything is counted in the pixels that are stored; a stored pixel may be twice as wide as it is high (Sar 2:1).
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.model.failure import InvalidInput
from shared.mps.media import MediaMetaData
from shared.mps.transcode import VideoTemplateInfo

MAX_SIDE = 16384
"""Pixels; no encoder of ours goes further."""
BLUR_SHRINK = 4
"""The blurred background is blurred small and then enlarged: the same look at a sixteenth of the work."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """`width` x `height` is the frame, `inner_width` x `inner_height` the picture in its middle; `sar` the shape of a
    pixel."""

    width: int
    height: int
    inner_width: int
    inner_height: int
    sar: int = 1

    @property
    def filled(self) -> bool:
        """Whether the picture fills the frame."""
        return (self.inner_width, self.inner_height) == (self.width, self.height)


def geometry(video: VideoTemplateInfo, source: MediaMetaData) -> Geometry:
    """The frame that a template of a video asks for and the picture in it. Raises InvalidInput for a picture that no
    encoder takes."""
    return placed(
        video.width or 0,
        video.height or 0,
        source,
        open_sides=video.resolution_adaptive != "close",
        stretch=video.fill_type == "stretch",
        step=2,
        sar=2 if video.sar == "2:1" else 1,
    )


def placed(
    width: int, height: int, source: MediaMetaData, *, open_sides: bool, stretch: bool, step: int = 1, sar: int = 1
) -> Geometry:
    """The frame of a wanted size and the picture in it. 0 x 0 keeps the source's size, one 0 keeps the aspect ratio.
    With `open_sides` (ResolutionAdaptive) Width is the long side as it is seen and Height the short one; sizes are
    multiples of `step`.

    Raises InvalidInput for a picture that no encoder takes.
    """
    shown_width, shown_height = source.shown_size
    # From here on the source counts in pixels of the output's shape.
    own_width, own_height = shown_width / sar, float(shown_height)
    if open_sides and source.shown_portrait:
        width, height = height, width
    if not width and not height:
        width, height = _down(own_width, step), _down(own_height, step)
    elif not height:
        width = _down(width, step)
        height = _near(width * own_height / own_width, step)
    elif not width:
        height = _down(height, step)
        width = _near(height * own_width / own_height, step)
    else:
        width, height = _down(width, step), _down(height, step)
        if not stretch:
            return _checked(_inside(width, height, own_width / own_height, step, sar))
    return _checked(Geometry(width, height, width, height, sar))


def _inside(width: int, height: int, aspect: float, step: int, sar: int) -> Geometry:
    if aspect >= width / height:
        return Geometry(width, height, width, min(_near(width / aspect, step), height), sar)
    return Geometry(width, height, min(_near(height * aspect, step), width), height, sar)


def _checked(found: Geometry) -> Geometry:
    if max(found.width, found.height) > MAX_SIDE:
        raise InvalidInput(
            f"Width and Height would give a picture of {found.width}x{found.height}; "
            f"no side may be more than {MAX_SIDE}"
        )
    return found


def _down(value: float, step: int) -> int:
    return max(int(value) // step * step, step)


def _near(value: float, step: int) -> int:
    return max(int(value / step + 0.5) * step, step)


def size_filters(found: Geometry, fill: str, matrix: str = "", mark: str = "") -> list[str]:
    """Filters that bring an upright picture of a video into its frame. `matrix` is that of the output if the source is
    RGB; `mark` keeps the labels of several pictures in one graph apart."""
    # Full-range pictures (phones, JPEG) become what every player expects.
    return frame_filters(found, fill, ":out_range=tv" + (f":out_color_matrix={matrix}" if matrix else ""), mark)


def frame_filters(found: Geometry, fill: str, colour: str = "", mark: str = "") -> list[str]:
    """Filters that bring an upright picture into its frame; `colour` are further options of every scale filter."""
    inner = f"scale={found.inner_width}:{found.inner_height}{colour}"
    filters = [inner]
    if not found.filled:
        filters = [_framed(found, fill, inner, colour, mark)]
    return [*filters, f"setsar={found.sar}"]


def _framed(found: Geometry, fill: str, inner: str, colour: str, mark: str) -> str:
    # Even places, so that the colour planes are not shifted by half a pixel.
    left = (found.width - found.inner_width) // 4 * 2
    top = (found.height - found.inner_height) // 4 * 2
    if fill != "gauss":
        shade = "white" if fill == "white" else "black"
        return f"{inner},pad={found.width}:{found.height}:{left}:{top}:color={shade}"
    small_width, small_height = _small(found.width), _small(found.height)
    larger = max(found.width / found.inner_width, found.height / found.inner_height)
    cover_width = max(_small(round(found.inner_width * larger)), small_width)
    cover_height = max(_small(round(found.inner_height * larger)), small_height)
    return (
        f"split[fill_back{mark}][fill_front{mark}];[fill_back{mark}]scale={cover_width}:{cover_height}{colour},"
        f"crop={small_width}:{small_height},gblur=sigma=5,scale={found.width}:{found.height}[fill_blurred{mark}];"
        f"[fill_front{mark}]{inner}[fill_sharp{mark}];[fill_blurred{mark}][fill_sharp{mark}]overlay={left}:{top}"
    )


def _small(length: int) -> int:
    return max(length // BLUR_SHRINK // 2 * 2, 2)
