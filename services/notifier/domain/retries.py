"""When a delivery is tried again, and when it is given up (contract MPS_EVENTS §6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.notifier.domain.notice import Report
from shared.model.delivery import Delivery, DeliveryAttempt, DeliveryState

STEPS = (
    timedelta(seconds=10),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=6),
)
"""The wait after the n-th attempt; the last one repeats."""

JITTER = 0.2
"""A wait is lengthened by up to this part of itself: never shortened, so that `Retry-After` and the steps hold."""

MAX_KEPT_ATTEMPTS = 50
"""The newest attempts that a delivery keeps."""


@dataclass(frozen=True, slots=True)
class RetrySchedule:
    """How long a delivery is tried, and kept in the log. No attempt begins later than `give_up_after` after the
    delivery was made or last replayed; a test event is tried once."""

    steps: Sequence[timedelta] = STEPS
    give_up_after: timedelta = timedelta(days=3)
    keep_delivered: timedelta = timedelta(days=30)
    keep_dead: timedelta = timedelta(days=90)

    def wait(self, attempts: int, luck: float) -> timedelta:
        """The wait after this many attempts (at least one); `luck` in [0, 1) spreads it."""
        step = self.steps[min(attempts, len(self.steps)) - 1]
        return step * (1 + JITTER * luck)

    def after(
        self, delivery: Delivery, attempt: DeliveryAttempt, report: Report, now: datetime, luck: float
    ) -> Delivery:
        """The delivery after an attempt: delivered, dead, or pending with its next time.

        A sink's `retry_after` lengthens the wait, at most to the longest step; its `retry_within` shortens it.
        """
        ended = delivery.with_changes(
            attempts=(*delivery.attempts, attempt)[-MAX_KEPT_ATTEMPTS:],
            lease_owner=None,
            tries=delivery.tried + 1,
        )
        if report.delivered:
            return ended.with_changes(
                state=DeliveryState.DELIVERED, due_at=None, delivered_at=now, forget_at=now + self.keep_delivered
            )
        wait = self.wait(ended.tried, luck)
        if report.retry_within is not None:
            wait = min(wait, report.retry_within)
        if report.retry_after is not None:
            wait = max(wait, min(report.retry_after, self.steps[-1]))
        begun_at = delivery.replayed_at or delivery.created_at
        if report.gone or delivery.test or now + wait > begun_at + self.give_up_after:
            return ended.with_changes(state=DeliveryState.DEAD, due_at=None, forget_at=now + self.keep_dead)
        return ended.with_changes(state=DeliveryState.PENDING, due_at=now + wait)
