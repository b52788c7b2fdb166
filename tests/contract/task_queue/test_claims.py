"""Tasks are queued once and claimed by one."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta

from shared.model.task import Lane, Task, TaskState, queue_order
from shared.state.task_queue import Holder
from tests.builders import T0, a_task
from tests.contract.task_queue.conftest import LEASE, Bench
from tests.contract.task_queue.tasks import ONE, RESULT, TWO, a_claimed, stored


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
