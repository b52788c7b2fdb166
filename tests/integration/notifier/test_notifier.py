"""The whole notifier between a store and real HTTP servers."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from services.notifier.service import NotifierService
from services.notifier.settings import NotifierSettings
from services.notifier.sinks.http import HttpSink
from shared.adapters.memory import MemoryStateStore
from shared.addresses import read_networks
from shared.clock import SystemClock
from shared.model import collections
from shared.model.base import instant_text
from shared.model.delivery import Delivery
from shared.model.pipeline import NotifyMode, SinkType
from shared.model.run import Run
from shared.mps.render import mps_task
from shared.state.records import Records
from tests.integration.notifier.scripted_server import HANG, OK, RESET, ScriptedServer, answer, serving
from tests.unit.notifier.builders import RUN_ID, notification, requested, until, whole_story


class Skewed(SystemClock):
    """The machine's clock and a lead that tests make longer: the schedule's minutes pass at once."""

    lead = timedelta()

    def now(self) -> Any:
        return super().now() + self.lead


class Stand:
    """A running notifier that may call the loopback."""

    def __init__(self, allowed: tuple[str, ...] = ("127.0.0.0/8",), **settings: Any) -> None:
        self.clock = Skewed()
        self.records = Records(MemoryStateStore(collections.ALL, self.clock.now))
        given = {"sweep_interval_s": 0.02, "callback_timeout_s": 0.5, "allowed_networks": allowed}
        self.settings = NotifierSettings(**(given | settings))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[NotifierService]:
        async with HttpSink(
            read_networks(self.settings.allowed_networks), timeout_s=self.settings.callback_timeout_s
        ) as http:
            service = NotifierService(
                self.records, {SinkType.HTTP: http}, self.settings, owner="me", clock=self.clock, rng=random.Random(1)
            )
            task = asyncio.create_task(service.run())
            try:
                yield service
            finally:
                await service.stop()
                task.cancel()
                await asyncio.wait([task])

    async def tell(self, run: Run) -> None:
        """Leaves a run for the sweeper, as if its messages had been lost."""
        await self.records.runs.insert(run)

    async def deliveries(self, run_id: str = RUN_ID) -> list[Delivery]:
        found = await self.records.deliveries.find({"run_id": run_id}, limit=1000)
        return sorted(found, key=lambda delivery: delivery.sequence)

    async def attempts(self, run_id: str = RUN_ID) -> int:
        return sum(len(delivery.attempts) for delivery in await self.deliveries(run_id))

    async def settled(self, run_id: str = RUN_ID) -> bool:
        """Whether all is final; lets time pass until then."""
        found = await self.deliveries(run_id)
        open_ones = [delivery for delivery in found if delivery.due_at is not None]
        if open_ones and all(delivery.lease_owner is None for delivery in open_ones):
            self.clock.lead += timedelta(seconds=5)
        return bool(found) and not open_ones


def run_for(server: ScriptedServer, run_id: str = RUN_ID, **told: Any) -> Run:
    return whole_story(requested(notification(server.url(), **told), run_id)).run


async def test_change_events_arrive_in_order_through_trouble() -> None:
    stand = Stand()
    trouble = [answer(500), answer(429, Retry_After="20"), RESET, HANG, answer(302, Location="http://169.254.169.254/")]
    async with serving(OK, *trouble, OK) as server, stand.running():
        run = run_for(server)
        await stand.tell(run)
        await until(stand.settled, "all settled", 30)
    ids = [request.headers["webhook-id"] for request in server.requests]
    assert ids == [f"{RUN_ID}:{n}:URL" for n in (1, 2, 2, 2, 2, 2, 2, 3, 4, 5, 6)]
    tried = (await stand.deliveries())[1].attempts
    assert [attempt.status for attempt in tried] == [500, 429, None, None, 302, 200]
    bodies = [json.loads(request.body) for request in server.requests[1:7]]
    assert all(body["ScheduleTaskEvent"] == bodies[0]["ScheduleTaskEvent"] for body in bodies)
    stamps = [body["Timestamp"] for body in bodies]
    assert stamps == sorted(set(stamps))
    assert len({body["Sign"] for body in bodies}) == len(bodies)
    assert json.loads(server.requests[-1].body)["ScheduleTaskEvent"] == mps_task(run)


async def test_gone_subscriber_is_not_called_again_for_that_event() -> None:
    stand = Stand()
    async with serving(answer(410, b"go away")) as server, stand.running():
        await stand.tell(run_for(server, mode=NotifyMode.FINISH))
        await until(stand.settled, "dead")
    (dead,) = await stand.deliveries()
    assert dead.state.value == "dead"
    assert dead.attempts[0].response == "go away"
    assert len(server.requests) == 1


async def test_dead_host_does_not_delay_the_others() -> None:
    stand = Stand(in_flight=4, in_flight_per_host=2, callback_timeout_s=5)
    async with serving(HANG) as dead, serving(OK) as good, stand.running():
        for number in range(40):
            await stand.tell(run_for(dead, f"t-ScheduleTask-d{number}", mode=NotifyMode.FINISH))
        await until(lambda: dead.connections >= 2, "the dead host in use")
        for number in range(10):
            await stand.tell(run_for(good, f"t-ScheduleTask-g{number}", mode=NotifyMode.FINISH))
        await until(lambda: len(good.requests) == 10, "the good host's notifications", 30)
        # At most one attempt in each slot of the dead host could end meanwhile: nobody waited for its queue.
        assert dead.connections <= 2 * 8


async def test_refused_address_is_recorded_and_tried_again() -> None:
    stand = Stand(allowed=(), retry_for_s=20)
    async with serving(OK) as server, stand.running():
        await stand.tell(run_for(server, mode=NotifyMode.FINISH))
        await until(stand.settled, "dead")
    (refused,) = await stand.deliveries()
    assert len(refused.attempts) == 2
    assert all("127.0.0.1 is a loopback address" in (attempt.error or "") for attempt in refused.attempts)
    assert server.connections == 0


async def test_new_delivery_is_sent_at_once() -> None:
    stand = Stand()
    stand.settings = stand.settings.model_copy(update={"sweep_interval_s": 60})
    async with serving(OK) as server, stand.running() as service:
        run = run_for(server, mode=NotifyMode.FINISH)
        await stand.tell(run)
        await service.notifications.make([(run, None)], by="event")
        await until(lambda: server.requests, "the callback", 5)


async def test_nothing_is_left_for_a_sweep_when_all_is_sent() -> None:
    stand = Stand()
    async with serving(OK) as server, stand.running():
        await stand.tell(run_for(server))
        await until(stand.settled, "all settled")
        await until(lambda: is_swept(stand), "no timer left")


async def is_swept(stand: Stand) -> bool:
    return not await stand.records.runs.find({"notify_due_at": {"$lte": instant_text(stand.clock.now())}})
