"""Replays: each delivery once, those of a run in order, whoever works at them; and what the log forgets."""

from __future__ import annotations

from datetime import timedelta

from services.notifier.domain.notice import Report
from shared.model.delivery import DeliveryState
from shared.model.pipeline import NotifyMode
from shared.model.replay import Chosen, Replay, ReplayState
from shared.model.run import Run, RunState
from tests.unit.notifier.builders import START, ScriptedSink, until
from tests.unit.notifier.test_service import FAILED, FINE, REFUSED, Bench, finished_run, start

TENANT = "1250000000"


class PerRun(ScriptedSink):
    """Refuses everything until `open`."""

    open = False

    async def send(self, notice: object) -> Report:
        report = await super().send(notice)  # type: ignore[arg-type]
        return FINE if self.open else report


async def dead_letters(bench: Bench, runs: list[Run]) -> None:
    await start(bench, runs)
    for run in runs:
        await until(lambda run=run: bench_states(bench, run, "dead"), f"{run.id} dead")


async def bench_states(bench: Bench, run: Run, state: str) -> bool:
    return await bench.states(run.id) == [state] * 6


async def a_replay(bench: Bench, name: str = "r", **chosen: object) -> None:
    bench.clock.advance(timedelta(milliseconds=1))  # what is made at this very moment is not among them
    now = await bench.records.now()
    await bench.records.replays.insert(
        Replay(id=name, tenant=TENANT, chosen=Chosen(**chosen), created_at=now, due_at=now)
    )


async def is_done(bench: Bench, name: str = "r") -> bool:
    found = await bench.records.replays.get(name)
    return found is not None and found.state is ReplayState.DONE


async def test_a_day_of_dead_letters_is_delivered_each_once_and_in_order_per_run() -> None:
    """With two notifiers at it, and two people who ask for the same at once."""
    sink = PerRun(REFUSED)
    bench = Bench(sink, owner="one")
    other = Bench(sink, records=bench.records, owner="two")
    runs = [finished_run(f"t-ScheduleTask-{number:03d}") for number in range(40)]
    async with bench.running(), other.running():
        for number in range(4):  # over a day
            await dead_letters(bench, runs[number * 10 : number * 10 + 10])
            bench.clock.advance(timedelta(hours=6))
        sink.open = True
        sink.notices.clear()
        await a_replay(bench, since=START, before=START + timedelta(days=1))
        await a_replay(bench, "again", since=START, before=START + timedelta(days=1))
        await until(lambda: is_done(bench), "replayed", 30)
        await until(lambda: is_done(bench, "again"), "replayed", 30)
        for run in runs:
            await until(lambda run=run: bench_states(bench, run, "delivered"), run.id, 30)
    for run in runs:
        assert sink.sequences(run.id) == [1, 2, 3, 4, 5, 6]
    kept = await bench.deliveries(runs[0].id)
    assert [len(one.attempts) for one in kept] == [2] * 6, "the log still has what came before"


async def test_replay_takes_only_what_is_chosen() -> None:
    sink = PerRun(REFUSED)
    bench = Bench(sink)
    first, second = finished_run(), finished_run("t-ScheduleTask-2")
    async with bench.running():
        await dead_letters(bench, [first])
        bench.clock.advance(timedelta(hours=1))
        await dead_letters(bench, [second])
        sink.open = True
        await a_replay(bench, "none", pipeline_id="another")
        await until(lambda: is_done(bench, "none"), "nothing to do")
        await a_replay(bench, "late", since=START + timedelta(minutes=30))
        await until(lambda: bench_states(bench, second, "delivered"), "the second run's")
        assert await bench.states(first.id) == ["dead"] * 6
        await a_replay(bench, "one", run_id=first.id)
        await until(lambda: bench_states(bench, first, "delivered"), "the first run's")
    assert sink.sequences(first.id)[-6:] == [1, 2, 3, 4, 5, 6]


