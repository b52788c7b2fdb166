"""Tasks that wait or run for too long are ended; what has moved on meanwhile is not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from shared.model.failure import ErrCode
from shared.model.pipeline import Node, Timeouts
from shared.model.run import NodeState
from shared.model.task import Task, TaskState
from shared.ports.state import StateStore
from shared.state.task_queue import OVERTIME, Held
from tests.builders import a_graph
from tests.unit.scheduler.world import HOLDER, LEASE, World
from tests.unit.shared.fakes import HookedStore

TASK = "run-1:0.1:1"


async def a_node_queued(world: World, **limits: float) -> None:
    """A run whose only node has these limits and is queued."""
    await world.begun(a_graph([[1], [2], []], n1=Node(kind="noop", timeouts=Timeouts(**limits))))
    await world.orchestrator.ended(await world.work())


async def task_of(world: World) -> Task:
    found = await world.records.tasks.get(TASK)
    assert found is not None
    return found


async def sweeps(world: World, seconds: int, **beat: Any) -> None:
    """Time passes with sweeps, and with heartbeats if there is a holder."""
    for _ in range(seconds):
        world.clock.advance(timedelta(seconds=1))
        if beat:
            await world.queue.heartbeat(HOLDER, beat["held"])
        await world.orchestrator.take_back_leases()
        await world.orchestrator.sweep(10)


async def test_task_that_no_worker_takes_fails_as_a_timeout_and_is_tried_again(world: World) -> None:
    await a_node_queued(world, queued_s=20)
    await sweeps(world, 19)
    assert (await task_of(world)).state is TaskState.QUEUED
    await sweeps(world, 1)
    task = await task_of(world)
    assert task.failure is not None
    assert (task.state, task.failure.code, task.failure.retryable) == (TaskState.FAILED, ErrCode.TIMEOUT, True)
    node = (await world.run()).node_runs[1]
    assert (node.state, node.attempt) == (NodeState.WAITING, 1), "taken in by the same sweep"
    await sweeps(world, 4)
    assert (await world.run()).node_runs[1].attempt == 2


async def test_task_that_lost_its_worker_waits_anew(world: World) -> None:
    await a_node_queued(world, queued_s=20)
    await sweeps(world, 15)
    await world.queue.claim(TASK, HOLDER)
    await sweeps(world, LEASE.seconds + 19)
    assert (await task_of(world)).state is TaskState.QUEUED
    await sweeps(world, 40)
    assert (await task_of(world)).state is TaskState.FAILED


async def test_task_at_work_has_its_time_and_some_overtime_then_it_is_ended_here(world: World) -> None:
    await a_node_queued(world, running_s=10)
    claimed = await world.queue.claim(TASK, HOLDER)
    assert claimed is not None
    held = {TASK: Held(claimed.fence, 1)}
    limit = 10 + OVERTIME.seconds
    await sweeps(world, limit, held=held)
    assert (await task_of(world)).state is TaskState.RUNNING
    await sweeps(world, 31, held=held)
    task = await task_of(world)
    assert (task.state, task.failure and task.failure.message) == (TaskState.FAILED, "ran for more than 10 s")
    assert await world.queue.lost(HOLDER, {TASK: claimed.fence}) == {TASK}, "whoever still works on it must stop"
    assert (await world.run()).node_runs[1].attempt == 2


async def test_task_that_was_claimed_again_since_the_look_is_not_ended(world: World) -> None:
    """Its first holder gave it back, another one claimed it: that claim has just begun."""
    await a_node_queued(world, running_s=10)
    claimed = await world.queue.claim(TASK, HOLDER)
    assert claimed is not None
    meddled = False

    async def hook(method: str, collection: str, done: bool) -> None:
        nonlocal meddled
        if (method, collection, done, meddled) == ("get_many", "tasks", True, False):
            meddled = True
            assert await world.queue.release(TASK, HOLDER.owner, claimed.fence)
            assert await world.queue.claim(TASK, HOLDER) is not None

    store: StateStore = HookedStore(world.records.store, hook)  # type: ignore[assignment]
    world.clock.advance(OVERTIME + timedelta(seconds=30))
    await world.another(store).sweep(10)
    assert meddled
    task = await task_of(world)
    assert (task.state, task.fence) == (TaskState.RUNNING, 2)


async def test_task_that_was_resumed_since_the_look_is_not_ended(world: World) -> None:
    await a_node_queued(world, queued_s=20)
    world.clock.advance(timedelta(seconds=20))
    seen = await task_of(world)
    await world.queue.hold({TASK: 1})
    await world.queue.unhold({TASK: 2})
    assert await world.queue.time_out(seen, "waited") is None
    assert (await task_of(world)).state is TaskState.QUEUED
