"""Playlists as they lie in the bucket: local segment names become the names that were asked for. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

_MAP = re.compile(r'^(#EXT-X-MAP:URI=")([^"]*)(".*)$')
_DURATION = re.compile(r"^#EXTINF:([0-9.]+)")
_RANGE = re.compile(r"^#EXT-X-BYTERANGE:(\d+)@(\d+)$")
_TARGET = re.compile(r"^#EXT-X-TARGETDURATION:\d+$", re.M)
_SLACK_S = 0.05
"""Segments end with a frame, boundaries need not."""


def local_names(playlist: str) -> list[str]:
    """The files that a playlist of ours names, initialisation segment first, in order, each once."""
    inits = [match[2] for line in playlist.splitlines() if (match := _MAP.match(line))]
    return list(dict.fromkeys(inits + segment_names(playlist)))


def segment_names(playlist: str) -> list[str]:
    """The media segments that a playlist of ours names, in order."""
    return [line for line in playlist.splitlines() if line and not line.startswith("#")]


@dataclass(frozen=True, slots=True)
class _Entry:
    """One or more neighbouring segments: their lines in the playlist."""

    seconds: float
    names: tuple[str, ...]
    first_byte: int | None = None
    length: int = 0

    def lines(self) -> list[str]:
        found = [f"#EXTINF:{self.seconds:.6f},"]
        if self.first_byte is not None:
            found.append(f"#EXT-X-BYTERANGE:{self.length}@{self.first_byte}")
        return [*found, self.names[0]]

    def with_next(self, other: _Entry) -> _Entry:
        names = self.names if other.names == self.names else (*self.names, *other.names)
        return _Entry(self.seconds + other.seconds, names, self.first_byte, self.length + other.length)


def joined(playlist: str, boundaries: Iterable[float]) -> tuple[str, list[tuple[str, ...]]]:
    """A playlist whose segments are joined so that they end at the boundaries (seconds, growing, at least as many as
    needed), and for each the files that it is made of: they are to be written one after another into the first.

    For segments of one muxer that are in order: of MPEG-TS and of fragmented MP4 alike.
    """
    head, entries, tail = _parsed(playlist)
    result: list[_Entry] = []
    time, open_entry = 0.0, None
    ends = iter(boundaries)
    end = next(ends)
    for entry in entries:
        open_entry = entry if open_entry is None else open_entry.with_next(entry)
        time += entry.seconds
        if time >= end - _SLACK_S:
            result.append(open_entry)
            open_entry = None
            while end <= time + _SLACK_S:
                end = next(ends)
    if open_entry is not None:
        result.append(open_entry)
    longest = max((round(entry.seconds) for entry in result), default=0)
    lines = [*head, *(line for entry in result for line in entry.lines()), *tail]
    text = _TARGET.sub(f"#EXT-X-TARGETDURATION:{longest}", "\n".join(lines) + "\n")
    return text, [entry.names for entry in result]


def _parsed(playlist: str) -> tuple[list[str], list[_Entry], list[str]]:
    """The lines before the segments, the segments, the lines behind them."""
    head: list[str] = []
    entries: list[_Entry] = []
    tail: list[str] = []
    seconds, part = 0.0, None
    for line in playlist.splitlines():
        if match := _DURATION.match(line):
            seconds = float(match[1])
        elif match := _RANGE.match(line):
            part = (int(match[1]), int(match[2]))
        elif line and not line.startswith("#"):
            length, first = part if part else (0, None)
            entries.append(_Entry(seconds, (line,), first, length))
            part = None
        elif entries:
            tail.append(line)
        else:
            head.append(line)
    return head, entries, tail


def renamed(playlist: str, names: Mapping[str, str]) -> str:
    """The playlist with each local file called by its name relative to the playlist, written as a URI (RFC 8216 §4.1).

    Raises KeyError for a file without a name.
    """
    lines = []
    for line in playlist.splitlines():
        found = _MAP.match(line)
        if found:
            lines.append(f"{found[1]}{uri(names[found[2]])}{found[3]}")
        elif line and not line.startswith("#"):
            lines.append(uri(names[line]))
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


def uri(name: str) -> str:
    """A relative path as a URI reference; a colon in it must not look like a scheme."""
    return quote(name, safe="/")


def segment_lengths(playlist: str) -> list[tuple[float, str, int]]:
    """Seconds, local file, and bytes of each segment that shares its file with others (else 0), in order."""
    return [(entry.seconds, entry.names[0], entry.length) for entry in _parsed(playlist)[1]]


def with_key(playlist: str, uri: str, vector: str) -> str:
    """The playlist of segments that are encrypted, each as a whole, with the key at `uri` (RFC 8216 §4.3.2.4).

    `vector` is 32 hexadecimal digits or empty. The key stands behind the initialisation segment, which stays readable.
    """
    line = f'#EXT-X-KEY:METHOD=AES-128,URI="{uri}"' + (f",IV=0x{vector}" if vector else "")
    lines = playlist.splitlines()
    first = next((at for at, text in enumerate(lines) if _DURATION.match(text)), len(lines))
    return "\n".join([*lines[:first], line, *lines[first:]]) + "\n"
