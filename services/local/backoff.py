"""How long to wait before a process that died is started again."""

from __future__ import annotations

FIRST_S = 0.2
LONGEST_S = 10.0
HEALTHY_AFTER_S = 30.0


class RestartBackoff:
    """Doubles with every death from 0.2 s to 10 s, and starts anew after a life of 30 s or more."""

    def __init__(self) -> None:
        self._next_s = FIRST_S

    def after_life_of(self, lived_s: float) -> float:
        """Seconds to wait after a process that lived this long."""
        if lived_s >= HEALTHY_AFTER_S:
            self._next_s = FIRST_S
        wait_s, self._next_s = self._next_s, min(self._next_s * 2, LONGEST_S)
        return wait_s
