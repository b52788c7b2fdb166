"""Ends an attempt that runs for too long, or stands still."""

from __future__ import annotations

import time

from shared.model.failure import ErrCode, InternalError
from shared.model.task import Task


class Stopwatch:
    """Started when the work starts. Works on this machine's monotonic clock: jumps of the wall clock do not matter."""

    def __init__(self, task: Task) -> None:
        self._running_s = task.running_s
        self._stalled_s = task.stalled_s
        self._began = self._moved = time.monotonic()
        self._progress = 0.0

    def check(self, progress: float) -> None:
        """Raises InternalError (`InternalError.Timeout`) when a limit is passed."""
        now = time.monotonic()
        if progress > self._progress:
            self._progress, self._moved = progress, now
        if self._running_s is not None and now - self._began > self._running_s:
            raise InternalError(f"ran for more than {self._running_s:g} s", ErrCode.TIMEOUT)
        if self._stalled_s is not None and now - self._moved > self._stalled_s:
            raise InternalError(f"made no progress for {self._stalled_s:g} s", ErrCode.TIMEOUT)
