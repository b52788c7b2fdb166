"""Makes good what the bus lost: every run whose notifications are due gets its deliveries from its own history."""

from __future__ import annotations

import asyncio

import structlog

from services.notifier.handlers import Notifications
from services.notifier.metrics import DELIVERIES
from shared.errors import ReelwayError
from shared.metrics import SWEPT
from shared.model.base import instant_text
from shared.model.delivery import DeliveryState
from shared.ports.state import Order
from shared.state.records import Records

log = structlog.get_logger(__name__)

GAUGES_EVERY_S = 15.0


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

    async def measure(self) -> None:
        """Sets the gauges."""
        for state in (DeliveryState.PENDING, DeliveryState.DEAD):
            DELIVERIES.labels(state.value).set(await self._records.deliveries.count({"state": state.value}))

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
            except ReelwayError as error:
                log.warning("sweep failed", error=str(error), code=error.code)
            await asyncio.sleep(interval_s)
