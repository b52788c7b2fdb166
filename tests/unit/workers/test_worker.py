"""Slots, doorbells, leases and the clean end of a worker."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from pydantic import ValidationError

from services.workers import worker as worker_module
from services.workers.app import leave
from services.workers.nodes.base import NodeContext, NodeOutcome
from services.workers.scratch import Scratch
from services.workers.settings import WorkerSettings
from services.workers.worker import Worker
from shared.messages.messages import TaskEnded, TaskReady
from shared.model.failure import SourceFileError
from shared.model.task import Lane, Task, TaskState
from shared.ports.state import StateUnavailable
from shared.state.records import Records
from shared.state.task_queue import MAX_LOST, Holder, TaskQueue
from tests.builders import a_task
from tests.eventually import eventually, let_others_run
from tests.unit.shared.fakes import HookedStore
from tests.unit.workers.kinds import HOLDER, Bench

NEVER_S = 3600.0
"""A poll interval that no test waits for: what happens must come from a doorbell or a freed slot."""


@asynccontextmanager
async def serving(worker: Worker, *, heartbeat: bool = True) -> AsyncIterator[None]:
    """The worker's background work, as the service runs it."""
    loops = [asyncio.create_task(worker.fill(Lane.LIGHT))]
    loops += [asyncio.create_task(worker.heartbeat())] if heartbeat else []
    try:
        await let_others_run()
        yield
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.wait(loops)
        assert all(loop.cancelled() for loop in loops), "a background loop died"


def rings_for(*tasks: Task) -> list[TaskReady]:
    return [TaskReady(task_id=task.id, run_id=task.run_id, lane=task.lane) for task in tasks]


async def count(bench: Bench, state: TaskState) -> int:
    return await bench.records.tasks.count({"state": state.value})


async def all_are(bench: Bench, state: TaskState, number: int) -> None:
    async def reached() -> bool:
        return await count(bench, state) == number

    await eventually(reached, what=f"{number} tasks {state}")


class Gate:
    """A behaviour that waits until it is opened."""

    def __init__(self) -> None:
        self.open = asyncio.Event()

    async def __call__(self, _: NodeContext) -> NodeOutcome:
        await self.open.wait()
        return NodeOutcome()


# -- slots --------------------------------------------------------------------------------------------------------


async def test_500_queued_tasks_on_four_slots_never_show_more_than_four_live_leases(bench: Bench) -> None:
    async def behaviour(_: NodeContext) -> NodeOutcome:
        await let_others_run(3)
        return NodeOutcome()

    bench.kind.behaviour = behaviour
    tasks = [a_task(node) for node in range(500)]
    await bench.queue.enqueue(tasks)
    worker = bench.a_worker(poll_s=NEVER_S)
    live: list[int] = []
    async with serving(worker):

        async def ring() -> None:
            for start in range(0, 500, 50):
                await worker.on_ready(rings_for(*tasks[start : start + 50]))
                await let_others_run(20)

        async def all_done() -> bool:
            live.append(await count(bench, TaskState.RUNNING))
            return len(bench.publisher.of(TaskEnded)) == 500

        ringing = asyncio.create_task(ring())
        await eventually(all_done, within_s=60, every_s=0.002)
        await ringing
    assert len(live) > 20
    assert max(live) == 4, "the slots are used, and never more"
    assert await count(bench, TaskState.SUCCEEDED) == 500
    assert bench.kind.most <= 4
    assert Counter(bench.kind.started) == Counter(task.id for task in tasks)
    assert Counter(message.task_id for message in bench.publisher.of(TaskEnded)) == Counter(task.id for task in tasks)


