"""Opening and closing clips (MPS_API §7)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from shared.mps.base import MpsModel
from shared.mps.extra_input import ExtraInput

MAX_CLIPS = 10

Clips = Annotated[list[ExtraInput], Field(max_length=MAX_CLIPS)]


class HeadTailParameter(MpsModel):
    """Clips before and behind the film, in their order."""

    head_set: Clips | None = None
    tail_set: Clips | None = None

    @property
    def on(self) -> bool:
        """Whether there is anything to join."""
        return bool(self.head_set or self.tail_set)
