"""What a run wants of its tasks: cancel, hold, let go, time out. In any order, however often, whatever races."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from shared.model.failure import ErrCode
from shared.model.task import Lane, NodeResult, Task, TaskState
from shared.state.task_queue import Held, Holder
from tests.builders import T0, a_task
from tests.contract.task_queue.conftest import LEASE, Bench
from tests.contract.task_queue.tasks import FAILURE, ONE, RESULT, TWO, a_claimed, stored
from tests.unit.shared.fakes import HookedStore


async def a_queued(bench: Bench, node: int = 1) -> Task:
    task = a_task(node)
    await bench.queue.enqueue([task])
    return task


# -- cancel -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", ["queued", "held", "running", "running and paused"])
async def test_cancel_ends_a_task_whatever_it_is_at(bench: Bench, at: str) -> None:
    task = await a_claimed(bench) if "running" in at else await a_queued(bench)
    if at != "queued":
        await bench.queue.hold({task.id: 5} if at != "running" else {})
    bench.clock.advance(timedelta(seconds=3))
    await bench.queue.cancel([task.id])
    found = await stored(bench, task)
    assert (found.state, found.finished_at, found.lease_until) == (
        TaskState.CANCELLED,
        T0 + timedelta(seconds=3),
        None,
    )
    assert await bench.queue.claim(task.id, TWO) is None
    assert await bench.queue.claim_next(Lane.LIGHT, TWO, 5) == []
    assert await bench.queue.unhold({task.id: 9}) == []
    bench.clock.advance(LEASE * 2)
    assert await bench.queue.take_back_expired() == []
    assert await bench.queue.take_back_from(ONE.worker) == []
    assert await stored(bench, task) == found


async def test_holder_of_a_cancelled_task_learns_it_and_ends_nothing(bench: Bench) -> None:
    task = await a_claimed(bench)
    await bench.queue.cancel([task.id])
    before = await stored(bench, task)
    assert await bench.queue.lost(ONE, {task.id: task.fence}) == {task.id}
    assert await bench.queue.heartbeat(ONE, {task.id: Held(task.fence, 50)}) == {task.id}
    assert not await bench.queue.holds(task.id, ONE.owner, task.fence)
    assert await bench.queue.succeed(task.id, ONE.owner, task.fence, RESULT) is None
    assert await bench.queue.fail(task.id, ONE.owner, task.fence, FAILURE) is None
    assert not await bench.queue.release(task.id, ONE.owner, task.fence)
    assert await stored(bench, task) == before


async def test_cancel_leaves_what_is_final_alone_and_knows_nothing_of_strangers(bench: Bench) -> None:
    done, failed = await a_claimed(bench, node=1), await a_claimed(bench, node=2)
    await bench.queue.succeed(done.id, ONE.owner, done.fence, RESULT)
    await bench.queue.fail(failed.id, ONE.owner, failed.fence, FAILURE)
    before = [await stored(bench, done), await stored(bench, failed)]
    await bench.queue.cancel([done.id, failed.id, "nobody"])
    await bench.queue.cancel([])
    assert [await stored(bench, done), await stored(bench, failed)] == before


async def test_cancel_and_completion_have_one_winner(bench: Bench) -> None:
    for node in range(8):
        task = await a_claimed(bench, node=node)
        done, _ = await asyncio.gather(
            bench.queue.succeed(task.id, ONE.owner, task.fence, NodeResult()), bench.queue.cancel([task.id])
        )
        found = await stored(bench, task)
        assert found.state is (TaskState.CANCELLED if done is None else TaskState.SUCCEEDED)


async def test_cancel_goes_through_while_heartbeats_write(bench: Bench) -> None:
    task = await a_claimed(bench)
    beats = [bench.queue.heartbeat(ONE, {task.id: Held(task.fence, percent)}) for percent in range(5)]
    await asyncio.gather(bench.queue.cancel([task.id]), *beats)
    assert (await stored(bench, task)).state is TaskState.CANCELLED


async def test_look_at_leases_writes_nothing(bench: Bench) -> None:
    kept, gone = await a_claimed(bench, node=1), await a_claimed(bench, node=2)
    ended = await a_claimed(bench, node=3)
    await bench.queue.cancel([gone.id])
    await bench.queue.succeed(ended.id, ONE.owner, ended.fence, RESULT)
    written: list[str] = []

    async def hook(method: str, _collection: str, done: bool) -> None:
        if not done:
            written.append(method)

    queue = bench.over(HookedStore(bench.store, hook))
    held = {kept.id: kept.fence, gone.id: gone.fence, ended.id: ended.fence, "nobody": 1}
    assert await queue.lost(ONE, held) == {gone.id, "nobody"}
    assert await queue.lost(TWO, {kept.id: kept.fence}) == {kept.id}
    assert set(written) == {"get_many"}


# -- hold and unhold ----------------------------------------------------------------------------------------------


async def test_held_task_is_not_to_be_had_until_it_is_let_go_and_keeps_its_place(bench: Bench) -> None:
    first, second = await a_queued(bench, 1), await a_queued(bench, 2)
    await bench.queue.hold({first.id: 3})
    assert (await stored(bench, first)).state is TaskState.HELD
    assert await bench.queue.claim(first.id, ONE) is None
    bench.clock.advance(timedelta(hours=1))
    assert [task.id for task in await bench.queue.unhold({first.id: 4})] == [first.id]
    assert (await stored(bench, first)).queued_at == T0 + timedelta(hours=1), "its wait begins anew"
    assert [task.node for task in await bench.queue.claim_next(Lane.LIGHT, ONE, 2)] == [1, 2]
    assert second.node == 2


async def test_claim_next_passes_held_tasks_by(bench: Bench) -> None:
    held = [await a_queued(bench, node) for node in range(5)]
    free = await a_queued(bench, 9)
    await bench.queue.hold({task.id: 1 for task in held})
    assert [task.id for task in await bench.queue.claim_next(Lane.LIGHT, ONE, 9)] == [free.id]


@pytest.mark.parametrize("how", ["released", "expired", "taken back from a dead worker"])
async def test_task_at_work_goes_on_through_a_pause_but_is_not_claimed_again(bench: Bench, how: str) -> None:
    task = await a_claimed(bench)
    await bench.queue.hold({task.id: 3})
    assert (await stored(bench, task)).state is TaskState.RUNNING
    assert await bench.queue.heartbeat(ONE, {task.id: Held(task.fence, 10)}) == set()
    match how:
        case "released":
            assert await bench.queue.release(task.id, ONE.owner, task.fence)
        case "expired":
            bench.clock.advance(LEASE)
            assert [found.state for found in await bench.queue.take_back_expired()] == [TaskState.HELD]
        case _:
            assert [found.state for found in await bench.queue.take_back_from(ONE.worker)] == [TaskState.HELD]
    assert await bench.queue.claim(task.id, TWO) is None
    assert [found.state for found in await bench.queue.unhold({task.id: 4})] == [TaskState.QUEUED]
    again = await bench.queue.claim(task.id, TWO)
    assert again is not None
    assert again.fence == task.fence + 1


async def test_task_at_work_may_end_during_a_pause(bench: Bench) -> None:
    task = await a_claimed(bench)
    await bench.queue.hold({task.id: 3})
    assert await bench.queue.succeed(task.id, ONE.owner, task.fence, RESULT) is not None


@pytest.mark.parametrize("claimed", [False, True])
async def test_newest_wish_counts_in_whatever_order_they_come(bench: Bench, claimed: bool) -> None:
    wishes = [("hold", 2), ("unhold", 5), ("hold", 7), ("unhold", 9)]
    orders = [(0, 1, 2, 3), (3, 2, 1, 0), (2, 3, 0, 1), (1, 3, 3, 0, 2), (3, 0, 3, 1, 2)]
    for node, order in enumerate(orders):
        task = await a_claimed(bench, node=node) if claimed else await a_queued(bench, node)
        for kind, number in (wishes[at] for at in order):
            await (bench.queue.hold if kind == "hold" else bench.queue.unhold)({task.id: number})
        if claimed:
            await bench.queue.release(task.id, ONE.owner, task.fence)
        assert (await stored(bench, task)).state is TaskState.QUEUED, order
        await bench.queue.hold({task.id: 11})
        await bench.queue.unhold({task.id: 10})
        assert (await stored(bench, task)).state is TaskState.HELD, order


async def test_unhold_tells_which_tasks_can_be_claimed(bench: Bench) -> None:
    running, held, free = await a_claimed(bench, node=1), await a_queued(bench, 2), await a_queued(bench, 3)
    await bench.queue.hold({running.id: 1, held.id: 1})
    wishes = {running.id: 2, held.id: 2, free.id: 2, "nobody": 2}
    assert {task.id for task in await bench.queue.unhold(wishes)} == {held.id, free.id}
    assert {task.id for task in await bench.queue.unhold(wishes)} == {held.id, free.id}, "for whoever rings again"
    assert await bench.queue.unhold({}) == []


async def test_hold_and_claim_leave_a_task_either_held_or_at_work(bench: Bench) -> None:
    for node in range(8):
        task = await a_queued(bench, node)
        claimed, _ = await asyncio.gather(
            bench.queue.claim(task.id, Holder("w", f"w/{node}")), bench.queue.hold({task.id: 1})
        )
        found = await stored(bench, task)
        assert found.state is (TaskState.HELD if claimed is None else TaskState.RUNNING)
        assert found.paused


# -- time-outs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("running", [False, True])
async def test_task_that_timed_out_is_failed_so_that_it_may_be_tried_again(bench: Bench, running: bool) -> None:
    task = await a_claimed(bench) if running else await a_queued(bench)
    ended = await bench.queue.time_out(task, "too long")
    assert ended is not None
    assert ended == await stored(bench, task)
    assert ended.failure is not None
    assert (ended.state, ended.failure.code, ended.failure.message, ended.failure.retryable) == (
        TaskState.FAILED,
        ErrCode.TIMEOUT,
        "too long",
        True,
    )
    assert await bench.queue.claim(task.id, TWO) is None
    if running:
        assert await bench.queue.lost(ONE, {task.id: task.fence}) == {task.id}
        assert await bench.queue.fail(task.id, ONE.owner, task.fence, FAILURE) is None


async def test_time_out_of_what_has_moved_on_does_nothing(bench: Bench) -> None:
    waiting = await a_queued(bench, 1)
    claimed = await bench.queue.claim(waiting.id, ONE)
    assert claimed is not None
    assert await bench.queue.time_out(waiting, "waited") is None
    await bench.queue.heartbeat(ONE, {claimed.id: Held(claimed.fence, 30)})
    await bench.queue.release(claimed.id, ONE.owner, claimed.fence)
    bench.clock.advance(timedelta(seconds=1))
    assert await bench.queue.time_out(waiting, "waited") is None, "it is in the queue anew"
    again = await bench.queue.claim(waiting.id, TWO)
    assert again is not None
    assert await bench.queue.time_out(claimed, "ran") is None, "another claim"
    assert (await stored(bench, waiting)).state is TaskState.RUNNING
    assert await bench.queue.time_out(a_task(7), "gone") is None


async def test_heartbeats_do_not_keep_a_task_from_its_time_out(bench: Bench) -> None:
    task = await a_claimed(bench)
    await bench.queue.heartbeat(ONE, {task.id: Held(task.fence, 30)})
    assert await bench.queue.time_out(task, "ran") is not None
