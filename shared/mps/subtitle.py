"""Subtitles: burnt into the picture, or added as tracks of their own (MPS_API §7)."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from shared.mps.base import MpsModel
from shared.mps.extent import Extent, ExtentText
from shared.mps.extra_input import ExtraInput
from shared.mps.not_yet import NOT_YET, NotYet
from shared.mps.watermark import colour

FontType = Literal[
    "",
    "hei.ttf",
    "song.ttf",
    "kai.ttf",
    "simkai.ttf",
    "msyh.ttf",
    "msyhbd.ttf",
    "arial.ttf",
    "roboto.ttf",
    "notosans.ttf",
    "notosanstc.ttf",
    "japanese.ttf",
    "notosansjp.ttf",
    "notoserifjp.ttf",
]
"""Those whose letters our fonts have; the contract's others are refused."""
SERIF_TYPES = frozenset({"song.ttf", "kai.ttf", "simkai.ttf", "notoserifjp.ttf"})
BOLD_TYPES = frozenset({"msyhbd.ttf"})
MAX_TRACKS = 16
_MAX_EXTENT_PX = 4096
_NAME = re.compile(r"[\w .\-()（）]{0,64}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,3}")


def _any_colour(text: str) -> str:
    """`0xRRGGBB`; outlines and shadows are also written as six digits alone."""
    return colour(text if text.startswith("0x") else f"0x{text}") if text else text


def _place(text: str) -> str:
    if text:
        extent = Extent.parse(text)
        if extent.unit == "px" and extent.value > _MAX_EXTENT_PX:
            raise ValueError(f"must be at most {_MAX_EXTENT_PX}px")
    return text


def _font_size(text: str) -> str:
    if text and not Extent.parse(_place(text)).value:
        raise ValueError("must be more than 0")
    return text


SubtitleColour = Annotated[str, AfterValidator(_any_colour)]
Alpha = Annotated[float, Field(gt=0, le=1)]
Place = Annotated[ExtentText, AfterValidator(_place)]
Unit = Annotated[int, Field(ge=0, le=1)]


class SubtitleTemplate(MpsModel):
    """Subtitles that become part of the picture. `SubtitleFileInput` goes before `Path`, `Path` before `StreamIndex`.

    Heights are from the bottom. A `...Unit` of 1 means per cent: of the width for BoardWidth, else of the height.
    """

    path: str | None = Field(default=None, max_length=1024)
    stream_index: int | None = Field(default=None, ge=0, le=1000)
    subtitle_file_input: ExtraInput | None = None
    font_file_input: NotYet = None
    font_type: FontType | None = None
    font_size: Annotated[ExtentText, AfterValidator(_font_size)] | None = None
    font_color: SubtitleColour | None = None
    font_alpha: Alpha | None = None
    y_pos: Place | None = None
    board_y: Place | None = None
    board_width: int | None = Field(default=None, ge=0, le=4096)
    board_height: int | None = Field(default=None, ge=0, le=4096)
    board_color: SubtitleColour | None = None
    board_alpha: float | None = Field(default=None, ge=0, le=1)
    outline_width: float | None = Field(default=None, ge=0, le=1000)
    outline_color: SubtitleColour | None = None
    outline_alpha: Alpha | None = None
    shadow_width: float | None = Field(default=None, ge=0, le=1000)
    shadow_color: SubtitleColour | None = None
    shadow_alpha: Alpha | None = None
    line_spacing: NotYet = None
    alignment: Literal["", "top", "bottom"] | None = None
    board_width_unit: Unit | None = None
    board_height_unit: Unit | None = None
    outline_width_unit: Unit | None = None
    shadow_width_unit: Unit | None = None
    line_spacing_unit: NotYet = None

    @field_validator("path")
    @classmethod
    def _in_our_bucket(cls, value: str | None) -> str | None:
        if value and "://" in value:
            raise ValueError(f"an address {NOT_YET}; give the path of an object in the input's bucket")
        return value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.model_fields_set and not self.on and self.to_wire():
            raise ValueError("SubtitleFileInput is required unless Path or StreamIndex is given")
        for name, value, unit in (
            ("BoardWidth", self.board_width, self.board_width_unit),
            ("BoardHeight", self.board_height, self.board_height_unit),
            ("OutlineWidth", self.outline_width, self.outline_width_unit),
            ("ShadowWidth", self.shadow_width, self.shadow_width_unit),
        ):
            if unit and (value or 0) > 100:
                raise ValueError(f"{name} must be at most 100 when its unit is per cent")
        return self

    @property
    def on(self) -> bool:
        """Whether there is anything to burn in."""
        return bool(self.path or self.subtitle_file_input) or self.stream_index is not None


class AddOnSubtitle(MpsModel):
    """A track of subtitles beside picture and sound."""

    type: Literal["subtitle-stream"] = "subtitle-stream"
    subtitle: ExtraInput
    subtitle_name: str = ""
    subtitle_language: str = ""
    output_format: Literal["", "WebVTT"] = "WebVTT"
    default_track: bool = False

    @field_validator("subtitle_name")
    @classmethod
    def _plain_name(cls, value: str) -> str:
        if not _NAME.fullmatch(value):
            raise ValueError("must have at most 64 letters, digits, spaces and _ - . ( )")
        return value

    @field_validator("subtitle_language")
    @classmethod
    def _plain_language(cls, value: str) -> str:
        if value and not _LANGUAGE.fullmatch(value):
            raise ValueError("must be a language such as eng or zh-CN")
        return value


def _one_default(tracks: list[AddOnSubtitle]) -> list[AddOnSubtitle]:
    if sum(track.default_track for track in tracks) > 1:
        raise ValueError("at most one of them may have DefaultTrack true")
    return tracks


AddOnSubtitles = Annotated[list[AddOnSubtitle], Field(max_length=MAX_TRACKS), AfterValidator(_one_default)]
