"""What a node needs, counted in units that cost something. What a unit costs stands in `coefficients.json`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.mps.media import MediaMetaData

MEGA = 1_000_000


class Units(dict[str, float]):
    """How many of each."""

    def add(self, name: str, count: float) -> None:
        """So many more of one."""
        self[name] = self.get(name, 0.0) + count

    def add_all(self, other: Mapping[str, float]) -> None:
        """So many more of several."""
        for name, count in other.items():
            self.add(name, count)


@dataclass(frozen=True, slots=True)
class Demand:
    """`units` by name: `start` (1 for each node), `decode h264` (megapixels), `sound aac` (seconds), ...

    `known_bytes` is what parameters and source say of the output's size; `guessed` what only a model can say, by name:
    `bits h264` (megapixels at the codec's default quality), `picture jpg` (megapixels). `media` is what a node that
    follows reads, if this one makes media.
    """

    units: Units = field(default_factory=Units)
    known_bytes: float = 0.0
    guessed: Units = field(default_factory=Units)
    media: MediaMetaData | None = None


def megapixels(width: int, height: int, frames: float) -> float:
    """Of so many pictures."""
    return width * height * frames / MEGA


def decoding(source: MediaMetaData, seconds: float) -> Units:
    """Units for decoding so much of the picture."""
    if source.video is None:
        return Units()
    frames = max(source.frame_rate * seconds, 1.0)
    return Units({f"decode {source.video.codec}": megapixels(source.width, source.height, frames), "frames": frames})
