"""How often a tenant may ask for the same thing (contract MPS_API §1): a bucket of one second's calls for each action.

Counted in this process alone, so that no call waits for the store: with several API processes a tenant gets up to that
many times as much (ADR 33).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import ClassVar

from cachetools import LRUCache

from shared.errors import ReelwayError

PER_S: Mapping[str, float] = {
    "CreateSchedule": 20,
    "ResetWorkflow": 20,
    "ParseNotification": 20,
    "DescribeTaskDetail": 100,
    "CreateWorkflow": 200,
    "open_session": 2,
}
"""What is documented, and logins, by the address they come from."""
OTHERS_PER_S = 100.0
MOST_KEPT = 100_000
"""Pairs of tenant and action that are remembered; who falls out begins anew."""


class RateExceeded(ReelwayError):
    """Too many calls of this action within a second; nothing was done."""

    code: ClassVar[str] = "rate_exceeded"
    retryable = True

    def __init__(self, action: str, per_s: float, wait_s: float) -> None:
        super().__init__(f"more than {per_s:g} calls of {action} in a second; try again in {wait_s:.3g} s")
        self.wait_s = wait_s

    @property
    def retry_after(self) -> str:
        """Whole seconds, at least one."""
        return str(max(1, math.ceil(self.wait_s)))


class Rates:
    """The generic cell rate algorithm: one number per bucket, the time at which it will be full again."""

    def __init__(self, scale: float, timer: Callable[[], float] = time.monotonic) -> None:
        """`scale` multiplies all limits; 0 means none."""
        self._scale = scale
        self._timer = timer
        self._full_at: LRUCache[tuple[str, str], float] = LRUCache(MOST_KEPT)

    def take(self, who: str, action: str) -> None:
        """Counts a call. Raises RateExceeded; then it is not counted."""
        per_s = PER_S.get(action, OTHERS_PER_S) * self._scale
        if not per_s:
            return
        now = self._timer()
        burst_s = max(per_s, 1) / per_s
        full_at = max(self._full_at.get((who, action), now), now) + 1 / per_s
        if (wait_s := full_at - now - burst_s) > 1e-9:
            raise RateExceeded(action, per_s, wait_s)
        self._full_at[who, action] = full_at
