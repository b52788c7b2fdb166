"""A lease is renewed, given back, or runs out; whoever lost it learns so."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from shared.model.task import Lane, TaskState
from shared.state.task_queue import MAX_LOST, Held, Holder, TaskQueue
from tests.builders import T0, a_task
from tests.contract.task_queue.conftest import LEASE, Bench
from tests.contract.task_queue.tasks import FAILURE, ONE, RESULT, TWO, a_claimed, stored
from tests.eventually import eventually
from tests.unit.shared.fakes import HookedStore


async def test_heartbeat_renews_all_leases_and_stores_progress(bench: Bench) -> None:
    tasks = [await a_claimed(bench, node=node) for node in range(3)]
    bench.clock.advance(timedelta(seconds=20))
    lost = await bench.queue.heartbeat(ONE, {task.id: Held(task.fence, 10 * task.node) for task in tasks})
    assert lost == set()
    bench.clock.advance(timedelta(seconds=20))
    assert await bench.queue.take_back_expired() == []
    for task in tasks:
        now = await stored(bench, task)
        assert (now.lease_until, now.progress, now.fence) == (T0 + timedelta(seconds=50), 10 * task.node, 1)


async def test_heartbeat_of_nothing_is_nothing(bench: Bench) -> None:
    assert await bench.queue.heartbeat(ONE, {}) == set()


async def test_heartbeat_reports_what_was_lost_and_renews_the_rest(bench: Bench) -> None:
    kept = await a_claimed(bench, node=1)
    released, retaken, cancelled = [await a_claimed(bench, node=node) for node in (2, 3, 4)]
    await bench.queue.release(released.id, ONE.owner, released.fence)
    await bench.queue.release(retaken.id, ONE.owner, retaken.fence)
    await bench.queue.claim(retaken.id, TWO)
    await bench.records.tasks.change(cancelled.id, lambda task: task.with_changes(state=TaskState.CANCELLED))
    held = {task.id: Held(task.fence, 50) for task in (kept, released, retaken, cancelled)} | {"gone": Held(1, 1)}
    assert await bench.queue.heartbeat(ONE, held) == {released.id, retaken.id, cancelled.id, "gone"}
    assert (await stored(bench, kept)).progress == 50
    assert (await stored(bench, retaken)).progress == 0


async def test_heartbeat_with_an_old_fence_is_a_loss_though_the_same_process_holds_the_task_again(bench: Bench) -> None:
    task = await a_claimed(bench)
    await bench.queue.release(task.id, ONE.owner, task.fence)
    await bench.queue.claim(task.id, ONE)
    assert await bench.queue.heartbeat(ONE, {task.id: Held(task.fence, 1)}) == {task.id}


@pytest.mark.parametrize("state", [TaskState.SUCCEEDED, TaskState.FAILED])
async def test_task_that_the_holder_has_just_ended_is_not_reported_lost(bench: Bench, state: TaskState) -> None:
    task = await a_claimed(bench)
    if state is TaskState.SUCCEEDED:
        await bench.queue.succeed(task.id, ONE.owner, task.fence, RESULT)
    else:
        await bench.queue.fail(task.id, ONE.owner, task.fence, FAILURE)
    assert await bench.queue.heartbeat(ONE, {task.id: Held(task.fence, 99)}) == set()
    assert (await stored(bench, task)).progress == (100 if state is TaskState.SUCCEEDED else 0)


async def test_conflict_during_a_heartbeat_is_not_a_loss(bench: Bench) -> None:
    task = await a_claimed(bench)

    async def hook(method: str, _collection: str, done: bool) -> None:
        if method == "replace_many" and not done:
            await bench.records.tasks.change(task.id, lambda found: found.with_changes(progress=7))

    queue = bench.over(HookedStore(bench.store, hook))
    assert await queue.heartbeat(ONE, {task.id: Held(task.fence, 50)}) == set()


async def test_released_task_can_be_taken_at_once_with_a_higher_fence(bench: Bench) -> None:
    task = await a_claimed(bench)
    assert await bench.queue.release(task.id, ONE.owner, task.fence)
    found = await stored(bench, task)
    assert (found.state, found.worker, found.owner, found.lease_until, found.lost) == (
        TaskState.QUEUED,
        None,
        None,
        None,
        0,
    )
    [again] = await bench.queue.claim_next(Lane.LIGHT, TWO, 1)
    assert (again.fence, again.owner) == (2, TWO.owner)


async def test_release_keeps_the_place_in_the_queue(bench: Bench) -> None:
    task = await a_claimed(bench, node=1, queued_at=T0)
    await bench.queue.enqueue([a_task(2, queued_at=T0 + timedelta(seconds=1))])
    await bench.queue.release(task.id, ONE.owner, task.fence)
    assert [found.node for found in await bench.queue.claim_next(Lane.LIGHT, TWO, 2)] == [1, 2]


async def test_lease_that_ran_out_is_taken_back_once_and_the_fence_grows(bench: Bench) -> None:
    task = await a_claimed(bench)
    bench.clock.advance(LEASE - timedelta(milliseconds=1))
    assert await bench.queue.take_back_expired() == []
    bench.clock.advance(timedelta(milliseconds=1))
    taken = await asyncio.gather(*(bench.queue.take_back_expired() for _ in range(3)))
    [back] = [found for tasks in taken for found in tasks]
    assert (back.state, back.lost, back.fence, back.owner) == (TaskState.QUEUED, 1, 1, None)
    again = await bench.queue.claim(task.id, TWO)
    assert again is not None
    assert again.fence == 2


async def test_task_is_failed_after_its_third_lost_lease(bench: Bench) -> None:
    task = a_task()
    await bench.queue.enqueue([task])
    for lost in range(1, MAX_LOST + 1):
        claimed = await bench.queue.claim(task.id, Holder("w", f"w/{lost}"))
        assert claimed is not None
        assert claimed.fence == lost
        bench.clock.advance(LEASE)
        [back] = await bench.queue.take_back_expired()
        assert back.lost == lost
    assert (back.state, back.lease_until, back.finished_at) == (TaskState.FAILED, None, bench.clock.now())
    assert back.failure is not None
    assert not back.failure.retryable
    assert str(MAX_LOST) in back.failure.message
    assert await bench.queue.claim(task.id, ONE) is None
    assert await bench.queue.take_back_expired() == []


async def test_lease_of_a_clock_that_was_ahead_has_run_out_too(bench: Bench) -> None:
    """Nobody renews it, and without a look at its length it would hold for as long as the clock was ahead."""
    bench.clock.advance(timedelta(hours=1))
    dead, alive = [await a_claimed(bench, node=node) for node in (1, 2)]
    bench.clock.advance(-timedelta(hours=1))
    assert await bench.queue.heartbeat(ONE, {alive.id: Held(alive.fence, 1)}) == set()
    assert [task.id for task in await bench.queue.take_back_expired()] == [dead.id]
    assert (await stored(bench, alive)).lease_until == T0 + LEASE


async def test_lease_of_a_worker_with_another_setting_is_left_alone(bench: Bench) -> None:
    generous = TaskQueue(bench.records, LEASE * 10)
    await generous.enqueue([a_task()])
    assert await generous.claim(a_task().id, ONE)
    assert await bench.queue.take_back_expired() == []


async def test_the_longest_overdue_are_taken_back_first(bench: Bench) -> None:
    for node in range(4):
        await a_claimed(bench, node=node)
        bench.clock.advance(timedelta(seconds=1))
    bench.clock.advance(LEASE)
    assert [task.node for task in await bench.queue.take_back_expired(limit=3)] == [0, 1, 2]


async def test_tasks_of_a_dead_worker_are_taken_back_whatever_their_leases_say(bench: Bench) -> None:
    mine = [await a_claimed(bench, node=node) for node in range(3)]
    other = await a_claimed(bench, TWO, node=7)
    ended = await a_claimed(bench, node=8)
    await bench.queue.succeed(ended.id, ONE.owner, ended.fence, RESULT)
    back = await bench.queue.take_back_from(ONE.worker)
    assert {task.id for task in back} == {task.id for task in mine}
    assert {(task.state, task.lost) for task in back} == {(TaskState.QUEUED, 1)}
    assert (await stored(bench, other)).owner == TWO.owner
    assert (await stored(bench, ended)).state is TaskState.SUCCEEDED
    assert await bench.queue.take_back_from(ONE.worker) == []


async def test_all_tasks_of_a_dead_worker_are_taken_back_however_many(bench: Bench) -> None:
    await bench.queue.enqueue([a_task(node) for node in range(210)])
    assert len(await bench.queue.claim_next(Lane.LIGHT, ONE, 210)) == 210
    assert len(await bench.queue.take_back_from(ONE.worker)) == 210


async def test_leases_go_by_the_stores_own_clock(bench: Bench) -> None:
    queue: TaskQueue = bench.in_real_time(timedelta(milliseconds=60))
    task = a_task()
    await queue.enqueue([task])
    claimed = await queue.claim(task.id, ONE)
    assert claimed is not None
    for _ in range(3):
        assert await queue.heartbeat(ONE, {task.id: Held(claimed.fence, 0)}) == set()
    [back] = await eventually(queue.take_back_expired)
    assert back.state is TaskState.QUEUED
    assert await queue.heartbeat(ONE, {task.id: Held(claimed.fence, 0)}) == {task.id}


async def test_lease_without_a_job_is_given_back_once_it_is_no_longer_on_its_way(bench: Bench) -> None:
    known, stray, anothers = [await a_claimed(bench, node=node) for node in (1, 2, 3)]
    await bench.queue.release(anothers.id, ONE.owner, anothers.fence)
    await bench.queue.claim(anothers.id, TWO)
    age = timedelta(seconds=5)
    assert await bench.queue.release_strays(ONE, {known.id}, age) == []
    bench.clock.advance(timedelta(seconds=6))
    assert await bench.queue.release_strays(ONE, {known.id}, age) == [stray.id]
    assert (await stored(bench, stray)).state is TaskState.QUEUED
    assert (await stored(bench, stray)).lost == 0
    assert (await stored(bench, known)).state is TaskState.RUNNING
    assert (await stored(bench, anothers)).owner == TWO.owner
