"""Log files of the processes: appended to by the processes themselves, kept below a size by the launcher."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def open_log(path: Path) -> int:
    """A descriptor that appends to the log. Only its owner may read the file."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def rotate(path: Path, limit_bytes: int) -> bool:
    """Copies a log above the limit to `<name>.1` and empties it, also while a process writes to it.

    Lines that are written between the copy and the emptying are lost.
    """
    if not path.exists() or path.stat().st_size <= limit_bytes:
        return False
    shutil.copyfile(path, path.with_name(path.name + ".1"))
    os.truncate(path, 0)
    return True


def tail(path: Path, lines: int = 8, limit_bytes: int = 16_384, since_byte: int = 0) -> str:
    """The last lines of a log after a position, at most `limit_bytes` of them; empty if there is none."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - limit_bytes, since_byte if since_byte <= size else 0))
        text = file.read().decode(errors="replace")
    return "\n".join(text.splitlines()[-lines:])
