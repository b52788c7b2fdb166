"""The fonts that text is drawn with: Noto Sans and Noto Serif of simplified Chinese, which have Latin letters and kana
too. They come with a package, so that a picture is the same on every machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pylopdf_fonts_zh_cn


@dataclass(frozen=True, slots=True)
class Font:
    """A face: where it is and what it calls itself."""

    path: Path
    family: str


SANS = Font(pylopdf_fonts_zh_cn.sans_path(), "Noto Sans SC")
SERIF = Font(pylopdf_fonts_zh_cn.serif_path(), "Noto Serif SC")
LINE_PER_EM = 1.44
"""Of both: scripts of subtitles count font sizes in lines, everybody else in the height of an em."""

BY_NAME = {"arial.ttf": SANS, "simkai.ttf": SERIF}
"""FontType of text watermarks (MPS_API §10). Kai and Arial may not be given away; these stand for them [OURS]."""
