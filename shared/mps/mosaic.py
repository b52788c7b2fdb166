"""Areas of the picture that are made unrecognisable (MPS_API §7)."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from shared.mps.extent import ExtentText, sized
from shared.mps.window import WindowOfTime

MAX_MOSAICS = 10


class MosaicInput(WindowOfTime):
    """One area, from the upper left corner of the picture."""

    coordinate_origin: Literal["TopLeft"] = "TopLeft"
    x_pos: ExtentText = "0px"
    y_pos: ExtentText = "0px"
    width: ExtentText = "10%"
    height: ExtentText = "10%"

    @model_validator(mode="after")
    def _covers_something(self) -> Self:
        # A mosaic that hides nothing is found out too late.
        for name, text in (("Width", self.width), ("Height", self.height)):
            if not sized(text, "10%").value:
                raise ValueError(f"{name} must be more than 0")
        for name, text in (("XPos", self.x_pos), ("YPos", self.y_pos)):
            place = sized(text, "0px")
            if place.unit == "%" and place.value >= 100:
                raise ValueError(f"{name} must be less than 100%")
        return self

    def echo(self) -> dict[str, Any]:
        """As results show it: defaults filled in."""
        return self.to_wire() | {
            "StartTimeOffset": self.start_time_offset or 0,
            "EndTimeOffset": self.end_time_offset or 0,
        }


MosaicSet = Annotated[list[MosaicInput], Field(max_length=MAX_MOSAICS)]
"""At most ten."""
