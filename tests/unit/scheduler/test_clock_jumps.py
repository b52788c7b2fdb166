"""The store's clock jumps: what waits goes on, and nobody who works loses his lease of it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from services.scheduler.app import sweep_forever
from services.scheduler.clock_watch import ClockWatch
from services.scheduler.orchestrator import Orchestrator
from services.scheduler.settings import SchedulerSettings
from shared.model.run import NodeState, RunState
from shared.model.task import TaskState
from shared.state.task_queue import Held
from tests.builders import T0
from tests.eventually import eventually
from tests.unit.scheduler.world import FLAKY, HOLDER, LEASE, World

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("shown_s", "passed_s", "jump_s"),
    [(0.5, 0.5, None), (1.9, 0.5, None), (3.0, 0.5, 2.5), (0.5, 3.0, -2.5), (-240, 0.5, -240.5), (60, 61, None)],
)
def test_jump_is_what_the_clock_shows_beyond_what_has_passed(
    shown_s: float, passed_s: float, jump_s: float | None
) -> None:
    passed = 100.0
    watch = ClockWatch(lambda: passed, timedelta(seconds=2))
    assert watch.jumped(T0) is None
    passed += passed_s
    jump = watch.jumped(T0 + timedelta(seconds=shown_s))
    assert (jump and jump.total_seconds()) == jump_s
    passed += 1
    assert watch.jumped(T0 + timedelta(seconds=shown_s + 1)) is None, "a jump is told once"


class Counting(Orchestrator):
    """Knows how often it swept."""

    sweeps = 0

    async def sweep(self, limit: int) -> int:
        self.sweeps += 1
        return await super().sweep(limit)


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
async def test_leases_are_spared_when_the_clock_has_jumped(world: World, jump: timedelta) -> None:
    await world.begun()
    (task,) = (await world.tasks()).values()
    held = await world.queue.claim(task.id, HOLDER)
    assert held is not None
    orchestrator = world.another()
    orchestrator.__class__ = Counting
    assert isinstance(orchestrator, Counting)
    settings = SchedulerSettings(sweep_interval_s=0.001, lease_s=LEASE.total_seconds())
    sweeping = asyncio.create_task(sweep_forever(orchestrator, settings))
    try:
        await eventually(lambda: orchestrator.sweeps > 3)
        world.clock.advance(jump)
        seen = orchestrator.sweeps
        await eventually(lambda: orchestrator.sweeps > seen + 20)
        found = await world.records.tasks.get(task.id)
        assert found is not None
        assert (found.state, found.owner, found.lost) == (TaskState.RUNNING, HOLDER.owner, 0)
        # The holder's next heartbeat puts the lease on the new time.
        assert await world.queue.heartbeat(HOLDER, {task.id: Held(held.fence, 50)}) == set()
        assert await world.queue.take_back_expired() == []
    finally:
        sweeping.cancel()
        await asyncio.wait({sweeping})


async def test_timers_of_a_clock_that_was_ahead_are_due(world: World) -> None:
    """A lost message and a retry, both timed while the clock was an hour ahead."""
    world.clock.advance(HOUR)
    await world.requested(run_id="lost")
    await world.begun()
    await world.orchestrator.ended(await world.work())
    await world.orchestrator.ended(await world.work(FLAKY))
    waiting = (await world.run()).node_runs[1]
    assert waiting.state is NodeState.WAITING
    world.clock.advance(-HOUR)
    assert await world.orchestrator.sweep(10) == 2
    assert (await world.run("lost")).state is RunState.RUNNING
    run = await world.run()
    assert (run.node_runs[1].state, run.node_runs[1].attempt) == (NodeState.QUEUED, 2)
    assert run.due_at is not None
    assert run.due_at - world.clock.now() < timedelta(minutes=1)
    assert await world.orchestrator.sweep(10) == 0


async def test_retry_that_waits_as_long_as_it_may_is_left_alone(world: World) -> None:
    await world.begun()
    await world.orchestrator.ended(await world.work())
    await world.orchestrator.ended(await world.work(FLAKY))
    due_at = (await world.run()).node_runs[1].due_at
    assert due_at is not None
    world.clock.advance(due_at - world.clock.now() - timedelta(milliseconds=1))
    await world.orchestrator.sweep(10)
    assert (await world.run()).node_runs[1].state is NodeState.WAITING
