"""Reads a subtitle file and writes it as ASS: `python -I captions_child.py FILE TARGET MAX_BYTES MAX_EVENTS`.

A program of its own because some texts make the library search for hours. It imports pysubs2 and the standard library
only. The one line that it says is `styled` or `plain`, or with code 2 why the file cannot be read.
"""

from __future__ import annotations

import html
import sys
from pathlib import Path

import pysubs2
from pysubs2 import SSAFile

ENCODINGS = ("utf-8-sig", "gb18030", "latin-1")
"""Tried in this order; every file is something in the last one, but then it has no subtitles in it."""

KEPT = frozenset({"PlayResX", "PlayResY", "WrapStyle", "ScaledBorderAndShadow"})


class Unreadable(Exception):
    """Its text is for the user."""


def read(data: bytes, max_events: int) -> tuple[SSAFile, bool]:
    """The subtitles, and whether they bring looks of their own. What such a file can carry beside text (fonts,
    pictures, settings of editors) is dropped."""
    text = decoded(data)
    kind = format_of(text)
    if kind is None:
        raise Unreadable("they are no SubRip, WebVTT, ASS or SSA")
    try:
        found = SSAFile.from_string(text, format_=kind)
    except (pysubs2.Pysubs2Error, ValueError, KeyError, IndexError) as error:
        raise Unreadable(f"they are no good {kind}: {' '.join(str(error).split())[:120]}") from error
    found.events = [event for event in found.events if not event.is_comment and event.end > event.start]
    if not found.events:
        raise Unreadable("there is no line with a time in them")
    if len(found.events) > max_events:
        raise Unreadable(f"they have more than {max_events} lines")
    if kind == "vtt":
        for event in found.events:
            event.text = html.unescape(event.text)
    found.info = {name: value for name, value in found.info.items() if name in KEPT}
    found.fonts_opaque.clear()
    found.graphics_opaque.clear()
    found.aegisub_project.clear()
    return found, kind in ("ass", "ssa")


def decoded(data: bytes) -> str:
    """The text, in whichever encoding it is."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    for encoding in ENCODINGS:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise AssertionError("unreachable: latin-1 takes everything")


def format_of(text: str) -> str | None:
    """By what is in it, whatever its name says."""
    head = text[:4096].lstrip()
    if head.startswith("WEBVTT"):
        return "vtt"
    if "[V4 Styles]" in text:
        return "ssa"
    if "[V4+ Styles]" in text or head.startswith("[Script Info]"):
        return "ass"
    return "srt" if "-->" in text else None


def main(argv: list[str]) -> None:
    """Writes the file and the line."""
    source, target, max_bytes, max_events = argv[1:]
    try:
        with Path(source).open("rb") as file:
            data = file.read(int(max_bytes) + 1)
        if len(data) > int(max_bytes):
            raise Unreadable(f"they have more than {max_bytes} bytes")
        found, styled = read(data, int(max_events))
    except Unreadable as error:
        sys.stdout.write(f"{error}\n")
        sys.exit(2)
    Path(target).write_text(found.to_string("ass"), "utf-8")
    sys.stdout.write("styled\n" if styled else "plain\n")


if __name__ == "__main__":
    main(sys.argv)
