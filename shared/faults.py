"""Named crash points: the places between two effects where a process may die.

A fault test sets `REELWAY_FAULT_AT=scheduler.after_cas` (optionally `name:3` for the third time it is passed) and the
process ends there as if by kill -9. With `REELWAY_FAULT_DIR=<folder>` instead, the first process that passes a point
for which the folder holds a file of its name removes the file and ends: one crash per file, however many processes
there are and however often they are restarted. Without the variables a fault point costs two comparisons.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path


class _Countdown:
    """Counts down to the armed crash point of this process."""

    def __init__(self, spec: str) -> None:
        name, _, count = spec.partition(":")
        self.name = name
        self.left = int(count) if count else 1

    def passed(self, name: str) -> bool:
        if self.name != name:
            return False
        self.left -= 1
        return self.left <= 0


_countdown = _Countdown(os.environ["REELWAY_FAULT_AT"]) if os.environ.get("REELWAY_FAULT_AT") else None
_folder = Path(os.environ["REELWAY_FAULT_DIR"]) if os.environ.get("REELWAY_FAULT_DIR") else None


def fault_point(name: str) -> None:
    """Ends the process with SIGKILL if this point is armed; does nothing otherwise."""
    if _countdown is not None and _countdown.passed(name):
        os.kill(os.getpid(), signal.SIGKILL)
    if _folder is not None and _taken(_folder / name):
        os.kill(os.getpid(), signal.SIGKILL)


def _taken(file: Path) -> bool:
    try:
        file.unlink()
    except FileNotFoundError:
        return False
    return True
