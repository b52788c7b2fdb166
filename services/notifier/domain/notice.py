"""One attempt at a delivery: what a sink is given, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.model.pipeline import Notification

RESPONSE_KEPT_BYTES = 2048
"""How much of an answer is kept in an attempt."""


@dataclass(frozen=True, slots=True)
class QueueAccess:
    """What a subscription says of its queue beside the name."""

    region: str = ""
    topic: bool = False
    access_id: str | None = field(default=None, repr=False)
    access_key: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, subscription: Notification) -> QueueAccess:
        """As the subscription has it."""
        return cls(subscription.region, subscription.topic, subscription.access_id, subscription.access_key)


@dataclass(frozen=True, slots=True)
class Notice:
    """One attempt at one delivery. `id` is the same over all attempts, `body` and `at` are this attempt's. `key` is
    what to sign with: all keys that are valid now, the newest first."""

    id: str
    run_id: str
    target: str
    body: bytes
    key: str | tuple[str, ...] | None
    at: datetime
    traceparent: str | None = None
    tenant: str = ""
    queue: QueueAccess = QueueAccess()


@dataclass(frozen=True, slots=True)
class Report:
    """What became of an attempt.

    `gone`: the sink wants nothing of this any more. `retry_after`: not sooner. `retry_within`: not later, for sinks
    that are our own. `answered` is False when nobody was there or nobody spoke. `sent` are the
    headers that went with it.
    """

    delivered: bool
    status: int | None = None
    error: str | None = None
    response: str | None = None
    gone: bool = False
    retry_after: timedelta | None = None
    retry_within: timedelta | None = None
    answered: bool = True
    sent: Mapping[str, str] | None = None


def clipped(body: bytes) -> str | None:
    """An answer as it is kept: text, at most `RESPONSE_KEPT_BYTES`; None for an empty one."""
    return body[:RESPONSE_KEPT_BYTES].decode(errors="replace") or None