async def test_slots_come_back_whatever_becomes_of_a_task(bench: Bench) -> None:
    async def behaviour(context: NodeContext) -> NodeOutcome:
        match context.task.node % 4:
            case 1:
                raise SourceFileError("damaged")
            case 2:
                raise ValueError("broken")
            case 3:
                bench.clock.advance(timedelta(minutes=1))
                await bench.queue.release(context.task.id, HOLDER.owner, context.task.fence)
                await bench.records.tasks.change(
                    context.task.id, lambda task: task.with_changes(state=TaskState.CANCELLED)
                )
        return NodeOutcome()

    bench.kind.behaviour = behaviour
    await bench.queue.enqueue([a_task(node) for node in range(24)])
    async with serving(bench.a_worker(light_slots=2, poll_s=NEVER_S), heartbeat=False):
        await all_are(bench, TaskState.SUCCEEDED, 6)
        await all_are(bench, TaskState.FAILED, 12)
        await all_are(bench, TaskState.CANCELLED, 6)
    assert len(bench.kind.started) == 24


# -- doorbells ----------------------------------------------------------------------------------------------------


async def test_doorbell_starts_its_task_and_the_end_is_told(bench: Bench) -> None:
    worker = bench.a_worker(poll_s=NEVER_S)
    async with serving(worker):
        task = a_task()
        await bench.queue.enqueue([task])
        await worker.on_ready(rings_for(task))
        await eventually(lambda: bench.publisher.of(TaskEnded))
    [ended] = bench.publisher.of(TaskEnded)
    assert (ended.task_id, ended.run_id, ended.state) == (task.id, "run-1", TaskState.SUCCEEDED)
    assert bench.publisher.sent[0].topic == "reelway.task-events.v1"


async def test_failed_task_is_told_too(bench: Bench) -> None:
    async def behaviour(_: NodeContext) -> NodeOutcome:
        raise SourceFileError("damaged")

    bench.kind.behaviour = behaviour
    await bench.queue.enqueue([a_task()])
    async with serving(bench.a_worker()):
        await eventually(lambda: bench.publisher.of(TaskEnded))
    assert bench.publisher.of(TaskEnded)[0].state is TaskState.FAILED


async def test_end_is_written_though_the_bus_is_away(bench: Bench) -> None:
    bench.publisher.down = True
    await bench.queue.enqueue([a_task(node) for node in range(6)])
    async with serving(bench.a_worker(poll_s=NEVER_S)):
        await all_are(bench, TaskState.SUCCEEDED, 6)


async def test_doorbells_while_full_are_not_lost(bench: Bench) -> None:
    gate = Gate()
    bench.kind.behaviour = gate
    worker = bench.a_worker(light_slots=1, poll_s=NEVER_S)
    tasks = [a_task(node) for node in range(3)]
    async with serving(worker):
        for task in tasks:
            await bench.queue.enqueue([task])
            await worker.on_ready(rings_for(task))
        await let_others_run()
        assert bench.kind.started == [tasks[0].id]
        gate.open.set()
        await all_are(bench, TaskState.SUCCEEDED, 3)


async def test_doorbell_while_the_lane_is_just_looking_into_an_empty_queue_is_not_lost(bench: Bench) -> None:
    """The look takes all free slots for its duration; a task that is queued during it is not in its answer."""
    looking, go_on = asyncio.Event(), asyncio.Event()

    async def hook(method: str, collection: str, done: bool) -> None:
        if (method, collection, done) == ("find", "tasks", True) and not go_on.is_set():
            looking.set()
            await go_on.wait()

    bench.queue = TaskQueue(Records(HookedStore(bench.records.store, hook)))  # type: ignore[arg-type]
    worker = bench.a_worker(poll_s=NEVER_S)
    async with serving(worker):
        await looking.wait()
        task = a_task()
        await bench.queue.enqueue([task])
        await worker.on_ready(rings_for(task))
        go_on.set()
        await all_are(bench, TaskState.SUCCEEDED, 1)


async def test_idle_lane_finds_what_nobody_rang_for(bench: Bench) -> None:
    async with serving(bench.a_worker(poll_s=0.02)):
        await let_others_run()
        await bench.queue.enqueue([a_task()])
        await all_are(bench, TaskState.SUCCEEDED, 1)


