"""Watermarks: what a node asks for (MPS_API §7) and the templates that say how one looks (§10)."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from shared.mps.base import MpsModel
from shared.mps.extent import Extent, ExtentText, SvgExtentText, sized
from shared.mps.extra_input import ExtraInput
from shared.mps.svg import MAX_SVG, harmless_svg
from shared.mps.window import WindowOfTime

MAX_WATERMARKS = 10
MAX_TEXT = 100
"""Characters."""
MAX_IMAGE_BYTES = 500_000
"""Of a picture inside a template: each run carries the templates that it uses [OURS]."""
SIDE_PX = (8, 4096)
FONT_PX = (8, 4096)

Origin = Literal["TopLeft", "TopRight", "BottomLeft", "BottomRight"]
Repeat = Literal["once", "repeat_last_frame", "repeat"]

_COLOUR = re.compile(r"0x[0-9A-Fa-f]{6}")
_FONT_SIZE = re.compile(r"(\d{1,4})px")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff\ud800-\udfff]")
_PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"RIFF")


def colour(text: str) -> str:
    """A checked `0xRRGGBB`. Raises ValueError."""
    if not _COLOUR.fullmatch(text):
        raise ValueError("must be like 0xRRGGBB")
    return text


Colour = Annotated[str, AfterValidator(colour)]


def _text(value: str | None) -> str | None:
    if value is None:
        return None
    plain = value.replace("\r\n", "\n").replace("\r", "\n")
    if len(plain) > MAX_TEXT:
        raise ValueError(f"must have at most {MAX_TEXT} characters")
    if _UNPRINTABLE.search(plain):
        raise ValueError("must have no control characters but tabs and line ends")
    return plain


def _svg(value: str | None) -> str | None:
    if value:
        harmless_svg(value)
    return value


def _side(text: str) -> str:
    """Pixels of a picture are 0 or 8 to 4096."""
    if text:
        extent = Extent.parse(text)
        if extent.unit == "px" and extent.value and not SIDE_PX[0] <= extent.value <= SIDE_PX[1]:
            raise ValueError(f"must be 0px or {SIDE_PX[0]}px to {SIDE_PX[1]}px, or per cent")
    return text


Side = Annotated[ExtentText, AfterValidator(_side)]
SvgSide = Annotated[SvgExtentText, AfterValidator(_side)]


def _font_size(text: str) -> str:
    match = _FONT_SIZE.fullmatch(text)
    if match is None or not FONT_PX[0] <= int(match[1]) <= FONT_PX[1]:
        raise ValueError(f"must be {FONT_PX[0]}px to {FONT_PX[1]}px")
    return text


def _image(text: str) -> str:
    if len(text) > MAX_IMAGE_BYTES * 4 // 3 + 4:
        raise ValueError(f"must be a picture of at most {MAX_IMAGE_BYTES} bytes; put a larger one into a bucket")
    try:
        head = base64.b64decode(text, validate=True)[:16]
    except (binascii.Error, ValueError):
        raise ValueError("must be a picture in Base64") from None
    if not head.startswith(_PICTURES):
        raise ValueError("must be a JPEG, PNG, GIF or WebP picture in Base64")
    return text


class _Picture(MpsModel):
    """Size and behaviour of a picture. Both sides absent or 0: a tenth of the width, in its own proportions."""

    width: Side | None = None
    height: Side | None = None
    repeat_type: Repeat = "repeat"

    def extents(self) -> tuple[Extent, Extent]:
        """Width and height; a side of 0 follows from the other one."""
        width, height = sized(self.width, "0px" if self.height else "10%"), sized(self.height, "0px")
        return (Extent(10, "%"), height) if not width.value and not height.value else (width, height)


class RawImageWatermarkInput(_Picture):
    """A picture that lies in a bucket."""

    image_content: ExtraInput


class ImageWatermarkInput(_Picture):
    """A picture that the template holds, in Base64."""

    image_content: Annotated[str, AfterValidator(_image)] = Field(repr=False)


class TextWatermarkTemplateInput(MpsModel):
    """How text looks. `FontAlpha` 1 is opaque. The text itself may be the node's."""

    font_type: Literal["simkai.ttf", "arial.ttf"] = "simkai.ttf"
    font_size: Annotated[str, AfterValidator(_font_size)]
    font_color: Colour = "0xFFFFFF"
    font_alpha: float = Field(default=1.0, gt=0, le=1)
    text_content: Annotated[str | None, AfterValidator(_text)] = None

    @property
    def font_px(self) -> int:
        """Pixels of the output."""
        return int(self.font_size.removesuffix("px"))


