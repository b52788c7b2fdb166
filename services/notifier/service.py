"""The notifier's loops and what they are made of."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from datetime import timedelta

from services.notifier.attempts import Attempts, Timing
from services.notifier.domain.retries import RetrySchedule
from services.notifier.handlers import Notifications
from services.notifier.lanes import Lanes
from services.notifier.replayer import Replayer
from services.notifier.sender import Sender
from services.notifier.settings import NotifierSettings
from services.notifier.sink_states import SinkStates
from services.notifier.sinks.base import Sink
from services.notifier.sweeper import Sweeper
from shared.clock import Clock
from shared.model.pipeline import SinkType
from shared.state.records import Records


class NotifierService:
    """Makes deliveries and sends them. `notifications` takes the run events."""

    def __init__(
        self,
        records: Records,
        sinks: Mapping[SinkType, Sink],
        settings: NotifierSettings,
        *,
        owner: str,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._settings = settings
        self.notifications = Notifications(records, self.wake)
        self.sweeper = Sweeper(records, self.notifications)
        self.replayer = Replayer(records, self.wake)
        self.states = SinkStates(records)
        attempts = Attempts(
            records,
            sinks,
            owner=owner,
            clock=clock,
            rng=rng,
            timing=Timing(
                lease=timedelta(seconds=settings.send_lease_s),
                retries=RetrySchedule(
                    give_up_after=timedelta(seconds=settings.retry_for_s),
                    keep_delivered=timedelta(seconds=settings.keep_delivered_s),
                    keep_dead=timedelta(seconds=settings.keep_dead_s),
                ),
            ),
            states=self.states,
        )
        lanes = Lanes(settings.in_flight, settings.in_flight_per_host)
        self.sender = Sender(records, self.notifications, attempts, lanes, rng)

    def wake(self) -> None:
        """Says that there may be something to send."""
        self.sender.wake()

    async def run(self) -> None:
        """Sweeps, sends and replays until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.replayer.run(self._settings.sweep_interval_s))
            group.create_task(self.states.run())
            group.create_task(self.sweeper.run(self._settings.sweep_interval_s, self._settings.sweep_batch))
            group.create_task(self.sender.run(self._settings.sweep_interval_s))

    async def stop(self) -> None:
        """Begins nothing more and lets what is being sent end, at most as long as an attempt may take."""
        async with asyncio.timeout(self._settings.callback_timeout_s + 2):
            await self.sender.stop()
