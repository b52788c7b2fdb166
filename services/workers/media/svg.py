"""SVG drawings as pictures, drawn in a child process with limits."""

from __future__ import annotations

import sys
from pathlib import Path

from services.workers.media.fonts import SANS, SERIF
from services.workers.media.process import Limits, ProcessTimeout, run
from shared.model.failure import InvalidInput
from shared.mps.svg import harmless_svg

CHILD = Path(__file__).with_name("svg_child.py")
LIMITS = Limits(address_space_bytes=3 * 1024**3, cpu_s=30, wall_s=60, stall_s=60)


async def draw_svg(text: str, folder: Path, name: str, width: int, height: int) -> Path:
    """A PNG named `name` in `folder`, so wide or so high (the other side 0), or of the drawing's own size (both 0).

    Raises InvalidInput if it cannot be drawn, or not within 30 s and 3 GiB.
    """
    drawing, target = folder / f"{name}.svg", folder / name
    try:
        drawing.write_text(harmless_svg(text), "utf-8")
    except ValueError as error:
        raise InvalidInput(f"SvgContent {error}") from error
    said: list[str] = []

    def listen(line: str) -> bool:
        said.append(line)
        return True

    fonts = [str(font.path) for font in (SANS, SERIF)]
    program = [sys.executable, "-I", str(CHILD), str(drawing), str(target), str(width), str(height), *fonts]
    try:
        ended = await run(program, folder, listen, LIMITS)
    except ProcessTimeout as error:
        raise InvalidInput("SvgContent takes too long to be drawn") from error
    if ended.returncode == 2 and said:
        raise InvalidInput(f"SvgContent cannot be drawn: {said[-1]}")
    if ended.returncode != 0 or not target.is_file():
        raise InvalidInput("SvgContent cannot be drawn: it is too large or too complex")
    return target
