"""Parameters of the animated graphics node (MPS_API §7) and of its templates (§10.1)."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from shared.mps.base import MpsModel
from shared.mps.image_task import ImageSize, ImageTaskInput
from shared.mps.storage import TaskOutputStorage

ANIMATED_PATH = "{inputName}_animatedGraphic_{definition}.{format}"


class AnimatedGraphicsTemplate(MpsModel):
    """How a moving picture looks. 0 x 0 is the size of the source; a given size is filled by stretching.

    `Quality` is that of WebP. For GIF, which has no such thing, it chooses the number of colours [OURS].
    """

    fps: int = Field(ge=1, le=30)
    width: ImageSize = 0
    height: ImageSize = 0
    resolution_adaptive: Literal["open", "close"] = "open"
    format: Literal["gif", "webp"] = "gif"
    quality: float = Field(default=75, ge=1, le=100, allow_inf_nan=False)


class AnimatedGraphicTaskInput(ImageTaskInput):
    """A part of the source as a moving picture; offsets are seconds from the start."""

    start_time_offset: float = Field(ge=0, allow_inf_nan=False)
    end_time_offset: float = Field(gt=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _forwards(self) -> Self:
        if self.end_time_offset <= self.start_time_offset:
            raise ValueError("EndTimeOffset must be greater than StartTimeOffset")
        return self

    def echo(self, storage: TaskOutputStorage, path: str) -> dict[str, Any]:
        """`Input` of the result: path rendered."""
        return self.to_wire() | {"OutputStorage": storage.to_wire(), "OutputObjectPath": path}
