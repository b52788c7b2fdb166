"""Watermarks as overlays and filters. Pure: the files are there already (`services.workers.nodes.marks`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from services.workers.media.canvas import Canvas
from services.workers.media.ffmpeg import source
from services.workers.media.filtergraph import Overlay, escaped
from services.workers.media.fonts import BY_NAME
from services.workers.media.placement import Box, box_of, offsets, size_of
from shared.mps.presets import ResolvedMark
from shared.mps.window import Moments


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that was looked at: its demuxer, its size as it is seen, whether it has an alpha channel and how long
    it moves (0 for a still)."""

    path: Path
    demuxer: Literal["png_pipe", "jpeg_pipe", "webp_pipe", "gif", "apng"]
    width: int
    height: int
    alpha: bool = True
    lasts_s: float = 0.0

    @property
    def moves(self) -> bool:
        """Whether it has more than one frame."""
        return self.demuxer in ("gif", "apng")


@dataclass(frozen=True, slots=True)
class Mark:
    """A watermark and what it is drawn from: a picture (of an image or a drawing), or the name of a text file in the
    folder that ffmpeg runs in."""

    resolved: ResolvedMark
    picture: Picture | None = None
    text_file: str = ""


Drawn = Overlay | str
"""An overlay, or a filter that draws on the picture."""


def drawn(marks: Sequence[Mark], canvas: Canvas) -> tuple[Drawn, ...]:
    """What to lay over the picture, the lowest first. Those that are never to be seen are left out.

    Raises ValueError (Misplaced among them) whose text begins with the watermark's path in the parameters.
    """
    found: list[Drawn] = []
    for mark in marks:
        try:
            times = canvas.moments(mark.resolved.wanted)
            if times.never:
                continue
            found.append(_overlay(mark, mark.picture, times, canvas) if mark.picture else _text(mark, times, canvas))
        except ValueError as error:
            raise ValueError(f"{mark.resolved.field}: {error}") from None
    if found and canvas.assumed:
        # ffmpeg would take the matrix of SD pictures, players take that of HD, and a logo would change its colours.
        found.insert(0, f"setparams=colorspace={canvas.assumed}")
    return tuple(found)


def _overlay(mark: Mark, picture: Picture, times: Moments, canvas: Canvas) -> Overlay:
    template = mark.resolved.template
    shape = template.image_template or template.svg_template
    assert shape is not None
    size = size_of(shape.extents(), (picture.width, picture.height), canvas.frame)
    box = box_of(template, size, canvas.frame)
    repeat = template.image_template.repeat_type if template.image_template else "repeat"
    looped = picture.moves and repeat == "repeat"
    if picture.moves and repeat == "once" and picture.lasts_s:
        times = replace(times, end=min(times.end, times.start + picture.lasts_s))
    filters = _prepared(picture, size, canvas)
    if picture.moves:
        # It begins to move when it is first seen.
        filters.append(f"setpts=PTS-STARTPTS+{canvas.begins_s + times.start:.4f}/TB")
    even_left, even_top, padding = _even(box, canvas)
    options = [f"format={canvas.overlay_format}", "eval=init"]
    options += ["shortest=1"] if looped else []
    options += ["eof_action=pass"] if picture.moves and repeat == "once" and not picture.lasts_s else []
    options += [enabled] if (enabled := canvas.enabled(times)) else []
    return Overlay(
        arguments=tuple(source(picture.path, "-f", picture.demuxer, *_loop(picture, looped, canvas.lasts_s))),
        x=str(even_left),
        y=str(even_top),
        filters=(*filters, *padding),
        options=tuple(options),
    )


def _loop(picture: Picture, looped: bool, lasts_s: float) -> tuple[str, ...]:
    """How often it is played is ours to say, not the file's. It ends with the output: laid over a source of which not
    one frame can be decoded it would be read for ever."""
    if not picture.moves:
        return ()
    if not looped:
        return ("-ignore_loop", "1")
    return ("-ignore_loop", "1", "-stream_loop", "-1", *(("-t", f"{lasts_s + 1:.3f}") if lasts_s else ()))


def _prepared(picture: Picture, size: tuple[int, int], canvas: Canvas) -> list[str]:
    scale = f"scale={size[0]}:{size[1]}:flags=lanczos"
    # What lies under full transparency, mostly black, must not bleed into the edges.
    filters = ["format=gbrap", "premultiply=inplace=1", scale, "unpremultiply=inplace=1"] if picture.alpha else [scale]
    if canvas.white != 1:
        filters += ["format=rgba", "colorchannelmixer=" + ":".join(f"{c * 2}={canvas.white}" for c in "rgb")]
    return filters


def _even(box: Box, canvas: Canvas) -> tuple[int, int, list[str]]:
    """The place rounded down to whole samples of colour, as the overlay filter does, and the transparent margin that
    moves the picture back to its own."""
    left = box.left % 2 if canvas.chroma != "444" else 0
    top = box.top % 2 if canvas.chroma == "420" else 0
    if not left and not top:
        return box.left, box.top, []
    margin = f"pad={box.width + left}:{box.height + top}:{left}:{top}:color=black@0"
    return box.left - left, box.top - top, ["format=rgba", margin]


def _text(mark: Mark, times: Moments, canvas: Canvas) -> str:
    template = mark.resolved.template
    style = template.text_template
    assert style is not None
    x, y = offsets(template, canvas.frame)
    options = [
        f"fontfile={escaped(str(BY_NAME[style.font_type].path))}",
        f"textfile={escaped(mark.text_file)}",
        # Without it %{...} would be evaluated.
        "expansion=none",
        f"fontsize={style.font_px}",
        f"fontcolor={_dimmed(style.font_color, canvas.white)}@{style.font_alpha:g}",
        "x=" + (f"w-text_w-{x}" if template.coordinate_origin.endswith("Right") else str(x)),
        "y=" + (f"h-text_h-{y}" if template.coordinate_origin.startswith("Bottom") else str(y)),
    ]
    if enabled := canvas.enabled(times):
        options.append(enabled)
    return f"drawtext={':'.join(options)}"


def _dimmed(colour: str, white: float) -> str:
    if white == 1:
        return colour
    parts = (round(int(colour[index : index + 2], 16) * white) for index in (2, 4, 6))
    return "0x" + "".join(f"{part:02X}" for part in parts)
