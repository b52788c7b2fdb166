"""Notices that the store's clock has jumped."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta


class ClockWatch:
    """Compares the store's clock with the monotonic one, which knows no jumps (and no sleep of the machine)."""

    def __init__(self, monotonic: Callable[[], float], tolerance: timedelta) -> None:
        self._monotonic = monotonic
        self._tolerance = tolerance
        self._last: tuple[datetime, float] | None = None

    def jumped(self, now: datetime) -> timedelta | None:
        """How far the clock has jumped since the last look, forward or back; None if it has not."""
        at = self._monotonic()
        last, self._last = self._last, (now, at)
        if last is None:
            return None
        jump = now - last[0] - timedelta(seconds=at - last[1])
        return jump if abs(jump) > self._tolerance else None
