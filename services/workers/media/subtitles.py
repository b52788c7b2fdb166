"""Subtitles in the looks of a template, as the script that the renderer draws. Pure.

The script counts in the pixels of its own resolution: for plain subtitles that is the frame's; ASS brings its own, and
the template's pixels are converted.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from pysubs2 import Alignment, Color, SSAEvent, SSAFile, SSAStyle

from services.workers.media.canvas import Canvas
from services.workers.media.captions import Captions
from services.workers.media.fonts import LINE_PER_EM, SANS, SERIF
from shared.mps.extent import Extent
from shared.mps.subtitle import BOLD_TYPES, SERIF_TYPES, SubtitleTemplate

FONT_SIZE, Y_POS, OUTLINE = "5%", "4%", 0.003
"""Of the height (MPS_API §7)."""
BOARD_WIDTH, BOARD_HEIGHT, BOARD_ALPHA = 0.9, 0.15, 0.8
_ASS_SIZE = (384, 288)
"""Of a script that does not say."""
_TAGS = re.compile(r"\{[^{}]*\}")
_EMPTY_LINE = re.compile(r"\\[Nn](?=(?:\s|\{[^{}]*\})*(?:\\[Nn]|$))")
_EMPTY_START = re.compile(r"^((?:\s|\{[^{}]*\})*)\\[Nn]")
_FONT = re.compile(r"\\fn[^\\}]*")
_SIZE = re.compile(r"\\fs(?![cp])[^\\}]*")
_PLACE = re.compile(r"\\(?:pos|move|org)\([^)}]*\)?|\\an?\d+")
_COLOUR = re.compile(r"\\(?:1?c|1a|alpha)&?[^\\}]*")
_BOARD = "Board"


@dataclass(frozen=True, slots=True)
class _Scale:
    """From pixels of the frame to those of the script."""

    x: float
    y: float
    width: int
    height: int


def script(captions: Captions, template: SubtitleTemplate, canvas: Canvas) -> str:
    """The text of an ASS script for an output. Looks that the subtitles bring stay where the template says nothing.
    Times are those that filters see."""
    subs, styled = copy.deepcopy(captions.subs), captions.styled
    scale = _scale(subs, styled, canvas)
    if not styled:
        subs.styles = {"Default": SSAStyle()}
        for event in subs.events:
            event.style = "Default"
    for style in subs.styles.values():
        _dress(style, styled, template, scale, canvas.white)
    _strip(subs, template)
    in_time(subs, canvas)
    if template.board_y:
        _put_board(subs, template, scale, canvas.white)
    return subs.to_string("ass")


def _scale(subs: SSAFile, styled: bool, canvas: Canvas) -> _Scale:
    frame = canvas.frame
    width, height = frame.width, frame.height
    if styled:
        width, height = (_whole(subs.info.get(f"PlayRes{axis}")) for axis in "XY")
        if not width or not height:
            width, height = _ASS_SIZE
    subs.info.update(PlayResX=str(width), PlayResY=str(height))
    if not styled:
        subs.info["ScaledBorderAndShadow"] = "yes"
    return _Scale(width / frame.width, height / frame.height, frame.width, frame.height)


def _whole(text: str | None) -> int:
    return int(text) if text and text.strip().isdecimal() and len(text) < 6 else 0


def _dress(style: SSAStyle, styled: bool, template: SubtitleTemplate, scale: _Scale, white: float) -> None:
    kind = template.font_type or ""
    style.fontname = (SERIF if kind in SERIF_TYPES else SANS).family
    style.bold = style.bold or kind in BOLD_TYPES
    if template.font_size or not styled:
        size = Extent.parse(template.font_size or FONT_SIZE).pixels(scale.height, scale.width, scale.height)
        style.fontsize = size * scale.y * LINE_PER_EM
    if template.font_color or template.font_alpha or not styled:
        style.primarycolor = _colour(template.font_color or "0xFFFFFF", template.font_alpha, white)
    if template.outline_width is not None or not styled:
        width = _width(template.outline_width, template.outline_width_unit, scale.height, OUTLINE)
        style.borderstyle, style.outline = 1, width * scale.y
    if template.outline_color or template.outline_alpha or not styled:
        style.outlinecolor = _colour(template.outline_color or "0x000000", template.outline_alpha, white)
    if template.shadow_width is not None or not styled:
        style.shadow = _width(template.shadow_width, template.shadow_width_unit, scale.height, 0) * scale.y
    if template.shadow_color or template.shadow_alpha or not styled:
        style.backcolor = _colour(template.shadow_color or "0x000000", template.shadow_alpha, white)
    if template.y_pos or template.alignment or not styled:
        y = _above_bottom(template.y_pos or Y_POS, scale)
        if template.alignment == "top":
            # The upper edge stands where YPos says, and more lines go down from there.
            style.alignment, y = Alignment.TOP_CENTER, scale.height - y
        else:
            style.alignment = Alignment.BOTTOM_CENTER
        style.marginv = round(y * scale.y)


def _width(value: float | None, unit: int | None, height: int, default: float) -> float:
    if value is None:
        return default * height
    return value * height / 100 if unit else value


def _above_bottom(text: str, scale: _Scale) -> float:
    return Extent.parse(text).pixels(scale.height, scale.width, scale.height)


def _colour(text: str, alpha: float | None, white: float = 1.0) -> Color:
    red, green, blue = (round(int(text.removeprefix("0x")[index : index + 2], 16) * white) for index in (0, 2, 4))
    return Color(red, green, blue, round(255 * (1 - (1.0 if alpha is None else alpha))))


def _strip(subs: SSAFile, template: SubtitleTemplate) -> None:
    """Takes out of the lines what the template decides; fonts are always ours."""
    unwanted = [_FONT]
    unwanted += [_SIZE] if template.font_size else []
    unwanted += [_COLOUR] if template.font_color or template.font_alpha else []
    placed = bool(template.y_pos or template.alignment)
    unwanted += [_PLACE] if placed else []

    def clean(match: re.Match[str]) -> str:
        text = match[0]
        for pattern in unwanted:
            text = pattern.sub("", text)
        return text if text != "{}" else ""

    for event in subs.events:
        event.text = _TAGS.sub(clean, event.text)
        if placed:
            event.marginv = 0


def in_time(subs: SSAFile, canvas: Canvas) -> None:
    """Moves the lines from the times of the source to those of the output; what lies outside is dropped."""
    last = canvas.lasts_s * 1000 if canvas.lasts_s else float("inf")
    kept = []
    for event in subs.events:
        start, end = event.start - canvas.cut_s * 1000, event.end - canvas.cut_s * 1000
        if end <= 0 or start >= last:
            continue
        event.start = round(max(start, 0) + canvas.begins_s * 1000)
        event.end = round(min(end, last) + canvas.begins_s * 1000)
        kept.append(event)
    subs.events = kept


def _put_board(subs: SSAFile, template: SubtitleTemplate, scale: _Scale, white: float) -> None:
    """A plate behind the lines while there are any."""
    width = _board_side(template.board_width, template.board_width_unit, scale.width, BOARD_WIDTH) * scale.x
    height = _board_side(template.board_height, template.board_height_unit, scale.height, BOARD_HEIGHT) * scale.y
    bottom = (scale.height - _above_bottom(template.board_y or "0px", scale)) * scale.y
    alpha = BOARD_ALPHA if template.board_alpha is None else template.board_alpha
    subs.styles[_BOARD] = SSAStyle(
        fontname=SANS.family,
        primarycolor=_colour(template.board_color or "0x000000", alpha, white),
        outline=0,
        shadow=0,
        alignment=Alignment.BOTTOM_CENTER,
    )
    middle = scale.width * scale.x / 2
    shape = f"m 0 0 l {width:.1f} 0 {width:.1f} {height:.1f} 0 {height:.1f}"
    drawing = f"{{\\pos({middle:.1f},{bottom:.1f})\\p1}}{shape}{{\\p0}}"
    spans: list[list[int]] = []
    for event in sorted(subs.events, key=lambda each: each.start):
        event.layer += 1
        if spans and event.start <= spans[-1][1]:
            spans[-1][1] = max(spans[-1][1], event.end)
        else:
            spans.append([event.start, event.end])
    # One for each stretch without a gap: two over each other would be darker.
    boards = [SSAEvent(start=start, end=end, text=drawing, style=_BOARD, layer=0) for start, end in spans]
    subs.events = [*boards, *subs.events]


def _board_side(value: int | None, unit: int | None, side: int, default: float) -> float:
    if not value:
        return side * default
    return value * side / 100 if unit else value


def burn(file: str, fonts: str) -> str:
    """The filter that draws a script; both names are in the folder that ffmpeg runs in."""
    return f"subtitles=filename={file}:fontsdir={fonts}:wrap_unicode=1"


def web_track(captions: Captions, canvas: Canvas) -> str:
    """The lines as WebVTT, for a rendition beside the picture."""
    subs = copy.deepcopy(captions.subs)
    in_time(subs, canvas)
    for event in subs.events:
        event.text = _for_web(event.text)
    return subs.to_string("vtt")


def _for_web(text: str) -> str:
    """What WebVTT would take for its own: an empty line would end the cue, `<` begin a tag."""
    text = _EMPTY_START.sub(r"\1", _EMPTY_LINE.sub("", text))
    ends = [0, *(end for match in _TAGS.finditer(text) for end in match.span()), len(text)]
    parts = [text[start:end] for start, end in pairwise(ends)]
    return "".join(part if number % 2 else escape(part, quote=False) for number, part in enumerate(parts))


def plain_track(captions: Captions, canvas: Canvas) -> str:
    """The lines as SubRip, for a track beside the picture: times of the output, no looks."""
    subs = copy.deepcopy(captions.subs)
    in_time(subs, canvas)
    return subs.to_string("srt")