async def test_doorbells_for_what_is_not_to_be_had_take_no_slot(bench: Bench) -> None:
    worker = bench.a_worker(light_slots=1, poll_s=NEVER_S)
    other = a_task(7)
    await bench.queue.enqueue([other])
    await bench.queue.claim(other.id, Holder("w2", "w2/1"))
    async with serving(worker):
        gone, media = a_task(8), a_task(9, lane=Lane.MEDIA)
        await bench.queue.enqueue([media])
        await worker.on_ready(rings_for(other, gone, media, other))
        task = a_task(1)
        await bench.queue.enqueue([task])
        await worker.on_ready(rings_for(task))
        await all_are(bench, TaskState.SUCCEEDED, 1)
    assert bench.kind.started == [task.id]


async def test_store_outage_while_claiming_raises_and_costs_no_slot(bench: Bench) -> None:
    broken = True

    async def hook(method: str, _collection: str, done: bool) -> None:
        if broken and method in ("get", "find", "replace", "replace_many") and not done:
            raise StateUnavailable("no answer")

    bench.queue = TaskQueue(Records(HookedStore(bench.records.store, hook)))  # type: ignore[arg-type]
    worker = bench.a_worker(light_slots=1, poll_s=0.01)
    tasks = [a_task(node) for node in range(3)]
    await bench.queue.enqueue(tasks)
    async with serving(worker):
        for _ in range(3):
            with pytest.raises(StateUnavailable):
                await worker.on_ready(rings_for(tasks[0]))
        broken = False
        await all_are(bench, TaskState.SUCCEEDED, 3)


# -- leases -------------------------------------------------------------------------------------------------------


async def test_heartbeat_keeps_leases_and_stores_progress(bench: Bench) -> None:
    gate = Gate()

    async def behaviour(context: NodeContext) -> NodeOutcome:
        context.report_progress(37)
        return await gate(context)

    bench.kind.behaviour = behaviour
    task = a_task()
    await bench.queue.enqueue([task])
    async with serving(bench.a_worker()):

        async def stored_progress() -> bool:
            return (await bench.stored(task)).progress == 37

        await eventually(stored_progress)
        for _ in range(3):
            bench.clock.advance(timedelta(seconds=20))
            until = bench.clock.now() + timedelta(seconds=30)

            async def renewed(until: object = until) -> bool:
                return (await bench.stored(task)).lease_until == until

            await eventually(renewed)
            assert await bench.queue.take_back_expired() == []
        gate.open.set()
        await all_are(bench, TaskState.SUCCEEDED, 1)


async def test_lost_lease_stops_the_job_and_frees_its_slot(bench: Bench) -> None:
    gate = Gate()
    bench.kind.behaviour = gate
    first = a_task(1)
    await bench.queue.enqueue([first])
    worker = bench.a_worker(light_slots=1, poll_s=NEVER_S)
    async with serving(worker):
        await eventually(lambda: bench.kind.running)
        running = await bench.stored(first)
        await bench.records.tasks.change(
            first.id, lambda task: task.with_changes(fence=task.fence + 1, owner="w2/1", worker="w2")
        )
        await eventually(lambda: bench.kind.cancelled)
        assert bench.kind.running == 0
        gate.open.set()
        second = a_task(2)
        await bench.queue.enqueue([second])
        await worker.on_ready(rings_for(second))
        await all_are(bench, TaskState.SUCCEEDED, 1)
    found = await bench.stored(first)
    assert (found.owner, found.fence, found.state) == ("w2/1", running.fence + 1, TaskState.RUNNING)
    assert [message.task_id for message in bench.publisher.of(TaskEnded)] == [second.id]
    assert bench.left_in_scratch() == []


async def test_task_that_this_worker_lost_and_claimed_again_runs_once_and_keeps_its_lease(bench: Bench) -> None:
    """After a pause of the whole process the lease may be taken back, and this worker may be the first to claim."""
    gate = Gate()
    bench.kind.behaviour = gate
    worker = bench.a_worker(light_slots=2, poll_s=NEVER_S)
    task = a_task()
    await bench.queue.enqueue([task])
    async with serving(worker):
        await eventually(lambda: bench.kind.running)
        bench.clock.advance(timedelta(seconds=31))
        await bench.queue.take_back_expired()
        await worker.on_ready(rings_for(task))
        await eventually(lambda: len(bench.kind.started) == 2)
        await eventually(lambda: bench.kind.running == 1)
        assert len(bench.kind.cancelled) == 1
        for _ in range(2):
            bench.clock.advance(timedelta(seconds=20))
            until = bench.clock.now() + timedelta(seconds=30)

            async def renewed(until: object = until) -> bool:
                return (await bench.stored(task)).lease_until == until

            await eventually(renewed)
        gate.open.set()
        await all_are(bench, TaskState.SUCCEEDED, 1)
        await eventually(lambda: bench.publisher.of(TaskEnded))
    found = await bench.stored(task)
    assert (found.fence, found.lost) == (2, 1)
    assert len(bench.publisher.of(TaskEnded)) == 1


