"""Only the present holder ends a task, and only once."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from shared.model.task import NodeResult, TaskState
from shared.ports.state import StateUnavailable
from shared.state.task_queue import MAX_LOST, Held
from tests.builders import T0, a_task
from tests.contract.task_queue.conftest import LEASE, Bench
from tests.contract.task_queue.tasks import FAILURE, ONE, RESULT, TWO, a_claimed, stored
from tests.unit.shared.fakes import HookedStore


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
