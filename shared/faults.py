"""Named crash points: the places between two effects where a process may die.

A fault test sets `REELWAY_FAULT_AT=scheduler.after_cas` (optionally `name:3` for the third time it is passed) and the
process ends there as if by kill -9. With `REELWAY_FAULT_DIR=<folder>` instead, the first process that passes a point
for which the folder holds a file of its name removes the file and ends: one crash per file, however many processes
there are and however often they are restarted. The file may name another signal: `STOP` makes a zombie of the process.
A file `clock` in that folder holds seconds by which the machine's clock seems to be off. Without the variables a fault
point costs two comparisons and the clock one.
"""

from __future__ import annotations

import os
import signal
from datetime import datetime, timedelta
from pathlib import Path

CLOCK = "clock"
"""The file that puts the clock off; no crash point has this name, for theirs begin with a service and a dot."""


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
    if _folder is not None and (number := _taken(_folder / name)) is not None:
        os.kill(os.getpid(), number)


def shown_by_clock(now: datetime) -> datetime:
    """What the machine's clock shows when it really is `now`."""
    if _folder is None:
        return now
    try:
        return now + timedelta(seconds=float((_folder / CLOCK).read_text()))
    except FileNotFoundError:
        return now


def _taken(file: Path) -> signal.Signals | None:
    """The signal that the file asks for, if it is there and nobody else was faster."""
    try:
        word = file.read_text().strip()
        file.unlink()
    except FileNotFoundError:
        return None
    return signal.Signals[f"SIG{word}"] if word else signal.SIGKILL
