"""Tenants take turns whatever each of them has queued."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta

from shared.model.task import Lane, Task
from shared.state.turns import SPARE
from tests.builders import T0, a_task
from tests.contract.task_queue.conftest import Bench
from tests.contract.task_queue.tasks import ONE, TWO
from tests.unit.shared.fakes import HookedStore


async def queued(bench: Bench, counts: Mapping[str, int], **members: object) -> None:
    """So many tasks of each tenant, those of the first tenant the oldest."""
    tasks = []
    for age, (tenant, count) in enumerate(counts.items()):
        at = T0 + timedelta(minutes=age)
        tasks += [
            a_task(node, run_id=f"{tenant}-run-{age}", tenant=tenant, queued_at=at, **members)  # type: ignore[arg-type]
            for node in range(count)
        ]
    await bench.queue.enqueue(tasks)


async def taken(bench: Bench, limit: int, times: int = 1) -> list[list[str]]:
    """The tenants of what is claimed, claim by claim."""
    return [[task.tenant for task in await bench.queue.claim_next(Lane.LIGHT, ONE, limit)] for _ in range(times)]


async def test_tenant_with_two_tasks_is_served_within_a_turn_of_one_with_a_thousand(bench: Bench) -> None:
    await queued(bench, {"a": 1000})
    assert await taken(bench, 1, times=3) == [["a"]] * 3
    await queued(bench, {"b": 2})
    assert (await taken(bench, 1, times=4)).count(["b"]) == 2
    assert await taken(bench, 2) == [["a", "a"]]


async def test_every_tenant_has_one_turn_a_round_however_many_and_with_one_slot(bench: Bench) -> None:
    await queued(bench, dict.fromkeys("fedcba", 20))
    for _ in range(3):
        assert sorted(tenant for [tenant] in await taken(bench, 1, times=6)) == list("abcdef")


async def test_tenant_that_comes_late_has_its_turn_within_a_round(bench: Bench) -> None:
    await queued(bench, dict.fromkeys("bdf", 20))
    await taken(bench, 1, times=4)
    await queued(bench, {"c": 3})
    assert ["c"] in await taken(bench, 1, times=4)


async def test_slots_that_are_free_together_are_shared_evenly(bench: Bench) -> None:
    await queued(bench, {"a": 50, "b": 50, "c": 50})
    [tenants] = await taken(bench, 9)
    assert Counter(tenants) == {"a": 3, "b": 3, "c": 3}
    [tenants] = await taken(bench, 2)
    assert len(set(tenants)) == 2


async def test_tenant_at_the_edge_of_a_look_has_its_whole_share(bench: Bench) -> None:
    """The first look brings all of a's tasks but one, and one of b's."""
    wanted = 4
    await queued(bench, {"a": wanted * SPARE - 1, "b": 50})
    [tenants] = await taken(bench, wanted)
    assert Counter(tenants) == {"a": 2, "b": 2}


async def test_what_one_tenant_does_not_use_the_others_do(bench: Bench) -> None:
    await queued(bench, {"a": 1, "b": 2, "c": 50})
    [tenants] = await taken(bench, 8)
    assert Counter(tenants) == {"a": 1, "b": 2, "c": 5}


async def test_priority_counts_within_a_tenant_and_not_against_others(bench: Bench) -> None:
    urgent = [a_task(node, tenant="a", priority=10) for node in range(3)]
    late = [a_task(node, tenant="a", run_id="late", priority=0) for node in range(3)]
    humble = [a_task(node, tenant="b", run_id="b", priority=-10) for node in range(2)]
    await bench.queue.enqueue([*late, *humble, *urgent])
    got: list[Task] = []
    for _ in range(5):
        got += await bench.queue.claim_next(Lane.LIGHT, ONE, 1)
    assert [task.tenant for task in got] == ["a", "b", "a", "b", "a"]
    assert all(task.priority == 10 for task in got if task.tenant == "a")


async def test_lanes_have_turns_of_their_own(bench: Bench) -> None:
    await queued(bench, {"a": 5, "b": 5})
    await queued(bench, {"x": 0, "y": 0, "a": 5}, lane=Lane.MEDIA)
    assert await taken(bench, 1) == [["a"]]
    assert [task.tenant for task in await bench.queue.claim_next(Lane.MEDIA, ONE, 1)] == ["a"]
    assert await taken(bench, 1) == [["b"]]


async def test_who_is_beaten_to_the_head_of_the_queue_still_fills_its_slots(bench: Bench) -> None:
    await queued(bench, {"a": 60})
    stolen = 0

    async def hook(method: str, collection: str, done: bool) -> None:
        nonlocal stolen
        if (method, collection, done) == ("find", "tasks", True) and stolen < 2:
            stolen += 1
            await bench.queue.claim_next(Lane.LIGHT, TWO, 20)

    slow = bench.over(HookedStore(bench.store, hook))
    assert len(await slow.claim_next(Lane.LIGHT, ONE, 4)) == 4
    assert stolen == 2
