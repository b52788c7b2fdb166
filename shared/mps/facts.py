"""What an encode has to know about a source and the contract's MediaMetaData leaves out. Stored, never on the wire."""

from __future__ import annotations

from pydantic import Field

from shared.mps.base import MpsModel


class AudioFacts(MpsModel):
    """One audio stream. `layout` is ffmpeg's name (`stereo`, `5.1(side)`), `language` an ISO 639-2 code or empty."""

    layout: str = ""
    language: str = ""
    title: str = ""
    default: bool = False


class MediaFacts(MpsModel):
    """The first video stream, and all audio streams in their order."""

    sar_numerator: int = 1
    sar_denominator: int = 1
    """How wide a pixel is in its heights."""
    base_rate_numerator: int = 0
    base_rate_denominator: int = 1
    """Frames per second at which all timestamps are regular; 0 if unknown. Above the average if the rate varies."""
    pixel_format: str = ""
    bit_depth: int = 8
    interlaced: bool = False
    profile: str = ""
    level: int = 0
    start: float = 0.0
    """Seconds; where the timestamps of the file begin."""
    video_start: float = 0.0
    """Seconds; how long after that the picture begins."""
    audio: list[AudioFacts] = Field(default_factory=list)

    @property
    def sar(self) -> float:
        """The pixel's shape; beyond ten to one it is a trick to make us fill the memory."""
        if self.sar_numerator <= 0 or self.sar_denominator <= 0:
            return 1.0
        return min(max(self.sar_numerator / self.sar_denominator, 0.1), 10.0)
