"""Makes good what the bus lost: every run whose notifications are due gets its deliveries from its own history."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import structlog

from services.notifier.handlers import Notifications
from services.notifier.metrics import DELIVERIES, FORGOTTEN, OLDEST, SINKS
from shared.errors import ReelwayError
from shared.metrics import SWEPT
from shared.model.base import instant_text
from shared.model.delivery import DeliveryState
from shared.model.sink_health import SinkState
from shared.ports.state import Order
from shared.state.records import Records
from shared.state.repository import BrokenDocument

log = structlog.get_logger(__name__)

GAUGES_EVERY_S = 15.0
LOOK_AGAIN = timedelta(days=1)
"""When it is asked again whether a run's deliveries may be forgotten."""
MOST_OF_A_RUN = 10_000
"""More deliveries than a run has."""


class Sweeper:
    """Looks for runs with `notify_due_at` in the past. Any number of sweepers may run."""

    def __init__(self, records: Records, notifications: Notifications) -> None:
        self._records = records
        self._notifications = notifications

    async def sweep(self, limit: int) -> int:
        """One look; returns how many runs are done with.

        A run's timer is only taken away if the run has not changed since its history was read; otherwise there may be
        a new event, and the next sweep looks again.
        """
        now = await self._records.now()
        runs = await self._records.runs.find(
            {"notify_due_at": {"$lte": instant_text(now)}}, sort=[("notify_due_at", Order.ASC)], limit=limit
        )
        if not runs:
            return 0
        made = await self._notifications.make([(run, None) for run in runs], by="sweeper")
        if made:
            SWEPT.labels("notifier", "deliveries").inc(made)
            log.warning("deliveries whose events were lost", made=made)
        done = await self._records.runs.replace_many([run.with_changes(notify_due_at=None) for run in runs])
        return sum(run is not None for run in done)

    async def forget(self, limit: int) -> int:
        """Takes deliveries out of the log whose time is over; returns how many.

        Those of a run go together, the last event's first, and only when the run is final: a delivery that is missing
        before one that is to be sent would be made, and sent, again.
        """
        now = await self._records.now()
        due = await self._records.deliveries.find(
            {"forget_at": {"$lte": instant_text(now)}}, sort=[("forget_at", Order.ASC)], limit=limit
        )
        gone = 0
        for run_id in dict.fromkeys(delivery.run_id for delivery in due):
            all_of_run = await self._records.deliveries.find(
                {"run_id": run_id}, sort=[("sequence", Order.DESC)], limit=MOST_OF_A_RUN
            )
            over = [delivery for delivery in all_of_run if delivery.forget_at is not None and delivery.forget_at <= now]
            if len(over) == len(all_of_run) and await self._is_final(run_id):
                for delivery in over:
                    gone += await self._records.deliveries.delete(delivery)
            else:
                later = now + LOOK_AGAIN
                await self._records.deliveries.replace_many([one.with_changes(forget_at=later) for one in over])
        FORGOTTEN.inc(gone)
        return gone

    async def _is_final(self, run_id: str) -> bool:
        try:
            run = await self._records.runs.get(run_id)
        except BrokenDocument:
            return True
        return run is None or run.state.final

    async def measure(self) -> None:
        """Sets the gauges."""
        deliveries = self._records.deliveries
        for state in (DeliveryState.PENDING, DeliveryState.DEAD):
            DELIVERIES.labels(state.value).set(await deliveries.count({"state": state.value}))
        oldest = await deliveries.find(
            {"state": DeliveryState.PENDING.value}, sort=[("created_at", Order.ASC)], limit=1
        )
        now = await self._records.now()
        OLDEST.set((now - oldest[0].created_at).total_seconds() if oldest else 0)
        for sink_state in SinkState:
            SINKS.labels(sink_state.value).set(await self._records.sink_health.count({"state": sink_state.value}))

    async def detail(self) -> dict[str, Any]:
        """What `/healthz` tells beside whether we are ready; sinks that fail are no failure of ours."""
        count, sinks = self._records.deliveries.count, self._records.sink_health
        ill = await sinks.find({"state": {"$ne": SinkState.HEALTHY.value}}, sort=[("since", Order.ASC)], limit=20)
        return {
            "pending": await count({"state": DeliveryState.PENDING.value}),
            "dead": await count({"state": DeliveryState.DEAD.value}),
            "sinks": [
                # Targets are the tenants' business: whoever may look at `/healthz` need not know them.
                {"id": one.id, "sink": one.sink.value, "state": one.state.value, "since": instant_text(one.since)}
                for one in ill
            ],
        }

    async def run(self, interval_s: float, limit: int) -> None:
        """Sweeps until cancelled; a store that is away is waited for."""
        loop = asyncio.get_running_loop()
        measured = -GAUGES_EVERY_S
        while True:
            try:
                while await self.sweep(limit) == limit:
                    pass
                if loop.time() - measured >= GAUGES_EVERY_S:
                    measured = loop.time()
                    await self.measure()
                    await self.forget(limit)
            except ReelwayError as error:
                log.warning("sweep failed", error=str(error), code=error.code)
            await asyncio.sleep(interval_s)
