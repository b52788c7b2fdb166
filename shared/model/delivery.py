"""A delivery: one notification to one sink, with every attempt at it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from shared.model.base import Document, Instant, Value
from shared.model.pipeline import SinkType


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    """To be sent at `due_at`."""
    DELIVERED = "delivered"
    """Final: the sink took it."""
    DEAD = "dead"
    """Final: given up; kept for replay."""


class DeliveryAttempt(Value):
    """One try. `status` is the HTTP status where there is one; `response` is clipped; `headers` are those that were
    sent, signatures masked."""

    at: Instant
    latency_ms: float
    status: int | None = None
    error: str | None = None
    response: str | None = None
    headers: dict[str, str] | None = None


class Delivery(Document):
    """One notification. Its id is also the `webhook-id` and stays the same over all attempts and replays.

    `due_at` is the timer of a pending one, `forget_at` that of a final one: after it the log need not keep it.
    """

    tenant: str
    run_id: str
    pipeline_id: str | None = None
    sequence: int
    subscription: str | None = None
    """The subscription's name; None is the contract's own."""
    sink: SinkType
    target: str
    state: DeliveryState = DeliveryState.PENDING
    due_at: Instant | None
    created_at: Instant
    delivered_at: Instant | None = None
    lease_owner: str | None = None
    attempts: tuple[DeliveryAttempt, ...] = ()
    tries: int | None = None
    """Attempts since it was made or last replayed; None: as many as are kept."""
    replayed_at: Instant | None = None
    """When somebody last had it sent again."""
    replay: str | None = None
    """The replay, of many deliveries, that it was last part of."""
    test: bool = False
    """Made by hand, about a run that never was; tried once."""
    forget_at: Instant | None = None

    @property
    def tried(self) -> int:
        """How often it was tried since it was made or last replayed."""
        return len(self.attempts) if self.tries is None else self.tries

    def put_back(self, now: datetime, replay: str | None = None) -> Delivery:
        """To be sent again: the schedule of retries begins anew, the attempts stay in the log."""
        return self.with_changes(
            state=DeliveryState.PENDING,
            due_at=now,
            delivered_at=None,
            lease_owner=None,
            tries=0,
            replayed_at=now,
            replay=replay,
            forget_at=None,
        )
