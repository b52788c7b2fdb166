"""What things are drawn on: the finished picture of an output, its colours and its times. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from services.workers.media.geometry import Geometry
from shared.mps.window import Moments, WindowOfTime, moments

HDR_WHITE = {"hdr10": 0.58, "hlg": 0.75}
"""Where paper white lies in the signal (ITU-R BT.2408); without it a white logo would be the brightest light there
is."""
_EARLY_S = 0.0005
"""A frame's time in floating point may fall short of what it is."""


@dataclass(frozen=True, slots=True)
class Canvas:
    """`lasts_s` is how long the output is (0 if unknown), `begins_s` the time that filters see at its first frame,
    `cut_s` where in the source that frame lies.
    `chroma` and `deep` are of the pixel format; `hdr` is the HDR type of what is drawn on, or empty. `assumed` is the
    colour matrix of a picture that does not say which it has."""

    frame: Geometry
    lasts_s: float = 0.0
    begins_s: float = 0.0
    cut_s: float = 0.0
    chroma: str = "420"
    deep: bool = False
    hdr: str = ""
    assumed: str = ""

    @property
    def overlay_format(self) -> str:
        """`format` of the overlay filter that keeps the picture as it is."""
        return f"yuv{self.chroma}{'p10' if self.deep else ''}"

    @property
    def white(self) -> float:
        """What the brightest colour of a watermark is dimmed to."""
        return HDR_WHITE.get(self.hdr, 1.0)

    def moments(self, window: WindowOfTime) -> Moments:
        """The window in seconds of the output. Raises ValueError."""
        return moments(window, self.lasts_s)

    def enabled(self, times: Moments) -> str:
        """Option of a filter that works in those moments only; empty for all of them."""
        if times.always:
            return ""
        start = f"gte(t,{self.begins_s + times.start - _EARLY_S:.4f})"
        if times.end == float("inf"):
            return f"enable='{start}'"
        return f"enable='{start}*lt(t,{self.begins_s + times.end - _EARLY_S:.4f})'"
