"""What the task queue promises, on every store."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from shared.model.failure import ErrCode, Failure
from shared.model.task import Lane, NodeResult, Task, TaskState, queue_order
from shared.ports.state import StateUnavailable
from shared.state.task_queue import MAX_LOST, Held, Holder, TaskQueue
from tests.builders import T0, a_media, a_task
from tests.contract.task_queue.conftest import LEASE, Bench
from tests.eventually import eventually
from tests.unit.shared.fakes import HookedStore

ONE, TWO = Holder("w1", "w1/1"), Holder("w2", "w2/1")
RESULT = NodeResult(outputs=(a_media("out/a.mp4"),), payload={"x": [1, None, "视频"]})
FAILURE = Failure(code=ErrCode.SOURCE_FILE, message="damaged")


async def a_claimed(bench: Bench, holder: Holder = ONE, **members: Any) -> Task:
    """A task that the holder has."""
    task = a_task(**members)
    await bench.queue.enqueue([task])
    claimed = await bench.queue.claim(task.id, holder)
    assert claimed is not None
    return claimed


async def stored(bench: Bench, task: Task) -> Task:
    found = await bench.records.tasks.get(task.id)
    assert found is not None
    return found


# -- enqueue ------------------------------------------------------------------------------------------------------


async def test_enqueue_writes_each_task_once(bench: Bench) -> None:
    first, second = a_task(1), a_task(2)
    assert await bench.queue.enqueue([first]) == [first]
    assert await bench.queue.enqueue([first, second, second]) == [second]
    assert await bench.queue.enqueue([]) == []
    assert await bench.records.tasks.count({}) == 2


async def test_enqueue_leaves_a_task_that_is_under_way_alone(bench: Bench) -> None:
    task = await a_claimed(bench)
    assert await bench.queue.enqueue([a_task()]) == []
    assert await stored(bench, task) == task
    await bench.queue.succeed(task.id, ONE.owner, task.fence, RESULT)
    await bench.queue.enqueue([a_task()])
    assert (await stored(bench, task)).state is TaskState.SUCCEEDED


# -- claim --------------------------------------------------------------------------------------------------------


async def test_claim_takes_a_lease_and_raises_the_fence(bench: Bench) -> None:
    bench.clock.advance(timedelta(seconds=5))
    task = await a_claimed(bench)
    now = T0 + timedelta(seconds=5)
    assert (task.state, task.fence, task.worker, task.owner) == (TaskState.RUNNING, 1, "w1", "w1/1")
    assert (task.claimed_at, task.lease_until, task.progress) == (now, now + LEASE, 0)
    assert await stored(bench, task) == task
    assert await bench.queue.holds(task.id, ONE.owner, 1)
    assert not await bench.queue.holds(task.id, TWO.owner, 1)
    assert not await bench.queue.holds(task.id, ONE.owner, 2)


async def test_claim_of_what_is_not_queued_gives_nothing(bench: Bench) -> None:
    assert await bench.queue.claim("nobody", ONE) is None
    task = await a_claimed(bench)
    assert await bench.queue.claim(task.id, ONE) is None
    assert await bench.queue.claim(task.id, TWO) is None
    await bench.queue.succeed(task.id, ONE.owner, task.fence, RESULT)
    assert await bench.queue.claim(task.id, TWO) is None


async def test_racing_claims_by_id_have_one_winner(bench: Bench) -> None:
    tasks = [a_task(node) for node in range(5)]
    await bench.queue.enqueue(tasks)
    holders = [Holder(f"w{n}", f"w{n}/1") for n in range(6)]
    for task in tasks:
        won = await asyncio.gather(*(bench.queue.claim(task.id, holder) for holder in holders))
        assert len([claimed for claimed in won if claimed]) == 1
        assert (await stored(bench, task)).fence == 1


async def test_claim_next_goes_by_priority_then_age(bench: Bench) -> None:
    def at(node: int, priority: int, seconds: int) -> Task:
        return a_task(node, priority=priority, queued_at=T0 + timedelta(seconds=seconds))

    await bench.queue.enqueue([at(1, 0, 9), at(2, 0, 3), at(3, 10, 8), at(4, -10, 0), at(5, 1, 7), at(6, 10, 1)])
    taken = await bench.queue.claim_next(Lane.LIGHT, ONE, 4)
    assert [task.node for task in taken] == [6, 3, 5, 2]
    assert [task.node for task in await bench.queue.claim_next(Lane.LIGHT, ONE, 4)] == [1, 4]
    assert await bench.queue.claim_next(Lane.LIGHT, ONE, 4) == []


async def test_claim_next_keeps_to_its_lane_and_its_limit(bench: Bench) -> None:
    await bench.queue.enqueue([a_task(node, lane=Lane.MEDIA) for node in range(9)])
    assert await bench.queue.claim_next(Lane.LIGHT, ONE, 5) == []
    assert await bench.queue.claim_next(Lane.MEDIA, ONE, 0) == []
    assert await bench.queue.claim_next(Lane.MEDIA, ONE, -1) == []
    assert len(await bench.queue.claim_next(Lane.MEDIA, ONE, 5)) == 5
    assert await bench.records.tasks.count({"state": "running"}) == 5
    assert len(await bench.queue.claim_next(Lane.MEDIA, ONE, 50)) == 4


async def test_racing_claimers_share_the_queue_without_overlap_or_excess(bench: Bench) -> None:
    await bench.queue.enqueue([a_task(node) for node in range(24)])
    holders = [Holder(f"w{n}", f"w{n}/1") for n in range(4)]
    taken: list[Task] = []
    for _ in range(24):
        got = await asyncio.gather(*(bench.queue.claim_next(Lane.LIGHT, holder, 3) for holder in holders))
        assert all(len(tasks) <= 3 for tasks in got)
        taken += [task for tasks in got for task in tasks]
        if len(taken) == 24:
            break
    assert Counter(task.node for task in taken) == Counter(range(24))
    assert {task.fence for task in taken} == {1}
    by_owner = Counter(task.owner for task in await bench.records.tasks.find({"state": "running"}))
    assert by_owner == Counter(task.owner for task in taken)


# -- heartbeat ----------------------------------------------------------------------------------------------------


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


# -- end ----------------------------------------------------------------------------------------------------------


async def test_success_and_failure_are_written_with_their_times(bench: Bench) -> None:
    good, bad = await a_claimed(bench, node=1), await a_claimed(bench, node=2)
    bench.clock.advance(timedelta(seconds=3))
    done = await bench.queue.succeed(good.id, ONE.owner, good.fence, RESULT)
    failed = await bench.queue.fail(bad.id, ONE.owner, bad.fence, FAILURE)
    assert done is not None
    assert failed is not None
    now = T0 + timedelta(seconds=3)
    good, bad = await stored(bench, good), await stored(bench, bad)
    assert (good.state, good.result, good.progress, good.finished_at) == (TaskState.SUCCEEDED, RESULT, 100, now)
    assert (bad.state, bad.failure, bad.result, bad.finished_at) == (TaskState.FAILED, FAILURE, None, now)
    assert (good.lease_until, bad.lease_until) == (None, None)
    bench.clock.advance(timedelta(days=1))
    assert await bench.queue.take_back_expired() == []


@pytest.mark.parametrize("how", ["released", "retaken", "expired", "given up", "ended by the next", "never claimed"])
@pytest.mark.parametrize("act", ["succeed", "fail", "release"])
async def test_zombie_is_refused_and_changes_nothing(bench: Bench, how: str, act: str) -> None:
    task = await a_claimed(bench) if how != "never claimed" else a_task()
    match how:
        case "never claimed":
            await bench.queue.enqueue([task])
        case "released":
            await bench.queue.release(task.id, ONE.owner, task.fence)
        case "retaken":
            await bench.queue.release(task.id, ONE.owner, task.fence)
            await bench.queue.claim(task.id, TWO)
        case "expired":
            bench.clock.advance(LEASE)
            await bench.queue.take_back_expired()
        case "given up":
            await bench.records.tasks.change(task.id, lambda found: found.with_changes(lost=MAX_LOST - 1))
            await bench.queue.take_back_from(ONE.worker)
        case "ended by the next":
            await bench.queue.release(task.id, ONE.owner, task.fence)
            again = await bench.queue.claim(task.id, TWO)
            assert again is not None
            await bench.queue.succeed(task.id, TWO.owner, again.fence, RESULT)
    before = await stored(bench, task)
    answer: object
    match act:
        case "succeed":
            answer = await bench.queue.succeed(task.id, ONE.owner, task.fence, NodeResult(payload="zombie"))
        case "fail":
            answer = await bench.queue.fail(task.id, ONE.owner, task.fence, FAILURE)
        case _:
            answer = await bench.queue.release(task.id, ONE.owner, task.fence)
    assert not answer
    assert await stored(bench, task) == before


async def test_end_of_a_task_that_is_gone_is_refused(bench: Bench) -> None:
    assert await bench.queue.succeed("nobody", ONE.owner, 1, RESULT) is None
    assert await bench.queue.fail("nobody", ONE.owner, 1, FAILURE) is None
    assert not await bench.queue.release("nobody", ONE.owner, 1)


async def test_holder_may_end_a_task_after_its_lease_ran_out_if_nobody_took_it_back(bench: Bench) -> None:
    task = await a_claimed(bench)
    bench.clock.advance(LEASE * 10)
    assert await bench.queue.succeed(task.id, ONE.owner, task.fence, RESULT) is not None


async def test_completion_repeated_after_its_answer_was_lost_counts_as_done(bench: Bench) -> None:
    task = await a_claimed(bench)
    answered = False

    async def hook(method: str, _collection: str, done: bool) -> None:
        nonlocal answered
        if method == "replace" and done and not answered:
            answered = True
            raise StateUnavailable("the answer was lost")

    queue = bench.over(HookedStore(bench.store, hook))
    with pytest.raises(StateUnavailable):
        await queue.succeed(task.id, ONE.owner, task.fence, RESULT)
    again = await queue.succeed(task.id, ONE.owner, task.fence, RESULT)
    assert again is not None
    assert (again.state, again.result) == (TaskState.SUCCEEDED, RESULT)
    assert await queue.fail(task.id, ONE.owner, task.fence, FAILURE) is None


async def test_racing_completions_of_two_holders_have_one_winner(bench: Bench) -> None:
    task = await a_claimed(bench)
    bench.clock.advance(LEASE)
    await bench.queue.take_back_expired()
    again = await bench.queue.claim(task.id, TWO)
    assert again is not None
    answers = await asyncio.gather(
        bench.queue.succeed(task.id, ONE.owner, task.fence, NodeResult(payload="one")),
        bench.queue.succeed(task.id, TWO.owner, again.fence, NodeResult(payload="two")),
    )
    assert answers[0] is None
    assert answers[1] is not None
    assert (await stored(bench, task)).result == NodeResult(payload="two")


async def test_completion_goes_through_while_heartbeats_write(bench: Bench) -> None:
    task = await a_claimed(bench)
    beats = [bench.queue.heartbeat(ONE, {task.id: Held(task.fence, percent)}) for percent in range(5)]
    done, *lost = await asyncio.gather(bench.queue.succeed(task.id, ONE.owner, task.fence, RESULT), *beats)
    assert done is not None
    assert lost == [set()] * 5
    assert (await stored(bench, task)).state is TaskState.SUCCEEDED


# -- release and expiry -------------------------------------------------------------------------------------------


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


def test_queue_order_sorts_as_text() -> None:
    later = T0 + timedelta(microseconds=1)
    orders = [
        queue_order(10, later),
        queue_order(1, T0),
        queue_order(0, T0),
        queue_order(0, later),
        queue_order(-10, T0),
    ]
    assert orders == sorted(orders)


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