async def test_heartbeat_survives_an_outage_of_the_store(bench: Bench) -> None:
    gate = Gate()
    bench.kind.behaviour = gate
    failures = 3

    async def hook(method: str, _collection: str, done: bool) -> None:
        nonlocal failures
        if method == "get_many" and not done and failures:
            failures -= 1
            raise StateUnavailable("no answer")

    bench.queue = TaskQueue(Records(HookedStore(bench.records.store, hook)))  # type: ignore[arg-type]
    task = a_task()
    await bench.queue.enqueue([task])
    async with serving(bench.a_worker()):
        await eventually(lambda: bench.kind.running and not failures)
        bench.clock.advance(timedelta(seconds=5))

        async def renewed() -> bool:
            return (await bench.stored(task)).lease_until == bench.clock.now() + timedelta(seconds=30)

        await eventually(renewed)
        assert bench.kind.cancelled == []
        gate.open.set()
        await all_are(bench, TaskState.SUCCEEDED, 1)


async def test_heartbeat_does_not_stop_a_job_that_is_telling_its_end(bench: Bench) -> None:
    telling, go_on = asyncio.Event(), asyncio.Event()
    publish = bench.publisher.publish

    async def slow_publish(*outgoing: object) -> None:
        telling.set()
        await go_on.wait()
        await publish(*outgoing)  # type: ignore[arg-type]

    bench.publisher.publish = slow_publish  # type: ignore[method-assign,assignment]
    beats = 0

    async def hook(method: str, _collection: str, done: bool) -> None:
        nonlocal beats
        if method == "get_many" and done:
            beats += 1

    bench.queue = TaskQueue(Records(HookedStore(bench.records.store, hook)))  # type: ignore[arg-type]
    await bench.queue.enqueue([a_task()])
    async with serving(bench.a_worker()):
        await telling.wait()
        seen = beats
        await eventually(lambda: beats >= seen + 2)
        await let_others_run()
        go_on.set()
        await eventually(lambda: bench.publisher.of(TaskEnded))


async def test_job_whose_lease_was_lost_is_cancelled_once_and_keeps_its_slot_until_it_has_ended(bench: Bench) -> None:
    """A second cancellation would break its wait for the child that it has to end."""
    gone = asyncio.Event()
    cancelled: list[str] = []

    class Slow:
        """An execution that takes its time to end."""

        async def run(self, task: Task, _: Callable[[int], None]) -> None:
            while not gone.is_set():
                try:
                    await gone.wait()
                except asyncio.CancelledError:
                    cancelled.append(task.id)
            raise asyncio.CancelledError

    beats = 0

    async def hook(method: str, _collection: str, done: bool) -> None:
        nonlocal beats
        beats += (method, done) == ("get_many", True)

    inner = bench.queue
    bench.queue = TaskQueue(Records(HookedStore(bench.records.store, hook)))  # type: ignore[arg-type]
    bench.execution = Slow()  # type: ignore[assignment]
    first, second = a_task(1), a_task(2)
    await inner.enqueue([first])
    worker = bench.a_worker(light_slots=1, poll_s=NEVER_S)
    async with serving(worker):
        await eventually(lambda: beats)
        await bench.records.tasks.change(
            first.id, lambda task: task.with_changes(fence=task.fence + 1, owner="w2/1", worker="w2")
        )
        await eventually(lambda: cancelled)
        seen = beats
        await inner.enqueue([second])
        await worker.on_ready(rings_for(second))
        await eventually(lambda: beats >= seen + 3)
        assert cancelled == [first.id]
        assert (await bench.stored(second)).state is TaskState.QUEUED
        gone.set()

        async def claimed() -> bool:
            return (await bench.stored(second)).state is not TaskState.QUEUED

        await eventually(claimed)


