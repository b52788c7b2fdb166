"""Lengths and places on a picture, as the contract writes them: `100px`, `10%`, and for SVG `10W%` and the like."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator

MAX_PX = 16384
_TEXT = re.compile(r"(\d{1,5}(?:\.\d{1,6})?)(px|[WHSL]?%)")


@dataclass(frozen=True, slots=True)
class Extent:
    """A number of pixels, or per cent of a side: `%` of the side in question, `W%` of the width, `H%` of the height,
    `S%` of the shorter and `L%` of the longer one."""

    value: float
    unit: str

    @classmethod
    def parse(cls, text: str) -> Extent:
        """Raises ValueError."""
        match = _TEXT.fullmatch(text.strip())
        if match is None:
            raise ValueError("must be like 100px or 10%, not negative")
        value = float(match[1])
        if match[2] == "px" and value > MAX_PX:
            raise ValueError(f"must be at most {MAX_PX}px")
        if match[2] != "px" and value > 100:
            raise ValueError("must be at most 100%")
        return cls(value, match[2])

    def pixels(self, side: int, width: int, height: int) -> float:
        """In pixels of a picture of that size; `side` is what a plain `%` counts from."""
        if self.unit == "px":
            return self.value
        base = {"%": side, "W%": width, "H%": height, "S%": min(width, height), "L%": max(width, height)}[self.unit]
        return self.value * base / 100


def _plain(text: str) -> str:
    if text and Extent.parse(text).unit not in ("px", "%"):
        raise ValueError("must be like 100px or 10%")
    return text


def _any_unit(text: str) -> str:
    if text:
        Extent.parse(text)
    return text


ExtentText = Annotated[str, AfterValidator(_plain)]
"""`Npx` or `N%`; empty means the default."""
SvgExtentText = Annotated[str, AfterValidator(_any_unit)]
"""`Npx`, `N%`, `NW%`, `NH%`, `NS%` or `NL%`; empty means the default."""


def sized(text: str | None, default: str) -> Extent:
    """The extent that a member says, else the default."""
    return Extent.parse(text or default)
