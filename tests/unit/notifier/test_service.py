"""Deliveries from events and history, sent in order, again after failures, without one sink delaying another."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from services.notifier.domain.notice import Report
from services.notifier.service import NotifierService
from services.notifier.settings import NotifierSettings
from services.notifier.sinks.kafka import QueueSink
from shared.adapters.memory import MemoryStateStore
from shared.bus.errors import BusUnavailable
from shared.clock import ManualClock
from shared.ids import delivery_id
from shared.messages.messages import RunChanged
from shared.messages.topics import Topics
from shared.model import collections
from shared.model.delivery import Delivery, DeliveryState
from shared.model.pipeline import NotifyMode, SinkType
from shared.model.run import Run
from shared.mps.render import task_event
from shared.state.records import Records
from tests.unit.notifier.builders import (
    KEY,
    RUN_ID,
    START,
    ScriptedSink,
    notification,
    requested,
    until,
    whole_story,
)

FAILED = Report(delivered=False, status=500, error="HTTP 500")
SILENT = Report(delivered=False, error="no answer", answered=False)
REFUSED = Report(delivered=False, error="refused for good", gone=True)
GONE = Report(delivered=False, status=410, error="HTTP 410", gone=True)
FINE = Report(delivered=True, status=200)


class Bench:
    """A notifier on a store in memory, with a clock that is moved by hand."""

    def __init__(self, sink: Any = None, *, records: Records | None = None, owner: str = "me", **settings: Any) -> None:
        self.clock = ManualClock(START)
        self.records = records or Records(MemoryStateStore(collections.ALL, self.clock.now))
        self.sink = sink or ScriptedSink()
        self.service = NotifierService(
            self.records,
            {SinkType.HTTP: self.sink, SinkType.QUEUE: self.sink},
            NotifierSettings(sweep_interval_s=0.02, **settings),
            owner=owner,
            clock=self.clock,
            rng=random.Random(1),
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.service.run())
        try:
            yield
        finally:
            await self.service.stop()
            task.cancel()
            await asyncio.wait([task])

    async def deliveries(self, run_id: str = RUN_ID) -> list[Delivery]:
        found = await self.records.deliveries.find({"run_id": run_id}, limit=10_000)
        return sorted(found, key=lambda delivery: delivery.sequence)

    async def states(self, run_id: str = RUN_ID) -> list[str]:
        return [delivery.state.value for delivery in await self.deliveries(run_id)]

    async def all_delivered(self, count: int, run_id: str = RUN_ID) -> bool:
        return await self.states(run_id) == ["delivered"] * count


def news(run: Run, *sequences: int) -> list[RunChanged]:
    return [
        RunChanged(
            run_id=run.id,
            tenant=run.tenant,
            pipeline_id=run.pipeline_id,
            pipeline_name=run.pipeline_name,
            bucket=run.input.bucket,
            key=run.input.key,
            event=event,
        )
        for event in run.history
        if not sequences or event.sequence in sequences
    ]


def finished_run(run_id: str = RUN_ID, **told: Any) -> Run:
    return whole_story(requested(notification(**told), run_id)).run


# -- making deliveries ------------------------------------------------------------------------------------------------


async def test_news_that_says_nobody_asked_for_it_is_not_looked_into() -> None:
    bench = Bench()
    run = finished_run()
    await bench.records.runs.insert(run)
    said = [message.model_copy(update={"notifies": False}) for message in news(run)]
    await bench.service.notifications.on_run_changed(said)
    assert await bench.deliveries() == []
    await bench.service.notifications.on_run_changed(news(run))
    assert await bench.deliveries() != []


async def test_finish_mode_makes_one_delivery_and_change_mode_one_per_change() -> None:
    bench = Bench()
    for mode, wanted in ((NotifyMode.FINISH, [6]), (NotifyMode.CHANGE, [1, 2, 3, 4, 5, 6])):
        run = finished_run(f"t-ScheduleTask-{mode.value}", mode=mode)
        await bench.records.runs.insert(run)
        await bench.service.notifications.on_run_changed(news(run))
        assert [delivery.sequence for delivery in await bench.deliveries(run.id)] == wanted


async def test_repeated_events_make_one_delivery() -> None:
    bench = Bench()
    run = finished_run()
    await bench.records.runs.insert(run)
    for _ in range(3):
        await bench.service.notifications.on_run_changed([*news(run), *news(run)])
    assert [delivery.id for delivery in await bench.deliveries()] == [
        delivery_id(run.id, sequence, "URL") for sequence in range(1, 7)
    ]


async def test_events_of_unknown_runs_and_of_runs_without_subscriber_make_none() -> None:
    bench = Bench()
    quiet = whole_story(requested(None, "t-ScheduleTask-quiet")).run
    await bench.records.runs.insert(quiet)
    await bench.service.notifications.on_run_changed([*news(quiet), *news(finished_run())])
    assert await bench.records.deliveries.count({}) == 0


async def test_sweeper_makes_good_what_the_bus_lost() -> None:
    bench = Bench()
    await bench.records.runs.insert(finished_run())
    assert await bench.service.sweeper.sweep(10) == 0
    bench.clock.advance(timedelta(minutes=1))
    assert await bench.service.sweeper.sweep(10) == 1
    assert len(await bench.deliveries()) == 6
    run = await bench.records.runs.get(RUN_ID)
    assert run is not None
    assert run.notify_due_at is None
    assert await bench.service.sweeper.sweep(10) == 0


async def test_sweeper_leaves_the_timer_of_a_run_that_changed_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    await bench.records.runs.insert(finished_run())
    bench.clock.advance(timedelta(minutes=1))
    make = bench.service.notifications.make

    async def make_while_the_run_changes(*args: Any, **kwargs: Any) -> int:
        await bench.records.runs.change(RUN_ID, lambda run: run.with_changes(priority=1))
        return await make(*args, **kwargs)

    monkeypatch.setattr(bench.service.notifications, "make", make_while_the_run_changes)
    assert await bench.service.sweeper.sweep(10) == 0
    run = await bench.records.runs.get(RUN_ID)
    assert run is not None
    assert run.notify_due_at is not None


# -- sending ----------------------------------------------------------------------------------------------------------


async def start(bench: Bench, runs: Sequence[Run]) -> None:
    for run in runs:
        await bench.records.runs.insert(run)
    await bench.service.notifications.on_run_changed([message for run in runs for message in news(run)])


async def test_all_changes_are_sent_in_order_with_their_own_body() -> None:
    bench = Bench()
    run = finished_run()
    async with bench.running():
        await start(bench, [run])
        await until(lambda: bench.all_delivered(6), "six deliveries")
    assert bench.sink.sequences() == [1, 2, 3, 4, 5, 6]
    for notice, sequence in zip(bench.sink.notices, range(1, 7), strict=True):
        assert json.loads(notice.body) == task_event(run, up_to=sequence, notify_key=KEY, now=START)


async def test_order_holds_although_a_late_event_overtakes() -> None:
    bench = Bench()
    run = finished_run()
    await bench.records.runs.insert(run)
    async with bench.running():
        await bench.service.notifications.on_run_changed(news(run, 5))
        await until(lambda: bench.all_delivered(5), "what the overtaken messages would have brought")
        await bench.service.notifications.on_run_changed(news(run))
        await until(lambda: bench.all_delivered(6), "the rest")
    assert bench.sink.sequences() == [1, 2, 3, 4, 5, 6]


async def test_failed_delivery_holds_back_its_followers_until_it_is_through() -> None:
    bench = Bench(ScriptedSink(FINE, FAILED, FAILED, FINE))
    async with bench.running():
        await start(bench, [finished_run()])
        await until(lambda: bench.sink.sequences() == [1, 2], "first failure")
        await until(lambda: parked(bench, 2), "followers put off")
        bench.clock.advance(timedelta(seconds=15))
        await until(lambda: bench.sink.sequences() == [1, 2, 2], "second failure")
        await until(lambda: parked(bench, 2), "followers put off again")
        bench.clock.advance(timedelta(seconds=90))
        await until(lambda: bench.all_delivered(6), "all")
    assert bench.sink.sequences() == [1, 2, 2, 2, 3, 4, 5, 6]
    first, second, third = (notice for notice in bench.sink.notices if ":2:" in notice.id)
    assert first.id == second.id == third.id
    stamps = [json.loads(notice.body)["Timestamp"] for notice in (first, second, third)]
    assert stamps == sorted(set(stamps))
    tried = (await bench.deliveries())[1]
    assert [attempt.status for attempt in tried.attempts] == [500, 500, 200]


async def parked(bench: Bench, blocker: int) -> bool:
    found = await bench.deliveries()
    due = next(delivery.due_at for delivery in found if delivery.sequence == blocker)
    return (
        due is not None
        and due > bench.clock.now()
        and all(
            delivery.due_at is not None and delivery.due_at >= due and delivery.lease_owner is None
            for delivery in found
            if delivery.sequence >= blocker
        )
    )


async def test_dead_delivery_lets_its_followers_go() -> None:
    bench = Bench(ScriptedSink(FINE, REFUSED, FINE))
    async with bench.running():
        await start(bench, [finished_run()])
        await until(lambda: bench.sink.sequences() == [1, 2, 3, 4, 5, 6], "all tried once")
        await until(lambda: is_settled(bench), "all final")
    assert await bench.states() == ["delivered", "dead", "delivered", "delivered", "delivered", "delivered"]


async def test_after_a_410_the_later_events_of_the_run_are_not_sent() -> None:
    bench = Bench(ScriptedSink(FINE, GONE, FINE))
    run, other = finished_run(), finished_run("t-ScheduleTask-other")
    async with bench.running():
        await bench.records.runs.insert(run)
        await bench.service.notifications.on_run_changed(news(run, 1, 2, 3, 4))
        await until(lambda: has_states(bench, ["delivered", "dead", "dead", "dead"]), "the first four")
        await bench.service.notifications.on_run_changed(news(run))
        await until(lambda: has_states(bench, ["delivered"] + ["dead"] * 5), "those that were made later too")
        await start(bench, [other])
        await until(lambda: settled(bench, other.id), "another run's too: the sink is disabled")
    assert bench.sink.sequences() == [1, 2]
    assert not bench.sink.sequences(other.id)
    for unsent in (await bench.deliveries())[2:]:
        assert [attempt.error for attempt in unsent.attempts] == ["not sent: HTTP 410 for event 2 of this run"]
        assert unsent.due_at is None


async def has_states(bench: Bench, states: list[str]) -> bool:
    return await bench.states() == states


async def test_replayed_delivery_is_sent_although_an_earlier_one_met_410() -> None:
    bench = Bench(ScriptedSink(GONE, FINE))
    async with bench.running():
        await start(bench, [finished_run()])
        await until(lambda: has_states(bench, ["dead"] * 6), "all dead")
        third = (await bench.deliveries())[2]
        await bench.records.deliveries.replace(third.with_changes(state=DeliveryState.PENDING, due_at=START))
        bench.service.wake()
        await until(lambda: has_states(bench, ["dead", "dead", "delivered", "dead", "dead", "dead"]), "the third")
    assert bench.sink.sequences() == [1, 3]


async def is_settled(bench: Bench) -> bool:
    return "pending" not in await bench.states()


async def test_dead_after_the_schedule_is_used_up() -> None:
    bench = Bench(ScriptedSink(FAILED), retry_for_s=100)
    async with bench.running():
        await start(bench, [finished_run(mode=NotifyMode.FINISH)])
        for _ in range(3):
            tries = len(bench.sink.notices)
            if await bench.states() == ["dead"]:
                break
            await until(lambda tries=tries: settled_or_more(bench, tries), "an attempt")
            bench.clock.advance(timedelta(seconds=80))
        await until(lambda: is_dead(bench), "dead")
    assert len(bench.sink.notices) == 2


async def settled_or_more(bench: Bench, tries: int) -> bool:
    (found,) = await bench.deliveries()
    return len(found.attempts) > tries or found.state is DeliveryState.DEAD


async def is_dead(bench: Bench) -> bool:
    return await bench.states() == ["dead"]


async def test_delivery_of_a_killed_notifier_is_sent_when_its_lease_ends() -> None:
    bench = Bench()
    await start(bench, [finished_run(mode=NotifyMode.FINISH)])
    (left,) = await bench.deliveries()
    await bench.records.deliveries.replace(left.with_changes(lease_owner="dead", due_at=START + timedelta(seconds=60)))
    async with bench.running():
        bench.clock.advance(timedelta(seconds=59))
        await bench.service.sender.look(await no_group())
        assert bench.sink.notices == []
        bench.clock.advance(timedelta(seconds=1))
        await until(lambda: bench.all_delivered(1), "the delivery")


async def no_group() -> Any:
    """A task group that must not be used: nothing is due."""
    return None


async def test_two_notifiers_send_everything_once_and_in_order() -> None:
    first = Bench(owner="one")
    second = Bench(first.sink, records=first.records, owner="two")
    runs = [finished_run(f"t-ScheduleTask-{number}") for number in range(20)]
    async with first.running(), second.running():
        await start(first, runs)
        second.service.wake()
        for run in runs:
            await until(lambda run=run: first.all_delivered(6, run.id), run.id)
    for run in runs:
        assert first.sink.sequences(run.id) == [1, 2, 3, 4, 5, 6]


async def test_concurrency_is_bounded_per_host_and_in_all() -> None:
    bench = Bench(in_flight=6, in_flight_per_host=4)
    runs = [
        finished_run(f"t-ScheduleTask-{host}{number}", target=host, mode=NotifyMode.FINISH)
        for host in "abc"
        for number in range(20)
    ]
    bench.sink.hold = {host: asyncio.Event() for host in "abc"}
    async with bench.running():
        await start(bench, runs)
        await until(lambda: len(bench.sink.notices) == 6, "six in flight")
        assert sum(bench.sink.busy.values()) == 6
        for gate in bench.sink.hold.values():
            gate.set()
        await until(lambda: everything_delivered(bench, 60), "all")
    assert max(bench.sink.most.values()) <= 4
    assert len(bench.sink.notices) == 60


async def everything_delivered(bench: Bench, count: int) -> bool:
    return await bench.records.deliveries.count({"state": "delivered"}) == count


async def test_hanging_sink_delays_nobody_else() -> None:
    bench = Bench(in_flight=8, in_flight_per_host=4)
    bench.sink.hold = {"dead": asyncio.Event()}
    dead = [finished_run(f"t-ScheduleTask-d{number}", target="dead", mode=NotifyMode.FINISH) for number in range(1000)]
    good = [finished_run(f"t-ScheduleTask-g{number}", target="good") for number in range(10)]
    async with bench.running():
        await start(bench, dead)
        await until(lambda: bench.sink.busy.get("dead") == 4, "the dead host's slots in use")
        bench.clock.advance(timedelta(milliseconds=1))
        await start(bench, good)
        for run in good:
            await until(lambda run=run: bench.all_delivered(6, run.id), run.id)
        assert bench.sink.most["dead"] == 4
        bench.sink.reports = [SILENT]
        bench.sink.hold["dead"].set()


async def test_silent_host_is_tried_by_one_at_a_time() -> None:
    bench = Bench(ScriptedSink(SILENT), in_flight_per_host=4)
    first = finished_run("t-ScheduleTask-0", mode=NotifyMode.FINISH)
    later = [finished_run(f"t-ScheduleTask-{number}", mode=NotifyMode.FINISH) for number in range(1, 20)]
    async with bench.running():
        await start(bench, [first])
        await until(lambda: len(bench.sink.notices) == 1 and not bench.service.sender.busy, "the first silence")
        bench.sink.most.clear()
        await start(bench, later)
        await until(lambda: nothing_due(bench), "tried or put off")
        assert max(bench.sink.most.values()) == 1
        bench.sink.reports = [FINE]
        await until(lambda: everything_delivered_in_time(bench, 20), "all")


async def everything_delivered_in_time(bench: Bench, count: int) -> bool:
    bench.clock.advance(timedelta(seconds=1))
    return await everything_delivered(bench, count)


async def nothing_due(bench: Bench) -> bool:
    found = await bench.records.deliveries.find({"state": "pending"}, limit=1000)
    return all(delivery.due_at and delivery.due_at > bench.clock.now() for delivery in found)


async def test_broken_sink_module_is_a_failed_attempt() -> None:
    class Broken(ScriptedSink):
        async def send(self, notice: Any) -> Report:
            raise RuntimeError("a bug")

    bench = Bench(Broken())
    async with bench.running():
        await start(bench, [finished_run(mode=NotifyMode.FINISH)])
        await until(lambda: has_error(bench, "RuntimeError: a bug"), "recorded")


async def has_error(bench: Bench, text: str) -> bool:
    (found,) = await bench.deliveries()
    return any(text in (attempt.error or "") for attempt in found.attempts)


async def test_delivery_of_a_run_that_is_gone_is_dead() -> None:
    bench = Bench()
    run = finished_run(mode=NotifyMode.FINISH)
    await start(bench, [run])
    await bench.records.runs.delete(run)
    async with bench.running():
        await until(lambda: is_dead(bench), "dead")
    assert bench.sink.notices == []


async def test_delivery_of_a_run_that_cannot_be_read_is_dead() -> None:
    store = MemoryStateStore(collections.ALL, ManualClock(START).now)
    bench = Bench(records=Records(store))
    run = finished_run()
    await start(bench, [run])
    doc = await store.get("runs", run.id)
    assert doc is not None
    assert await store.replace("runs", {**doc, "state": "no such state"})
    async with bench.running():
        await until(lambda: has_states(bench, ["dead"] * 6), "all dead")
    assert bench.sink.notices == []
    for delivery in await bench.deliveries():
        assert [attempt.error for attempt in delivery.attempts] == [
            f"the run cannot be read: runs/{run.id}: 1 members are wrong"
        ]


async def test_stop_lets_what_is_being_sent_end() -> None:
    bench = Bench()
    gate = bench.sink.hold["http://cb.local/mps"] = asyncio.Event()
    async with bench.running():
        await start(bench, [finished_run()])
        await until(lambda: bench.sink.notices, "in flight")
        stopping = asyncio.create_task(bench.service.stop())
        await asyncio.sleep(0)
        gate.set()
        await stopping
        assert (await bench.states())[:2] == ["delivered", "pending"]
    assert bench.sink.sequences() == [1]


# -- the queue sink ---------------------------------------------------------------------------------------------------


class FakeBus:
    """Keeps what is published; refuses while `down`."""

    def __init__(self) -> None:
        self.down = False
        self.declared: list[str] = []
        self.published: list[tuple[str, str, bytes, dict[str, str]]] = []

    async def declare(self, topic: str) -> None:
        if self.down:
            raise BusUnavailable("down")
        self.declared.append(topic)

    async def publish_json(self, topic: str, key: str, body: bytes, message_headers: Any) -> None:
        self.published.append((topic, key, body, dict(message_headers)))


async def test_queue_sink_publishes_in_order_under_the_run() -> None:
    bus = FakeBus()
    bench = Bench(QueueSink(bus, Topics("x.")))
    async with bench.running():
        await start(bench, [finished_run(sink=SinkType.QUEUE, target="media-events")])
        await until(lambda: bench.all_delivered(6), "six messages")
    assert {(topic, key) for topic, key, _, _ in bus.published} == {("x.notify.media-events", RUN_ID)}
    assert [headers["ce_id"] for *_, headers in bus.published] == [
        delivery_id(RUN_ID, sequence, "TDMQ-CMQ") for sequence in range(1, 7)
    ]
    assert all(headers["webhook-signature"].startswith("v1,") for *_, headers in bus.published)
    assert json.loads(bus.published[-1][2])["ScheduleTaskEvent"]["Status"] == "FINISH"


async def test_queue_sink_waits_for_the_bus() -> None:
    bus = FakeBus()
    bus.down = True
    bench = Bench(QueueSink(bus, Topics()))
    async with bench.running():
        await start(bench, [finished_run(sink=SinkType.QUEUE, target="q", mode=NotifyMode.FINISH)])
        await until(lambda: has_error(bench, "bus_unavailable"), "a failed attempt")
        bus.down = False
        bench.clock.advance(timedelta(seconds=15))
        await until(lambda: bench.all_delivered(1), "delivered")


async def test_subscriptions_of_one_run_do_not_wait_for_each_other() -> None:
    """One sink fails for good while the other gets all of its events, in order; each has its own filter."""
    bench = Bench(PerTarget({"http://dead.local/": FAILED}))
    dead = notification("http://dead.local/").model_copy(update={"subscription": "dead"})
    told = notification(mode=NotifyMode.FINISH)
    run = whole_story(requested(told, more_subscriptions=(dead,))).run
    await bench.records.runs.insert(run)
    async with bench.running():
        await bench.service.notifications.make([(run, None)], by="event")
        await until(lambda: "http://cb.local/mps" in bench.sink.told, "the healthy one is told")
        await until(lambda: "http://dead.local/" in bench.sink.told, "the dead one is tried")
        await until(lambda: delivered(bench, f"{RUN_ID}:6:URL"), "the healthy one's delivery is recorded")
    found = {one.id: one for one in await bench.deliveries()}
    assert len(found) == 7
    assert found[f"{RUN_ID}:6:URL"].state is DeliveryState.DELIVERED
    assert [found[f"{RUN_ID}:{n}:dead"].state for n in range(1, 7)] == [DeliveryState.PENDING] * 6
    assert bench.sink.told["http://dead.local/"] == [f"{RUN_ID}:1:dead"]


async def delivered(bench: Bench, delivery: str, run_id: str = RUN_ID) -> bool:
    return any(one.id == delivery and one.state is DeliveryState.DELIVERED for one in await bench.deliveries(run_id))


class PerTarget(ScriptedSink):
    """Answers by target; fine if nothing else is said."""

    def __init__(self, reports: dict[str, Report]) -> None:
        super().__init__()
        self.by_target = reports
        self.told: dict[str, list[str]] = {}

    async def send(self, notice: Any) -> Report:
        self.told.setdefault(notice.target, []).append(notice.id)
        return self.by_target.get(notice.target, FINE)


async def test_a_hanging_sink_beside_a_healthy_one_in_every_run_holds_up_none_of_them() -> None:
    """Without a clock: everything reaches the healthy sink while not one attempt at the other one has ended."""
    bench = Bench()
    bench.sink.hold["http://dead.local/"] = asyncio.Event()
    dead = notification("http://dead.local/", mode=NotifyMode.FINISH).model_copy(update={"subscription": "dead"})
    runs = [
        whole_story(
            requested(notification(mode=NotifyMode.FINISH), f"t-ScheduleTask-{n}", more_subscriptions=(dead,))
        ).run
        for n in range(100)
    ]
    async with bench.running():
        await start(bench, runs)
        await until(lambda: told(bench, "http://cb.local/mps") == 100, "all told at the healthy one", 60)
        assert bench.sink.busy["http://dead.local/"] == told(bench, "http://dead.local/") <= 4
        bench.sink.hold["http://dead.local/"].set()


def told(bench: Bench, target: str) -> int:
    return sum(notice.target == target for notice in bench.sink.notices)


async def test_sink_that_is_gone_is_disabled_for_later_runs_until_a_replay_is_taken() -> None:
    """410 closes the URL for all runs of the tenant, in the store; another URL and another tenant are not touched."""
    bench = Bench(PerTarget({"http://gone.local/": GONE}))

    def run_of(name: str, target: str = "http://gone.local/", tenant: str = "1250000000") -> Run:
        told = notification(target, mode=NotifyMode.FINISH)
        return whole_story(requested(told, f"t-ScheduleTask-{name}")).run.with_changes(tenant=tenant)

    async def end_of(run: Run) -> Delivery:
        await bench.records.runs.insert(run)
        await bench.service.notifications.make([(run, None)], by="event")
        await until(lambda: settled(bench, run.id), "the delivery is final")
        (found,) = await bench.deliveries(run.id)
        return found

    async with bench.running():
        first = await end_of(run_of("a"))
        second = await end_of(run_of("b"))
        elsewhere = await end_of(run_of("c", "http://cb.local/"))
        other = await end_of(run_of("d", tenant="2"))
        assert (first.attempts[-1].status, first.state) == (410, DeliveryState.DEAD)
        assert (second.attempts[-1].status, second.state) == (None, DeliveryState.DEAD)
        assert "is disabled until its pipeline is saved or enabled again" in (second.attempts[-1].error or "")
        assert elsewhere.state is DeliveryState.DELIVERED
        assert other.attempts[-1].status == 410  # the other tenant learns by its own
        assert bench.sink.told["http://gone.local/"] == [first.id, other.id]
        assert await bench.records.closed_sinks.count({}) == 2

        bench.sink.by_target.clear()
        await bench.records.deliveries.replace(
            second.with_changes(state=DeliveryState.PENDING, due_at=await bench.records.now())
        )
        await until(lambda: delivered(bench, second.id, second.run_id), "the replay is taken")
        await until(lambda: closed_count(bench, 1), "and the sink is open again")
        assert (await end_of(run_of("e"))).state is DeliveryState.DELIVERED


async def settled(bench: Bench, run_id: str) -> bool:
    found = await bench.deliveries(run_id)
    return bool(found) and all(one.state is not DeliveryState.PENDING for one in found)


async def closed_count(bench: Bench, wanted: int) -> bool:
    return await bench.records.closed_sinks.count({}) == wanted
