"""What happened in each of the last minutes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from shared.model.worker import MINUTES


class MinuteCounts:
    """How often something happened in each of the last minutes, by what it was."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._counts: dict[int, Counter[str]] = {}

    def add(self, what: str) -> None:
        """It happened now."""
        minute = self._minute()
        self._counts.setdefault(minute, Counter())[what] += 1
        for old in [one for one in self._counts if one <= minute - MINUTES]:
            del self._counts[old]

    def last(self, what: str) -> tuple[int, ...]:
        """The present minute first."""
        minute = self._minute()
        return tuple(self._counts.get(minute - ago, Counter())[what] for ago in range(MINUTES))

    def _minute(self) -> int:
        return int(self._monotonic() // 60)
