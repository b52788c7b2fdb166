"""Run events in, deliveries out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from services.notifier.domain.deliveries import deliveries
from services.notifier.metrics import MADE
from shared.faults import fault_point
from shared.messages.messages import RunChanged
from shared.model.run import Run
from shared.state.records import Records


class Notifications:
    """Writes the deliveries that run events ask for. `wake` is called when there are new ones.

    The messages are only news: what is written comes from the runs as they are stored, ids are deterministic, so that
    lost, late, repeated and reordered messages change nothing but the time.
    """

    def __init__(self, records: Records, wake: Callable[[], None]) -> None:
        self._records = records
        self._wake = wake

    async def on_run_changed(self, messages: Sequence[RunChanged]) -> None:
        """Takes a batch. Events of runs that are gone, or that nobody wants to be told of, make nothing."""
        wanted: dict[str, set[int]] = {}
        for message in messages:
            if message.notifies is False:
                continue
            wanted.setdefault(message.run_id, set()).add(message.event.sequence)
        if not wanted:
            return
        runs = await self._records.runs.get_many(list(wanted))
        await self.make([(run, frozenset(wanted[run.id])) for run in runs.values()], by="event")

    async def make(self, runs: Sequence[tuple[Run, frozenset[int] | None]], *, by: str) -> int:
        """Writes the deliveries of these runs (of these sequence numbers if given) that are not there yet; returns how
        many were new."""
        now = await self._records.now()
        wanted = [delivery for run, only in runs for delivery in deliveries(run, now, only=only)]
        if not wanted:
            return 0
        written = await self._records.deliveries.insert_many(wanted)
        fault_point("notifier.after_deliveries")
        for delivery, new in zip(wanted, written, strict=True):
            if new:
                MADE.labels(delivery.sink.value, by).inc()
        if any(written):
            self._wake()
        return sum(written)
