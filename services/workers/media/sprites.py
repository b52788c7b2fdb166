"""Sheets of small pictures and the WebVTT file that says where each of them is. Pure.

The WebVTT is what players take as thumbnails: one cue for each tile, whose text is the address of a sheet, relative to
the WebVTT file, with the tile as a media fragment (`#xywh=x,y,width,height`, W3C Media Fragments §4.2.2).
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from services.workers.media import ffmpeg
from services.workers.media.picture import ENCODERS
from services.workers.media.pictures import file_name

TILE_EXTENSION = "png"
"""Tiles are compressed with loss once, as part of their sheet."""


@dataclass(frozen=True, slots=True)
class Grid:
    """How tiles stand on sheets; sizes in pixels."""

    rows: int
    columns: int
    width: int
    height: int

    @property
    def tiles(self) -> int:
        """Of one sheet."""
        return self.rows * self.columns

    def sheets(self, count: int) -> int:
        """How many sheets so many tiles need."""
        return -(-count // self.tiles)

    def place(self, index: int) -> tuple[int, int, int]:
        """Sheet, left and top of the `index`-th tile. Rows are filled one after another."""
        sheet, place = divmod(index, self.tiles)
        row, column = divmod(place, self.columns)
        return sheet, column * self.width, row * self.height


def sheet_name(index: int | str, extension: str) -> str:
    """The local name of a sheet."""
    return f"sheet-{index}.{extension}"


def sheet_arguments(folder: Path, grid: Grid, count: int, extension: str) -> list[str]:
    """One call that makes all sheets of the tiles 0 to `count` - 1 in `folder`. Free places are black."""
    encoder = ENCODERS[extension]
    tile = f"tile={grid.columns}x{grid.rows}:color=black"
    return [
        *ffmpeg.source(folder / file_name("%d", TILE_EXTENSION), "-f", "image2", "-framerate", "1"),
        *("-map", "0:v:0", "-vf", ",".join((tile, *encoder.filters)), "-frames:v", str(grid.sheets(count))),
        *(*encoder.arguments, "-f", "image2", "-start_number", "0", f"file:{sheet_name('%d', extension)}"),
    ]


def web_vtt(grid: Grid, times: Sequence[float], duration_s: float, sheets: Sequence[str]) -> str:
    """The WebVTT file. Cues follow each other without gaps from 0 to the end of the source; `sheets` are addresses."""
    ends = [*times[1:], duration_s]
    cues = []
    for index, (start, end) in enumerate(zip(times, ends, strict=True)):
        sheet, left, top = grid.place(index)
        # A cue has to end after it begins, also for a picture that has no duration.
        span = f"{_timestamp(start)} --> {_timestamp(max(end, start + 0.001))}"
        cues.append(f"{span}\n{sheets[sheet]}#xywh={left},{top},{grid.width},{grid.height}\n")
    return "\n".join(["WEBVTT\n", *cues])


def _timestamp(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}.{rest % 1000:03d}"


def relative_address(target: str, beside: str) -> str:
    """The address of the object `target` as seen from the object `beside`, both keys of one bucket. Whatever a name
    holds (spaces, `#`, `%`, Chinese), it stays one name."""
    path = posixpath.relpath("/" + target, posixpath.dirname("/" + beside))
    return quote(path)
