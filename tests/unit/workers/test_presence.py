"""A worker tells that it is there, and hears that it is to take less."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.workers.minutes import MinuteCounts
from services.workers.presence import Presence
from services.workers.worker import Worker
from shared.model.failure import SourceFileError
from shared.model.task import Lane, TaskState
from shared.model.worker import WorkerRecord
from tests.builders import a_task
from tests.eventually import eventually
from tests.unit.workers.kinds import HOLDER, Bench, NodeContext, NodeOutcome
from tests.unit.workers.test_worker import count, rings_for, serving


@asynccontextmanager
async def telling(bench: Bench, worker: Worker) -> AsyncIterator[Presence]:
    presence = Presence(bench.records, worker, HOLDER, 0.01)
    task = asyncio.create_task(presence.tell())
    yield presence
    task.cancel()
    await asyncio.wait({task})


async def record(bench: Bench) -> WorkerRecord:
    found = await eventually(lambda: bench.records.workers.get("w.1"))
    assert found is not None
    return found


async def test_it_tells_slots_and_what_has_ended(tmp_path: Path) -> None:
    async def work(context: NodeContext) -> NodeOutcome:
        if context.task.node == 2:
            raise SourceFileError("as the test wants it")
        return NodeOutcome()

    bench = Bench(tmp_path, work)
    worker = bench.a_worker()
    tasks = [a_task(1), a_task(2)]
    async with serving(worker), telling(bench, worker) as presence:
        assert (await record(bench)).lanes["light"].slots == 4
        await bench.queue.enqueue(tasks)
        await worker.on_ready(rings_for(*tasks))

        async def told() -> bool:
            lane = (await record(bench)).lanes["light"]
            return (lane.ended[0], lane.failed[0], lane.busy) == (2, 1, 0)

        await eventually(told)
        await presence.leave()
    assert await bench.records.workers.count({}) == 0


async def test_it_hears_that_it_is_to_drain_and_to_go_on(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    worker = bench.a_worker()
    async with serving(worker), telling(bench, worker):
        await record(bench)
        await bench.records.workers.change("w.1", lambda old: old.with_changes(drain=True))
        await eventually(lambda: worker.on_hold)
        task = a_task()
        await bench.queue.enqueue([task])
        await worker.on_ready(rings_for(task))
        worker.look(Lane.LIGHT)
        await asyncio.sleep(0.1)
        assert await count(bench, TaskState.QUEUED) == 1
        assert (await record(bench)).draining
        await bench.records.workers.change("w.1", lambda old: old.with_changes(drain=False))

        async def done() -> bool:
            return await count(bench, TaskState.SUCCEEDED) == 1

        await eventually(done)


async def test_it_forgets_those_of_its_name_and_those_long_silent(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    worker = bench.a_worker()
    now = await bench.records.now()
    presence = Presence(bench.records, worker, HOLDER, 5)
    mine = presence._record(now)
    for name, silent_s in (("w", 1), ("other", 10), ("long-dead", 4000)):
        seen_at = now.fromtimestamp(now.timestamp() - silent_s, now.tzinfo)
        await bench.records.workers.insert(mine.with_changes(id=f"{name}.0", worker=name, seen_at=seen_at))
    await presence._beat()
    assert {one.id for one in await bench.records.workers.find({})} == {"w.1", "other.0"}


@pytest.mark.parametrize(("after_s", "expected"), [(0, (2, 0)), (60, (0, 2)), (60 * 14, (0, 0)), (60 * 40, (0, 0))])
def test_minutes_are_counted_apart(after_s: float, expected: tuple[int, int]) -> None:
    moment = 1000.0
    counts = MinuteCounts(lambda: moment)
    counts.add("a")
    counts.add("a")
    counts.add("b")
    moment += after_s
    assert counts.last("a")[:2] == expected
    assert sum(counts.last("a")) == (2 if after_s < 60 * 15 else 0)
    assert len(counts.last("a")) == 15
