"""Draws an SVG: `python -I svg_child.py SVG PNG WIDTH HEIGHT FONT...`, sides of 0 as the drawing has them.

A program of its own because a drawing may need endless time and memory. The text has been checked before
(`shared.mps.svg`): it refers to nothing outside of it. It imports resvg_py and the standard library only.
"""

from __future__ import annotations

import sys
from pathlib import Path

import resvg_py


def main(argv: list[str]) -> None:
    """Writes the PNG, or one line that says why not and ends with code 2."""
    drawing, target, width, height, *fonts = argv[1:]
    try:
        png = resvg_py.svg_to_bytes(
            svg_string=Path(drawing).read_text("utf-8"),
            width=int(width) or None,
            height=int(height) or None,
            skip_system_fonts=True,
            font_files=fonts,
            font_family="Noto Sans SC",
            sans_serif_family="Noto Sans SC",
            serif_family="Noto Serif SC",
            monospace_family="Noto Sans SC",
            cursive_family="Noto Serif SC",
            fantasy_family="Noto Sans SC",
        )
    except (ValueError, OSError) as error:
        sys.stdout.write(" ".join(str(error).split())[:200] + "\n")
        sys.exit(2)
    Path(target).write_bytes(png)


if __name__ == "__main__":
    main(sys.argv)
