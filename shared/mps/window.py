"""From when to when something is to be seen: seconds, negative ones from the end (MPS_API §7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from pydantic import Field, model_validator

from shared.mps.base import MpsModel

_FOREVER = float("inf")


class WindowOfTime(MpsModel):
    """Members that watermarks and mosaics share. 0 and absent mean start and end."""

    start_time_offset: float | None = Field(default=None, allow_inf_nan=False)
    end_time_offset: float | None = Field(default=None, allow_inf_nan=False)

    @model_validator(mode="after")
    def _end_after_start(self) -> Self:
        start, end = self.start_time_offset or 0.0, self.end_time_offset or 0.0
        if end and (start < 0) == (end < 0) and end <= start:
            raise ValueError("EndTimeOffset must be greater than StartTimeOffset")
        return self


@dataclass(frozen=True, slots=True)
class Moments:
    """Seconds of the output; `end` is infinite for the end of the picture."""

    start: float = 0.0
    end: float = _FOREVER

    @property
    def always(self) -> bool:
        """Whether it is to be seen from the first to the last frame."""
        return self.start <= 0 and self.end == _FOREVER

    @property
    def never(self) -> bool:
        """Whether there is no moment of it."""
        return self.end <= self.start


def moments(window: WindowOfTime, lasts_s: float) -> Moments:
    """The window in an output that lasts so long. Raises ValueError if it counts from an end that is not known."""
    start, end = window.start_time_offset or 0.0, window.end_time_offset or 0.0
    if (start < 0 or end < 0) and lasts_s <= 0:
        raise ValueError("negative offsets need a source whose duration is known")
    return Moments(
        max(start if start >= 0 else lasts_s + start, 0.0), _FOREVER if not end else end if end > 0 else lasts_s + end
    )
