"""Hints make the end of a task known early; the message that comes later finds nothing left to do."""

from __future__ import annotations

import asyncio

from services.scheduler.hints import Hints
from shared.model.run import RunState
from tests.builders import a_diamond
from tests.eventually import eventually
from tests.unit.scheduler.world import World, assert_complete


async def test_run_ends_by_hints_alone_and_its_messages_change_nothing() -> None:
    world = World()
    hints = Hints(world.orchestrator)
    following = asyncio.create_task(hints.follow())
    await world.begun(a_diamond())
    told = []
    while news := await world.work():
        told += news
        version = (await world.run()).version
        hints.put([message.task_id for message in news])

        async def moved(before: int = version) -> bool:
            run = await world.run()
            return run.version > before and not run.outbox

        await eventually(moved, within_s=5)
    run = await world.run()
    assert run.state is RunState.SUCCEEDED
    await world.orchestrator.ended(told)
    assert (await world.run()).version == run.version
    await assert_complete(world, world.publisher)
    following.cancel()


async def test_a_hint_at_what_is_not_there_or_not_final_does_no_harm() -> None:
    world = World()
    await world.begun(a_diamond())
    [task] = (await world.tasks()).values()
    await world.orchestrator.take_in(["nobody", task.id])
    news = await world.work()
    await world.orchestrator.ended(news)
    assert (await world.run()).node_runs[0].state.final, "the early hint must not have made the news look old"