class SvgWatermarkInput(MpsModel):
    """Size of a drawing; `0px` follows from the other side, and two of them are the drawing's own size."""

    width: SvgSide | None = None
    height: SvgSide | None = None

    def extents(self) -> tuple[Extent, Extent]:
        """Width and height."""
        return sized(self.width, "10W%"), sized(self.height, "0px")


class _Mark(MpsModel):
    """Where a watermark stands: its corner at `CoordinateOrigin` is `XPos`, `YPos` away from the picture's corner."""

    type: Literal["image", "text", "svg"]
    coordinate_origin: Origin = "TopLeft"
    x_pos: ExtentText = "0px"
    y_pos: ExtentText = "0px"
    text_template: TextWatermarkTemplateInput | None = None
    svg_template: SvgWatermarkInput | None = None


class WatermarkTemplate(_Mark):
    """A template of the contract's CreateWatermarkTemplate."""

    image_template: ImageWatermarkInput | None = None

    @model_validator(mode="after")
    def _member_fits_type(self) -> Self:
        _check_member(self, "ImageTemplate", self.image_template)
        return self


class RawWatermarkParameter(_Mark):
    """The same in a node. The contract has only pictures here; text and drawings are ours (docs/reference)."""

    image_template: RawImageWatermarkInput | None = None

    @model_validator(mode="after")
    def _member_fits_type(self) -> Self:
        _check_member(self, "ImageTemplate", self.image_template)
        return self


def _check_member(mark: _Mark, image: str, image_template: object) -> None:
    given = {"image": image_template, "text": mark.text_template, "svg": mark.svg_template}
    names = {"image": image, "text": "TextTemplate", "svg": "SvgTemplate"}
    for kind, member in given.items():
        if kind == mark.type and member is None:
            raise ValueError(f"{names[kind]} is required when Type is {kind}")
        if kind != mark.type and member is not None:
            raise ValueError(f"{names[kind]} must be absent when Type is {mark.type}")


AnyMark = WatermarkTemplate | RawWatermarkParameter


class WatermarkInput(WindowOfTime):
    """One watermark of a node. `TextContent` and `SvgContent` are for templates of these types."""

    definition: int = Field(ge=0)
    raw_parameter: RawWatermarkParameter | None = None
    text_content: Annotated[str | None, AfterValidator(_text)] = None
    svg_content: Annotated[str | None, Field(max_length=MAX_SVG, repr=False), AfterValidator(_svg)] = None

    @model_validator(mode="after")
    def _raw_or_template(self) -> Self:
        if self.definition == 0 and self.raw_parameter is None:
            raise ValueError("RawParameter is required when Definition is 0")
        if self.definition and self.raw_parameter is not None:
            raise ValueError("RawParameter must be absent unless Definition is 0")
        if self.raw_parameter is not None:
            check_contents(self, self.raw_parameter)
        return self

    def echo(self) -> dict[str, Any]:
        """As results show it: defaults filled in (MPS_EVENTS §7.1)."""
        return self.to_wire() | {
            "TextContent": self.text_content or "",
            "SvgContent": self.svg_content or "",
            "StartTimeOffset": self.start_time_offset or 0,
            "EndTimeOffset": self.end_time_offset or 0,
        }


def _together(marks: list[WatermarkInput]) -> list[WatermarkInput]:
    if sum(len(mark.svg_content or "") for mark in marks) > MAX_SVG:
        raise ValueError(f"SvgContent of all of them must have at most {MAX_SVG} characters together")
    return marks


WatermarkSet = Annotated[list[WatermarkInput], Field(max_length=MAX_WATERMARKS), AfterValidator(_together)]
"""At most ten, the first at the bottom."""


def check_contents(mark: WatermarkInput, template: AnyMark) -> None:
    """Whether the node gives what its template needs, and nothing else. Raises ValueError naming the member."""
    if mark.text_content and template.type != "text":
        raise ValueError(f"TextContent must be absent: the watermark is of type {template.type}")
    if mark.svg_content and template.type != "svg":
        raise ValueError(f"SvgContent must be absent: the watermark is of type {template.type}")
    own = template.text_template.text_content if template.text_template else None
    if template.type == "text" and not (mark.text_content or own or "").strip():
        raise ValueError("TextContent is required when the watermark is of type text")
    if template.type == "svg" and not mark.svg_content:
        raise ValueError("SvgContent is required when the watermark is of type svg")
