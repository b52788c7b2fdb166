"""Parameters of the image sprite node (MPS_API §7) and of its templates (§10.1)."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from shared.mps.image_task import NumberedImageTaskInput, usable_path
from shared.mps.naming import PLAIN_VARIABLES
from shared.mps.snapshot import Sampling
from shared.mps.storage import TaskOutputStorage

SPRITE_PATH = "{inputName}_imageSprite_{definition}_{number}.{format}"
WEB_VTT_NAME = "{inputName}_imageSprite_{definition}.{format}"
MAX_TILES = 20_000
"""Of one node [OURS]: one a second for five and a half hours."""
MAX_SIDE = {"jpg": 65_500, "webp": 16_383, "png": 65_500}
"""Pixels that a sheet may be wide or high: what the formats can say (and no player shows more)."""
MAX_SHEET_PIXELS = 16_384 * 8_192
"""A sheet is held in memory, three bytes a pixel."""


def _tile_size(value: int) -> int:
    if value != 0 and not 16 <= value <= 4096:
        raise ValueError("must be 0 or 16 to 4096")
    return value


TileSize = Annotated[int, AfterValidator(_tile_size)]
"""[OURS] The contract says 128 at least and its own preset is 142 x 80."""


class ImageSpriteTemplate(Sampling):
    """Small pictures in a grid; 0 x 0 is the size of the source."""

    row_count: int = Field(ge=1, le=1000)
    column_count: int = Field(ge=1, le=1000)
    width: TileSize = 0
    height: TileSize = 0
    resolution_adaptive: Literal["open", "close"] = "open"
    fill_type: Literal["stretch", "black"] = "black"
    format: Literal["jpg", "png", "webp"] = "jpg"

    @property
    def tiles(self) -> int:
        """Of one sheet."""
        return self.row_count * self.column_count

    def too_large(self, width: int, height: int) -> str | None:
        """What is wrong with a sheet of tiles of that size, if anything."""
        sheet = (self.column_count * width, self.row_count * height)
        if max(sheet) > MAX_SIDE[self.format] or sheet[0] * sheet[1] > MAX_SHEET_PIXELS:
            return (
                f"RowCount, ColumnCount, Width and Height give a sheet of {sheet[0]}x{sheet[1]} pixels, "
                f"which is too large for {self.format}"
            )
        return None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        # The size of a tile that follows the source is known when there is one.
        if problem := self.too_large(self.width, self.height):
            raise ValueError(problem)
        return self


class ImageSpriteTaskInput(NumberedImageTaskInput):
    """Sheets and the WebVTT file beside them; `WebVttObjectName` is relative to the folder of the sheets."""

    web_vtt_object_name: str | None = None

    @field_validator("web_vtt_object_name")
    @classmethod
    def _usable_name(cls, value: str | None) -> str | None:
        return usable_path("WebVttObjectName", value, PLAIN_VARIABLES, relative=True)

    def echo(self, storage: TaskOutputStorage, path: str, web_vtt: str) -> dict[str, Any]:
        """`Input` of the result: defaults filled in, paths rendered."""
        return self.to_wire() | {
            "OutputStorage": storage.to_wire(),
            "OutputObjectPath": path,
            "WebVttObjectName": web_vtt,
            "ObjectNumberFormat": self.numbers.to_wire(),
        }
