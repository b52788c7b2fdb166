"""Watermarks on pictures that are there already: one call for all of them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from services.workers.media import ffmpeg
from services.workers.media.filtergraph import FilterGraph, Overlay
from services.workers.media.picture import ENCODERS
from services.workers.media.pictures import file_name
from services.workers.media.watermarks import Drawn

UNMARKED_EXTENSION = "png"
"""Pictures are compressed with loss once, with what is drawn on them."""
_AT_ONCE = "100000"
"""Pictures a second: of a watermark that moves, all show the first frame."""


def marked_name(index: int | str, extension: str) -> str:
    """The local name of a finished picture."""
    return f"marked-{index}.{extension}"


def arguments(folder: Path, drawn: Sequence[Drawn], count: int, extension: str) -> list[str]:
    """Draws on the pictures 0 to `count` - 1 in `folder`."""
    encoder = ENCODERS[extension]
    graph = FilterGraph("0:v:0")
    for one in drawn:
        if isinstance(one, Overlay):
            graph.overlay(one)
        else:
            graph.apply(one)
    graph.apply(*encoder.filters)
    return [
        *ffmpeg.source(folder / file_name("%d", UNMARKED_EXTENSION), "-f", "image2", "-framerate", _AT_ONCE),
        *(*graph.inputs, *graph.arguments(), "-frames:v", str(count), "-fps_mode", "passthrough"),
        *(*encoder.arguments, "-f", "image2", "-start_number", "0", f"file:{marked_name('%d', extension)}"),
    ]