async def test_claim_whose_answer_was_lost_is_given_back_though_others_progress(bench: Bench) -> None:
    """Every stored progress renews the leases, which must not put the look for strays off."""
    percent = 0
    report: list[Callable[[int], None]] = []

    class Busy:
        """An execution that has news at every beat, a hundred times."""

        async def run(self, _: Task, on_progress: Callable[[int], None]) -> None:
            report.append(on_progress)
            on_progress(1)
            await asyncio.Event().wait()

    async def hook(method: str, _collection: str, done: bool) -> None:
        nonlocal percent
        if method == "get_many" and done and report:
            percent = min(percent + 1, 100)
            report[0](percent)

    stray, busy = a_task(1), a_task(2)
    await bench.claimed(stray)
    bench.clock.advance(worker_module.STRAY_AGE * 2)
    await bench.queue.enqueue([busy])
    bench.queue = TaskQueue(Records(HookedStore(bench.records.store, hook)))  # type: ignore[arg-type]
    bench.execution = Busy()  # type: ignore[assignment]
    worker = bench.a_worker(light_slots=1, poll_s=NEVER_S, progress_s=0.01, heartbeat_s=0.1)
    async with serving(worker):

        async def given_back() -> bool:
            return (await bench.stored(stray)).state is TaskState.QUEUED

        await eventually(given_back)
        assert 0 < percent < 100, "it did not wait for the progress to end"
        await worker.drain()


# -- begin and end ------------------------------------------------------------------------------------------------


async def test_what_a_dead_process_of_this_name_held_is_taken_back_and_run(bench: Bench) -> None:
    fresh, tired = a_task(1), a_task(2)
    await bench.queue.enqueue([fresh, tired])
    dead = Holder(HOLDER.worker, "w/dead")
    for task in (fresh, tired):
        await bench.queue.claim(task.id, dead)
    await bench.records.tasks.change(tired.id, lambda task: task.with_changes(lost=MAX_LOST - 1))
    worker = bench.a_worker(poll_s=NEVER_S)
    await worker.take_back_own()
    assert [(message.task_id, message.state) for message in bench.publisher.of(TaskEnded)] == [
        (tired.id, TaskState.FAILED)
    ]
    async with serving(worker):
        await all_are(bench, TaskState.SUCCEEDED, 1)
    assert bench.kind.started == [fresh.id]


async def test_drain_lets_running_tasks_end_and_takes_no_more(bench: Bench) -> None:
    gate = Gate()
    bench.kind.behaviour = gate
    tasks = [a_task(node) for node in range(4)]
    await bench.queue.enqueue(tasks)
    worker = bench.a_worker(light_slots=2, poll_s=0.01)
    async with serving(worker):
        await eventually(lambda: bench.kind.running == 2)
        draining = asyncio.create_task(worker.drain())
        await let_others_run()
        await worker.on_ready(rings_for(*tasks))
        assert not draining.done()
        gate.open.set()
        await draining
        await let_others_run()
    assert await count(bench, TaskState.SUCCEEDED) == 2
    assert await count(bench, TaskState.QUEUED) == 2
    assert len(bench.publisher.of(TaskEnded)) == 2


async def test_drain_gives_back_what_does_not_end_in_time(bench: Bench) -> None:
    bench.kind.behaviour = Gate()
    tasks = [a_task(node) for node in range(2)]
    await bench.queue.enqueue(tasks)
    worker = bench.a_worker(light_slots=2, grace_s=0.02)
    async with serving(worker):
        await eventually(lambda: bench.kind.running == 2)
        await worker.drain()
    for task in tasks:
        found = await bench.stored(task)
        assert (found.state, found.owner, found.lost, found.fence) == (TaskState.QUEUED, None, 0, 1)
    assert sorted(bench.kind.cancelled) == sorted(task.id for task in tasks)
    assert bench.left_in_scratch() == []
    assert bench.publisher.of(TaskEnded) == []


