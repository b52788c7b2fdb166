"""The shell around `advance`, over the memory store: what is published, what survives a crash, who wins a race."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.scheduler import orchestrator as orchestrator_module
from services.scheduler.app import sweep_forever
from services.scheduler.domain.events import Event
from services.scheduler.domain.tasks import OUTBOX_PATIENCE, WATCH_MIN
from services.scheduler.orchestrator import Orchestrator
from services.scheduler.settings import SchedulerSettings
from shared.clock import ManualClock
from shared.messages.messages import RunChanged, RunRequested, TaskEnded, TaskReady
from shared.messages.topics import Topics
from shared.model.failure import ErrCode, Failure
from shared.model.pipeline import Node
from shared.model.run import NodeState, OutboxEntry, Run, RunState
from shared.model.task import Lane, NodeResult, Task, TaskState
from shared.ports.publisher import Outgoing
from shared.ports.state import Doc, StateError, StateStore, StateUnavailable
from shared.state.records import Records
from shared.state.task_queue import MAX_LOST, Holder, TaskQueue
from tests.builders import T0, a_chain, a_diamond, a_graph, a_run
from tests.eventually import eventually
from tests.unit.shared.fakes import HookedStore, RecordingPublisher, memory_records

HOLDER = Holder("w", "w/1")
LEASE = timedelta(seconds=30)
FLAKY = Failure(code=ErrCode.INTERNAL, message="storage", retryable=True)


class World:
    """A store, a bus, a worker that does whatever is queued, and as many orchestrators as wanted."""

    def __init__(self) -> None:
        self.clock = ManualClock(T0)
        self.records = memory_records(self.clock)
        self.queue = TaskQueue(self.records, LEASE)
        self.publisher = RecordingPublisher()
        self.orchestrator = self.another()

    def another(self, store: StateStore | None = None, publisher: RecordingPublisher | None = None) -> Orchestrator:
        records = Records(store) if store is not None else self.records
        return Orchestrator(records, TaskQueue(records, LEASE), publisher or self.publisher, Topics())

    async def requested(self, nodes: tuple[Node, ...] | None = None, run_id: str = "run-1") -> RunRequested:
        await self.records.runs.insert(a_run(nodes, run_id=run_id, now=self.clock.now()))
        return RunRequested(run_id=run_id)

    async def begun(self, nodes: tuple[Node, ...] | None = None) -> None:
        await self.orchestrator.requested([await self.requested(nodes)])

    async def run(self, run_id: str = "run-1") -> Run:
        found = await self.records.runs.get(run_id)
        assert found is not None
        return found

    async def tasks(self) -> dict[int, Task]:
        return {task.node: task for task in await self.records.tasks.find({}, limit=1000)}

    async def work(self, failure: Failure | None = None) -> list[TaskEnded]:
        """Does every queued task; returns the news of it."""
        news = []
        for lane in Lane:
            for task in await self.queue.claim_next(lane, HOLDER, 1000):
                if failure is None:
                    done = await self.queue.succeed(task.id, HOLDER.owner, task.fence, NodeResult())
                else:
                    done = await self.queue.fail(task.id, HOLDER.owner, task.fence, failure)
                assert done is not None
                news.append(TaskEnded(task_id=done.id, run_id=done.run_id, state=done.state))
        return news

    async def sweeps_to_the_end(self, orchestrator: Orchestrator, *, seconds: int = 120) -> None:
        """Nobody tells anything from here on: timers alone must bring the run to its end."""
        for _ in range(seconds):
            await orchestrator.take_back_leases()
            await orchestrator.sweep(100)
            await self.work()
            self.clock.advance(timedelta(seconds=1))
            run = await self.run()
            if run.state.final and not run.outbox:
                return
        raise AssertionError(f"the run does not end: {run.state}, due {run.due_at}, {[n.state for n in run.node_runs]}")


@pytest.fixture
def world() -> World:
    return World()


async def assert_complete(world: World, *publishers: RecordingPublisher) -> None:
    """The run has succeeded, every entry of its history was published, every node was queued exactly once."""
    run = await world.run()
    assert (run.state, run.outbox, run.due_at) == (RunState.SUCCEEDED, (), None)
    assert [event.sequence for event in run.history] == list(range(1, len(run.history) + 1))
    sent = {message.event.sequence: message.event for one in publishers for message in one.of(RunChanged)}
    assert [sent.get(event.sequence) for event in run.history] == list(run.history)
    tasks = await world.records.tasks.find({}, limit=1000)
    assert Counter(task.node for task in tasks) == Counter(range(len(run.nodes) - 1))
    assert {task.attempt for task in tasks} == {1}
    assert {task.state for task in tasks} == {TaskState.SUCCEEDED}


# -- the straight way ---------------------------------------------------------------------------------------------


async def test_request_queues_the_first_task_and_tells(world: World) -> None:
    await world.begun()
    run = await world.run()
    assert (run.state, run.outbox, run.due_at) == (RunState.RUNNING, (), T0 + WATCH_MIN)
    assert sorted(item.topic for item in world.publisher.sent) == ["reelway.run-events.v1", "reelway.tasks.light.v1"]
    [doorbell] = world.publisher.of(TaskReady)
    assert doorbell.task_id == "run-1:0.0:1"
    assert (await world.tasks())[0].state is TaskState.QUEUED


async def test_run_ends_by_news_alone(world: World) -> None:
    await world.begun(a_diamond())
    while news := await world.work():
        await world.orchestrator.ended(news)
    await assert_complete(world, world.publisher)
    sequences = [message.event.sequence for message in world.publisher.of(RunChanged)]
    assert sequences == sorted(sequences)
    assert await world.orchestrator.sweep(10) == 0


async def test_repeated_news_changes_nothing(world: World) -> None:
    await world.begun(a_diamond())
    news = await world.work()
    for _ in range(3):
        await world.orchestrator.requested([RunRequested(run_id="run-1")])
        await world.orchestrator.ended([*news, *news])
    version = (await world.run()).version
    await world.orchestrator.ended(news)
    assert (await world.run()).version == version
    assert len(await world.tasks()) == 4
    assert len(world.publisher.of(TaskReady)) == 4


async def test_batch_of_many_runs_moves_each_on_its_own(world: World) -> None:
    requests = [await world.requested(run_id=f"run-{number}") for number in range(30)]
    await world.orchestrator.requested(requests)
    while news := await world.work():
        await world.orchestrator.ended(news)
    assert await world.records.runs.count({"state": "succeeded"}) == 30


async def test_news_of_unknown_runs_and_tasks_is_left_alone(world: World) -> None:
    await world.begun()
    await world.orchestrator.requested([RunRequested(run_id="nobody")])
    await world.orchestrator.ended([TaskEnded(task_id="nobody:0.0:1", run_id="nobody", state=TaskState.SUCCEEDED)])
    assert await world.records.runs.count({}) == 1


async def test_news_of_an_end_that_is_not_written_is_not_believed(world: World) -> None:
    await world.begun()
    await world.orchestrator.ended([TaskEnded(task_id="run-1:0.0:1", run_id="run-1", state=TaskState.SUCCEEDED)])
    assert (await world.run()).node_runs[0].state is NodeState.QUEUED


# -- what is lost is made good ------------------------------------------------------------------------------------


async def test_lost_run_request_is_made_good_by_the_sweep(world: World) -> None:
    await world.requested()
    assert await world.orchestrator.sweep(10) == 1
    assert (await world.run()).state is RunState.RUNNING
    assert await world.orchestrator.sweep(10) == 0


async def test_lost_task_end_is_made_good_by_the_sweep(world: World) -> None:
    await world.begun()
    await world.work()
    world.clock.advance(WATCH_MIN - timedelta(milliseconds=1))
    assert await world.orchestrator.sweep(10) == 0
    world.clock.advance(timedelta(milliseconds=1))
    assert await world.orchestrator.sweep(10) == 1
    assert (await world.run()).node_runs[1].state is NodeState.QUEUED


async def test_run_ends_though_every_message_is_lost(world: World) -> None:
    world.publisher.lossy = True
    await world.requested(a_diamond())
    await world.sweeps_to_the_end(world.orchestrator)
    world.publisher.sent = [
        Outgoing(
            "x", RunChanged(run_id="", tenant="", pipeline_id="", pipeline_name="", bucket="", key="", event=event)
        )
        for event in (await world.run()).history
    ]
    await assert_complete(world, world.publisher)


async def test_outbox_is_kept_while_the_bus_is_away_and_sent_by_the_sweep(world: World) -> None:
    world.publisher.down = True
    await world.begun()
    run = await world.run()
    assert [entry.kind for entry in run.outbox] == ["event", "task"]
    assert run.due_at == T0 + OUTBOX_PATIENCE
    assert (await world.tasks())[0].state is TaskState.QUEUED, "the task is there though nobody rang"
    world.clock.advance(OUTBOX_PATIENCE)
    assert await world.orchestrator.sweep(10) == 1
    assert (await world.run()).due_at == world.clock.now() + OUTBOX_PATIENCE, "a sweep must not spin"
    assert await world.orchestrator.sweep(10) == 0
    world.publisher.down = False
    world.clock.advance(OUTBOX_PATIENCE)
    await world.orchestrator.sweep(10)
    assert (await world.run()).outbox == ()
    assert [message.event.sequence for message in world.publisher.of(RunChanged)] == [1]
    assert len(world.publisher.of(TaskReady)) == 1


async def test_run_goes_on_while_the_bus_is_away_and_all_its_history_is_told_in_order(world: World) -> None:
    world.publisher.down = True
    await world.begun(a_diamond())
    while news := await world.work():
        await world.orchestrator.ended(news)
    run = await world.run()
    assert (run.state, len([entry for entry in run.outbox if entry.event])) == (RunState.SUCCEEDED, len(run.history))
    assert run.due_at is not None
    world.publisher.down = False
    world.clock.advance(OUTBOX_PATIENCE)
    await world.orchestrator.sweep(10)
    await assert_complete(world, world.publisher)
    sequences = [message.event.sequence for message in world.publisher.of(RunChanged)]
    assert sequences == sorted(sequences)


async def test_due_retry_is_queued_by_the_sweep(world: World) -> None:
    await world.begun()
    await world.orchestrator.ended(await world.work())
    await world.orchestrator.ended(await world.work(FLAKY))
    node = (await world.run()).node_runs[1]
    assert node.state is NodeState.WAITING
    assert node.due_at is not None
    world.clock.advance(node.due_at - world.clock.now())
    assert await world.orchestrator.sweep(10) == 1
    assert (await world.tasks())[1].attempt == 2
    await world.orchestrator.ended(await world.work())
    assert (await world.run()).state is RunState.SUCCEEDED


async def test_sweep_takes_no_more_than_its_batch_and_the_longest_due_first(world: World) -> None:
    for number in range(5):
        await world.requested(run_id=f"run-{number}")
        world.clock.advance(timedelta(seconds=1))
    assert await world.orchestrator.sweep(2) == 2
    running = await world.records.runs.find({"state": "running"})
    assert sorted(run.id for run in running) == ["run-0", "run-1"]


async def test_task_of_a_dead_worker_is_rung_for_again(world: World) -> None:
    await world.begun()
    await world.queue.claim("run-1:0.0:1", HOLDER)
    assert await world.orchestrator.take_back_leases() == 0
    world.clock.advance(LEASE)
    world.publisher.take()
    assert await world.orchestrator.take_back_leases() == 1
    assert [message.task_id for message in world.publisher.of(TaskReady)] == ["run-1:0.0:1"]
    assert (await world.tasks())[0].state is TaskState.QUEUED


async def test_task_that_kills_its_workers_fails_its_node(world: World) -> None:
    await world.begun()
    for _ in range(MAX_LOST):
        await world.queue.claim("run-1:0.0:1", HOLDER)
        world.clock.advance(LEASE)
        await world.orchestrator.take_back_leases()
    run = await world.run()
    assert (run.state, run.node_runs[0].state) == (RunState.FAILED, NodeState.FAILED)


async def test_store_that_is_away_raises_and_the_same_news_works_later(world: World) -> None:
    broken = True

    async def hook(_method: str, collection: str, done: bool) -> None:
        if broken and collection == "runs" and not done:
            raise StateUnavailable("no answer")

    orchestrator = world.another(HookedStore(world.records.store, hook))  # type: ignore[arg-type]
    request = await world.requested()
    with pytest.raises(StateUnavailable):
        await orchestrator.requested([request])
    broken = False
    await orchestrator.requested([request])
    assert (await world.run()).state is RunState.RUNNING


async def test_sweeping_goes_on_after_the_store_was_away(world: World) -> None:
    failures = 3

    async def hook(_method: str, collection: str, done: bool) -> None:
        nonlocal failures
        if collection == "tasks" and not done and failures:
            failures -= 1
            raise StateUnavailable("no answer")

    await world.requested()
    orchestrator = world.another(HookedStore(world.records.store, hook))  # type: ignore[arg-type]
    sweeping = asyncio.create_task(sweep_forever(orchestrator, SchedulerSettings(sweep_interval_s=0.001)))
    try:

        async def is_running() -> bool:
            return (await world.run()).state is RunState.RUNNING

        await eventually(is_running)
    finally:
        sweeping.cancel()
        await asyncio.wait({sweeping})


# -- crashes ------------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """The process ends here; nothing in it may run on."""


class Mortal:
    """Counts the points at which a process may die, before and after each effect, and dies at one of them."""

    def __init__(self, at: int | None = None) -> None:
        self.at = at
        self.passed = 0

    def point(self) -> None:
        if self.at is not None and self.passed >= self.at:
            raise Killed
        self.passed += 1

    async def hook(self, _method: str, _collection: str, _done: bool) -> None:
        self.point()


class MortalPublisher(RecordingPublisher):
    def __init__(self, mortal: Mortal) -> None:
        super().__init__()
        self.mortal = mortal

    async def publish(self, *outgoing: Outgoing) -> None:
        self.mortal.point()
        await super().publish(*outgoing)
        self.mortal.point()


async def live_and_die(at: int | None) -> tuple[World, MortalPublisher, int]:
    """A run by news alone, whose scheduler dies at the n-th point."""
    world = World()
    mortal = Mortal(at)
    publisher = MortalPublisher(mortal)
    orchestrator = world.another(HookedStore(world.records.store, mortal.hook), publisher)  # type: ignore[arg-type]
    try:
        await orchestrator.requested([await world.requested(a_diamond())])
        while news := await world.work():
            await orchestrator.ended(news)
    except Killed:
        pass
    return world, publisher, mortal.passed


async def test_scheduler_that_dies_anywhere_is_made_good_by_another_ones_sweep() -> None:
    world, publisher, points = await live_and_die(None)
    await assert_complete(world, publisher)
    assert points > 40
    for at in range(points):
        world, publisher, passed = await live_and_die(at)
        assert passed == at
        other = world.another()
        await world.sweeps_to_the_end(other)
        await assert_complete(world, publisher, world.publisher)


# -- races --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
async def test_racing_schedulers_queue_each_task_once(world: World, seed: int) -> None:
    chance = random.Random(seed)

    async def hook(_method: str, _collection: str, _done: bool) -> None:
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(0)

    store: StateStore = HookedStore(world.records.store, hook)  # type: ignore[assignment]
    racers = [world.another(store) for _ in range(3)]
    request = await world.requested(a_graph([[1, 2, 3, 4], [5], [5], [6], [6], [7], [7], []]))
    await asyncio.gather(*(racer.requested([request]) for racer in racers))
    while news := await world.work():
        chance.shuffle(news)
        # Each hears of everything, in its own order and one by one, while all of them sweep.
        await asyncio.gather(
            *(racer.ended([one]) for racer in racers for one in chance.sample(news, len(news))),
            *(racer.sweep(10) for racer in racers),
        )
    world.clock.advance(OUTBOX_PATIENCE + WATCH_MIN)
    await world.orchestrator.sweep(10)
    await assert_complete(world, world.publisher)


class MeddlingPublisher(RecordingPublisher):
    """While messages are on their way, something else happens to the run."""

    def __init__(self) -> None:
        super().__init__()
        self.meddle: Callable[[], object] | None = None

    async def publish(self, *outgoing: Outgoing) -> None:
        await super().publish(*outgoing)
        if self.meddle is not None:
            meddle, self.meddle = self.meddle, None
            await meddle()  # type: ignore[misc]


@pytest.mark.parametrize("down", [False, True], ids=["other one sends", "other one cannot send"])
async def test_outbox_that_grew_while_it_was_sent_loses_only_what_was_sent(world: World, down: bool) -> None:
    publisher = MeddlingPublisher()
    first = world.another(publisher=publisher)
    world.publisher.down = down

    async def meddle() -> None:
        await world.orchestrator.ended(await world.work())

    publisher.meddle = meddle
    await first.requested([await world.requested()])
    run = await world.run()
    assert run.node_runs[1].state is NodeState.QUEUED
    kept = [entry.task.id if entry.task else entry.event.sequence for entry in run.outbox if entry.task or entry.event]
    assert kept == ([2, "run-1:0.1:1"] if down else [])
    assert run.due_at is not None
    world.publisher.down = False
    await world.sweeps_to_the_end(world.orchestrator)
    await assert_complete(world, publisher, world.publisher)


async def test_chain_of_many_nodes_ends(world: World) -> None:
    await world.begun(a_chain(40))
    while news := await world.work():
        await world.orchestrator.ended(news)
    await assert_complete(world, world.publisher)


async def test_task_that_is_gone_from_the_store_is_derived_again(world: World) -> None:
    await world.begun()
    (task,) = (await world.tasks()).values()
    assert await world.records.tasks.delete(task)
    world.clock.advance(timedelta(minutes=1))
    await world.orchestrator.sweep(100)
    assert list(await world.tasks()) == [task.node]
    assert await world.queue.claim(task.id, HOLDER) is not None


async def test_run_that_the_rules_choke_on_does_not_stop_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [await world.requested(run_id=run_id) for run_id in ("run-1", "poison", "run-2")]
    real = orchestrator_module.advance

    def choking(run: Run, event: Event, now: datetime) -> tuple[Run, tuple[OutboxEntry, ...]]:
        if run.id == "poison":
            raise ZeroDivisionError
        return real(run, event, now)

    monkeypatch.setattr(orchestrator_module, "advance", choking)
    await world.orchestrator.requested(requests)
    world.clock.advance(timedelta(minutes=1))
    await world.orchestrator.sweep(100)
    states = {run_id: (await world.run(run_id)).state for run_id in ("run-1", "poison", "run-2")}
    assert states == {"run-1": RunState.RUNNING, "poison": RunState.REQUESTED, "run-2": RunState.RUNNING}
    poison = await world.run("poison")
    assert poison.due_at is not None
    assert poison.due_at > world.clock.now()


async def test_run_that_the_store_refuses_harms_no_other(world: World) -> None:
    """On MongoDB: a document over 16 MB."""
    requests = [await world.requested(run_id=run_id) for run_id in ("run-1", "huge", "run-2")]

    class Refusing:
        def __init__(self, inner: StateStore) -> None:
            self._inner = inner

        def __getattr__(self, name: str) -> Any:
            return getattr(self._inner, name)

        async def replace(self, collection: str, doc: Doc) -> bool:
            self._refuse(doc)
            return await self._inner.replace(collection, doc)

        async def replace_many(self, collection: str, docs: Sequence[Doc]) -> list[bool]:
            done = [await self._inner.replace(collection, doc) for doc in docs if not self._huge(doc)]
            for doc in docs:
                self._refuse(doc)
            return done

        @staticmethod
        def _huge(doc: Doc) -> bool:
            return bool(doc["_id"] == "huge" and doc.get("state") == RunState.RUNNING.value)

        def _refuse(self, doc: Doc) -> None:
            if self._huge(doc):
                raise StateError("the document is too large")

    orchestrator = world.another(Refusing(world.records.store))
    await orchestrator.requested(requests)
    world.clock.advance(timedelta(seconds=10))
    await orchestrator.sweep(100)
    states = {run_id: (await world.run(run_id)).state for run_id in ("run-1", "huge", "run-2")}
    assert states == {"run-1": RunState.RUNNING, "huge": RunState.REQUESTED, "run-2": RunState.RUNNING}
    assert sorted(task.run_id for task in await world.records.tasks.find({})) == ["run-1", "run-2"]
    assert [(await world.run(run_id)).outbox for run_id in ("run-1", "run-2")] == [(), ()]
    huge = await world.run("huge")
    assert huge.due_at is not None
    assert huge.due_at > world.clock.now()


async def test_leases_are_spared_right_after_the_store_was_away() -> None:
    calls: list[str] = []

    class Shaky(Orchestrator):
        def __init__(self) -> None:
            """Only what sweeping calls."""

        async def take_back_leases(self) -> int:
            calls.append("leases")
            return 0

        async def sweep(self, limit: int) -> int:
            calls.append("sweep")
            if calls.count("sweep") == 2:
                raise StateUnavailable("away")
            return 0

    settings = SchedulerSettings(sweep_interval_s=0.01, lease_s=0.5)
    sweeping = asyncio.create_task(sweep_forever(Shaky(), settings))
    await eventually(lambda: calls.count("leases") >= 4)
    sweeping.cancel()
    before = calls[: calls.index("sweep", calls.index("sweep") + 1) + 1]
    assert before == ["leases", "sweep", "leases", "sweep"]
    after = calls[len(before) :]
    spared = after[: after.index("leases")]
    assert len(spared) >= 5, "leases were taken back before their holders could renew them"
