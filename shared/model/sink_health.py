"""How a sink of a tenant does: what the newest attempts met."""

from __future__ import annotations

from enum import StrEnum

from shared.model.base import Document, Instant
from shared.model.pipeline import SinkType


class SinkState(StrEnum):
    """What the newest attempt met."""

    HEALTHY = "healthy"
    """It was taken."""
    FAILING = "failing"
    """The other side answered, and not as it should."""
    SILENT = "silent"
    """Nobody was there or nobody spoke: one delivery at a time tries it."""


class SinkHealth(Document):
    """One place that notifications go to. `since` is when it came into its state; `failures` counts attempts since the
    last success, as far as it was written (a killed process forgets its last seconds)."""

    tenant: str
    sink: SinkType
    target: str
    state: SinkState
    since: Instant
    last_success_at: Instant | None = None
    last_failure_at: Instant | None = None
    last_status: int | None = None
    last_error: str | None = None
    failures: int = 0
