"""Which deliveries follow from a run's history."""

from __future__ import annotations

from datetime import datetime

from shared.ids import delivery_id
from shared.model.delivery import Delivery
from shared.model.run import Run, notifiable


def sequences(run: Run, *, before: int | None = None) -> list[int]:
    """The sequence numbers of the events that make a delivery, ascending; only those below `before` if given."""
    return [
        event.sequence
        for event in run.history
        if notifiable(run, event) and (before is None or event.sequence < before)
    ]


def deliveries(run: Run, now: datetime, *, only: frozenset[int] | None = None) -> list[Delivery]:
    """The deliveries of a run's notifiable events (those in `only` if given), due now.

    Deterministic ids: making them again and again makes each of them once.
    """
    notification = run.notification
    if notification is None:
        return []
    return [
        Delivery(
            id=delivery_id(run.id, sequence, notification.name),
            tenant=run.tenant,
            run_id=run.id,
            sequence=sequence,
            sink=notification.sink,
            target=notification.target,
            due_at=now,
            created_at=now,
        )
        for sequence in sequences(run)
        if only is None or sequence in only
    ]
