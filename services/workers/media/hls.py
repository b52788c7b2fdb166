"""Playlists as they lie in the bucket: local segment names become the names that were asked for. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

_MAP = re.compile(r'^(#EXT-X-MAP:URI=")([^"]*)(".*)$')


def local_names(playlist: str) -> list[str]:
    """The files that a playlist of ours names, initialisation segment first, in order."""
    inits = [match[2] for line in playlist.splitlines() if (match := _MAP.match(line))]
    return inits + segment_names(playlist)


def segment_names(playlist: str) -> list[str]:
    """The media segments that a playlist of ours names, in order."""
    return [line for line in playlist.splitlines() if line and not line.startswith("#")]


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