async def test_retries_of_a_replayed_delivery_begin_anew() -> None:
    bench = Bench(ScriptedSink(REFUSED))
    async with bench.running():
        await start(bench, [finished_run(mode=NotifyMode.FINISH)])
        await until(lambda: first_is(bench, DeliveryState.DEAD), "dead")
        bench.clock.advance(timedelta(days=5))
        (dead,) = await bench.deliveries()
        now = bench.clock.now()
        bench.sink.reports = [FAILED, FINE]
        await bench.records.deliveries.replace(dead.put_back(now))
        await until(lambda: tried_again(bench), "an attempt")
        (waiting,) = await bench.deliveries()
        assert waiting.state is DeliveryState.PENDING, "five days after it was made it is tried for three days more"
        assert waiting.due_at is not None
        assert timedelta(seconds=10) <= waiting.due_at - now <= timedelta(seconds=12)
        bench.clock.advance(timedelta(seconds=15))
        await until(lambda: first_is(bench, DeliveryState.DELIVERED), "delivered")
    assert len(bench.sink.notices) == 3


async def first_is(bench: Bench, state: DeliveryState) -> bool:
    found = await bench.deliveries()
    return bool(found) and found[0].state is state


async def tried_again(bench: Bench) -> bool:
    found = (await bench.deliveries())[0]
    return found.tried == 1 and found.replayed_at is not None and found.lease_owner is None


async def test_cancelled_replay_puts_nothing_more_back() -> None:
    bench = Bench(PerRun(REFUSED))
    async with bench.running():
        await dead_letters(bench, [finished_run()])
    await a_replay(bench)
    replay = await bench.records.replays.get("r")
    assert replay is not None
    await bench.records.replays.replace(replay.with_changes(state=ReplayState.CANCELLED, due_at=None))
    await bench.service.replayer.work()
    assert await bench.states() == ["dead"] * 6


async def test_log_forgets_a_run_as_a_whole_and_only_when_it_is_over() -> None:
    bench = Bench(ScriptedSink(FINE))
    over, live = finished_run(), finished_run("t-ScheduleTask-live")
    live = live.with_changes(state=RunState.RUNNING)
    async with bench.running():
        await start(bench, [over, live])
        await until(lambda: bench_states(bench, over, "delivered"), "sent")
        await until(lambda: bench_states(bench, live, "delivered"), "sent")
    assert await bench.service.sweeper.forget(100) == 0
    bench.clock.advance(timedelta(days=30))
    assert await bench.service.sweeper.forget(100) == 6
    assert await bench.deliveries(over.id) == []
    assert len(await bench.deliveries(live.id)) == 6
    assert await bench.service.sweeper.forget(100) == 0, "asked again tomorrow, not at once"


async def test_replay_after_the_log_forgot_what_came_before_sends_only_what_is_wished() -> None:
    bench = Bench(ScriptedSink(FINE))
    async with bench.running():
        await start(bench, [finished_run()])
        await until(lambda: bench.all_delivered(6), "sent")
        last = (await bench.deliveries())[5]
        for earlier in (await bench.deliveries())[:5]:
            await bench.records.deliveries.delete(earlier)
        await bench.records.deliveries.replace(last.put_back(bench.clock.now()))
        bench.service.wake()
        await until(lambda: is_again(bench), "sent again")
    assert bench.sink.sequences() == [1, 2, 3, 4, 5, 6, 6]


async def is_again(bench: Bench) -> bool:
    return bench.sink.sequences().count(6) == 2 and await bench.all_delivered(1)


async def test_run_that_is_told_while_it_is_replayed_keeps_its_order() -> None:
    """Put back while a later one is being retried: the later one waits."""
    bench = Bench(ScriptedSink(REFUSED, FAILED))
    async with bench.running():
        await start(bench, [finished_run()])
        await until(lambda: states_are(bench, ["dead"] + ["pending"] * 5), "the second is retried")
        bench.sink.reports = [FINE]
        await a_replay(bench)
        await until(lambda: states_are(bench, ["delivered"] + ["pending"] * 5), "the first one")
        bench.clock.advance(timedelta(seconds=15))
        await until(lambda: bench.all_delivered(6), "all")
    assert bench.sink.sequences() == [1, 2, 1, 2, 3, 4, 5, 6]


async def states_are(bench: Bench, states: list[str]) -> bool:
    return await bench.states() == states and all(one.lease_owner is None for one in await bench.deliveries())
