"""A delivery: one notification to one sink, with every attempt at it."""

from __future__ import annotations

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
    """One try. `status` is the HTTP status where there is one; `response` is clipped."""

    at: Instant
    latency_ms: float
    status: int | None = None
    error: str | None = None
    response: str | None = None


class Delivery(Document):
    """One notification. Its id is also the `webhook-id` and stays the same over all attempts."""

    tenant: str
    run_id: str
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