@pytest.mark.parametrize("by", ["doorbell", "look"])
async def test_task_whose_claim_was_under_way_when_draining_began_is_not_left_behind(bench: Bench, by: str) -> None:
    """Otherwise its lease has to run out before anybody else takes it."""
    claiming, go_on = asyncio.Event(), asyncio.Event()

    async def hook(method: str, _collection: str, done: bool) -> None:
        if method == "replace_many" and done and not go_on.is_set():
            claiming.set()
            await go_on.wait()

    bench.kind.behaviour = Gate()
    inner = bench.queue
    bench.queue = TaskQueue(Records(HookedStore(bench.records.store, hook)))  # type: ignore[arg-type]
    worker = bench.a_worker(grace_s=0.02, poll_s=0.01 if by == "look" else NEVER_S)
    async with serving(worker, heartbeat=False):
        task = a_task()
        await inner.enqueue([task])
        ringing = asyncio.create_task(worker.on_ready(rings_for(task) if by == "doorbell" else []))
        await claiming.wait()
        draining = asyncio.create_task(worker.drain())
        await let_others_run()
        go_on.set()
        await asyncio.wait_for(draining, 5)
        await ringing
        await let_others_run()
    found = await bench.stored(task)
    assert (found.state, found.owner) == (TaskState.QUEUED, None)


async def test_drain_that_is_cancelled_gives_back_what_is_left_and_leaves_nothing_in_scratch(bench: Bench) -> None:
    """The runtime cancels it when the stop takes too long; what stays held counts as a death of the worker."""
    bench.kind.behaviour = Gate()
    tasks = [a_task(node) for node in range(2)]
    await bench.queue.enqueue(tasks)
    worker = bench.a_worker(light_slots=2, grace_s=20)
    scratch = bench.scratch
    async with serving(worker):
        await eventually(lambda: bench.kind.running == 2)
        leaving = asyncio.create_task(leave(worker, scratch))
        await let_others_run()
        assert not leaving.done()
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
    for task in tasks:
        found = await bench.stored(task)
        assert (found.state, found.owner, found.lost) == (TaskState.QUEUED, None, 0)
    assert sorted(bench.kind.cancelled) == sorted(task.id for task in tasks)
    assert not (bench.folder / "w").exists()
    bench.scratch = Scratch.open(bench.folder, "w")


async def test_drain_does_not_wait_for_a_store_that_does_not_answer(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "RELEASE_TIMEOUT_S", 0.02)
    silent = asyncio.Event()

    async def hook(_method: str, _collection: str, _done: bool) -> None:
        if silent.is_set():
            await asyncio.Event().wait()

    bench.kind.behaviour = Gate()
    await bench.queue.enqueue([a_task()])
    bench.queue = TaskQueue(Records(HookedStore(bench.records.store, hook)))  # type: ignore[arg-type]
    worker = bench.a_worker(grace_s=0)
    async with serving(worker, heartbeat=False):
        await eventually(lambda: bench.kind.running)
        silent.set()
        await asyncio.wait_for(worker.drain(), 5)
    assert bench.kind.cancelled


# -- settings -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "drain_s"),
    [
        ({}, 20),
        ({"grace_s": 60}, 25),
        ({"stop_timeout_s": 8}, 3),
        ({"stop_timeout_s": 2}, 0),
        ({"stop_timeout_s": 60}, 20),
        ({"grace_s": 55, "stop_timeout_s": 60}, 55),
    ],
)
def test_grace_ends_before_the_stop_does(given: dict[str, float], drain_s: float) -> None:
    assert WorkerSettings(**given).drain_s == drain_s  # type: ignore[arg-type]


def test_grace_and_stop_that_do_not_fit_are_refused_if_both_were_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REELWAY_GRACE_S", "56")
    monkeypatch.setenv("REELWAY_STOP_TIMEOUT_S", "60")
    with pytest.raises(ValidationError, match="grace_s must be at least 5 s less than stop_timeout_s"):
        WorkerSettings()
