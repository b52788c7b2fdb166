"""A replay: many deliveries that are to be sent again, chosen by a filter, put back in the order of their runs."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from shared.model.base import Document, Instant, Value, instant_text
from shared.model.delivery import DeliveryState
from shared.model.pipeline import SinkType


class ReplayState(StrEnum):
    """Where a replay stands."""

    RUNNING = "running"
    """Deliveries are being put back."""
    DONE = "done"
    """Final: all that were wanted are put back; whether they arrived is theirs to tell."""
    CANCELLED = "cancelled"
    """Final: what was put back is sent, no more is."""


class Chosen(Value):
    """Which deliveries; members that are None choose all. Times are of the making of the delivery: from `since` until
    before `before`."""

    state: DeliveryState = DeliveryState.DEAD
    run_id: str | None = None
    pipeline_id: str | None = None
    subscription: str | None = None
    of_default: bool = False
    """Of the contract's own subscription, which has no name."""
    sink: SinkType | None = None
    since: Instant | None = None
    before: Instant | None = None

    def filter(self, tenant: str) -> dict[str, Any]:
        """The condition for the store, apart from the times; test events are never among them."""
        named = ("run_id", "pipeline_id", "subscription", "sink")
        given = {name: getattr(self, name) for name in named}
        return {
            "tenant": tenant,
            "state": self.state.value,
            "test": {"$ne": True},
            **({"subscription": None} if self.of_default else {}),
            **{name: str(value) for name, value in given.items() if value is not None},
        }

    def created(self, until: Instant) -> dict[str, str]:
        """The condition on `created_at`: nothing that was made at `until` or later."""
        before = until if self.before is None else min(self.before, until)
        bounds = {"$lt": instant_text(before)}
        return bounds if self.since is None else {"$gte": instant_text(self.since), **bounds}


class Replay(Document):
    """One replay. Of the deliveries that existed when it was made each is put back once, whoever else replays them.
    `mark` is where it has come to; `due_at` is its timer and, while a notifier works at it, the end of its lease."""

    tenant: str
    chosen: Chosen
    state: ReplayState = ReplayState.RUNNING
    created_at: Instant
    due_at: Instant | None
    ended_at: Instant | None = None
    mark: tuple[str, str] | None = None
