"""Which deliveries follow from a run's history."""

from __future__ import annotations

from datetime import datetime

from shared.ids import delivery_id
from shared.model.delivery import Delivery
from shared.model.pipeline import Notification
from shared.model.run import Run, wants


def sequences(run: Run, subscription: Notification, *, before: int | None = None) -> list[int]:
    """The sequence numbers of the events that make a delivery for this subscription, ascending; only those below
    `before` if given."""
    return [
        event.sequence
        for event in run.history
        if (before is None or event.sequence < before) and wants(subscription, run, event)
    ]


def deliveries(run: Run, now: datetime, *, only: frozenset[int] | None = None) -> list[Delivery]:
    """The deliveries of a run's notifiable events (those in `only` if given), due now.

    Deterministic ids: making them again and again makes each of them once.
    """
    return [
        Delivery(
            id=delivery_id(run.id, sequence, subscription.name),
            tenant=run.tenant,
            run_id=run.id,
            pipeline_id=run.pipeline_id,
            sequence=sequence,
            subscription=subscription.subscription,
            sink=subscription.sink,
            target=subscription.target,
            due_at=now,
            created_at=now,
        )
        for subscription in run.subscriptions
        for sequence in sequences(run, subscription)
        if only is None or sequence in only
    ]
