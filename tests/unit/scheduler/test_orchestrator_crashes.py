"""A scheduler may die between any two effects, and several may race: nothing is lost and nothing happens twice."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest

from services.scheduler.domain.tasks import OUTBOX_PATIENCE, WATCH_MIN
from shared.model.run import NodeState
from shared.ports.publisher import Outgoing
from shared.ports.state import StateStore
from tests.builders import a_diamond, a_graph
from tests.unit.scheduler.world import Killed, Mortal, MortalPublisher, World, assert_complete
from tests.unit.shared.fakes import HookedStore, RecordingPublisher


async def live_and_die(at: int | None) -> tuple[World, MortalPublisher, int]:
    """A run by news alone, whose scheduler dies at the n-th point."""
    world = World()
    mortal = Mortal(at)
    publisher = MortalPublisher(mortal)
    orchestrator = world.another(HookedStore(world.records.store, mortal.hook), publisher)  # type: ignore[arg-type]
    try:
        await orchestrator.requested([await world.requested(a_diamond())])
        while news := await world.work():
            await orchestrator.ended(news)
    except Killed:
        pass
    return world, publisher, mortal.passed


async def test_scheduler_that_dies_anywhere_is_made_good_by_another_ones_sweep() -> None:
    world, publisher, points = await live_and_die(None)
    await assert_complete(world, publisher)
    assert points > 40
    for at in range(points):
        world, publisher, passed = await live_and_die(at)
        assert passed == at
        other = world.another()
        await world.sweeps_to_the_end(other)
        await assert_complete(world, publisher, world.publisher)


# -- races --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
async def test_racing_schedulers_queue_each_task_once(world: World, seed: int) -> None:
    chance = random.Random(seed)

    async def hook(_method: str, _collection: str, _done: bool) -> None:
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(0)

    store: StateStore = HookedStore(world.records.store, hook)  # type: ignore[assignment]
    racers = [world.another(store) for _ in range(3)]
    request = await world.requested(a_graph([[1, 2, 3, 4], [5], [5], [6], [6], [7], [7], []]))
    await asyncio.gather(*(racer.requested([request]) for racer in racers))
    while news := await world.work():
        chance.shuffle(news)
        # Each hears of everything, in its own order and one by one, while all of them sweep.
        await asyncio.gather(
            *(racer.ended([one]) for racer in racers for one in chance.sample(news, len(news))),
            *(racer.sweep(10) for racer in racers),
        )
    world.clock.advance(OUTBOX_PATIENCE + WATCH_MIN)
    await world.orchestrator.sweep(10)
    await assert_complete(world, world.publisher)


class MeddlingPublisher(RecordingPublisher):
    """While messages are on their way, something else happens to the run."""

    def __init__(self) -> None:
        super().__init__()
        self.meddle: Callable[[], object] | None = None

    async def publish(self, *outgoing: Outgoing) -> None:
        await super().publish(*outgoing)
        if self.meddle is not None:
            meddle, self.meddle = self.meddle, None
            await meddle()  # type: ignore[misc]


@pytest.mark.parametrize("down", [False, True], ids=["other one sends", "other one cannot send"])
async def test_outbox_that_grew_while_it_was_sent_loses_only_what_was_sent(world: World, down: bool) -> None:
    publisher = MeddlingPublisher()
    first = world.another(publisher=publisher)
    world.publisher.down = down

    async def meddle() -> None:
        await world.orchestrator.ended(await world.work())

    publisher.meddle = meddle
    await first.requested([await world.requested()])
    run = await world.run()
    assert run.node_runs[1].state is NodeState.QUEUED
    kept = [entry.task.id if entry.task else entry.event.sequence for entry in run.outbox if entry.task or entry.event]
    assert kept == ([2, "run-1:0.1:1"] if down else [])
    assert run.due_at is not None
    world.publisher.down = False
    await world.sweeps_to_the_end(world.orchestrator)
    await assert_complete(world, publisher, world.publisher)
