"""Commands through the shell: what happens to the tasks, whoever is slow, dies or races."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta

import pytest

from services.scheduler.domain.tasks import OUTBOX_PATIENCE
from shared.messages.messages import RunChanged, TaskReady
from shared.model.pipeline import Node, Timeouts
from shared.model.run import CommandKind, NodeState, RunState
from shared.model.task import TaskState
from shared.ports.state import StateStore
from shared.state.task_queue import Held
from tests.builders import a_chain, a_diamond, a_graph
from tests.unit.scheduler.world import FLAKY, HOLDER, LEASE, Killed, Mortal, MortalPublisher, World
from tests.unit.shared.fakes import HookedStore

CANCEL, PAUSE, RESUME = CommandKind.CANCEL, CommandKind.PAUSE, CommandKind.RESUME
RETRY = CommandKind.RETRY_NODE


async def diamond_at_work(world: World) -> None:
    """A diamond whose probe has succeeded; 1 is at work, 2 and 3 are queued."""
    await world.begun(a_diamond())
    await world.orchestrator.ended(await world.work())
    assert await world.queue.claim("run-1:0.1:1", HOLDER) is not None


async def task_states(world: World) -> dict[int, str]:
    return {node: task.state.value for node, task in sorted((await world.tasks()).items())}


# -- cancel -------------------------------------------------------------------------------------------------------


async def test_cancel_ends_the_tasks_and_the_worker_hears_of_it(world: World) -> None:
    await diamond_at_work(world)
    run = await world.obeys(CANCEL)
    assert (run.state, run.outbox, run.due_at) == (RunState.CANCELLED, (), None)
    assert await task_states(world) == {0: "succeeded", 1: "cancelled", 2: "cancelled", 3: "cancelled"}
    assert await world.queue.lost(HOLDER, {"run-1:0.1:1": 1}) == {"run-1:0.1:1"}
    assert await world.queue.heartbeat(HOLDER, {"run-1:0.1:1": Held(1, 50)}) == {"run-1:0.1:1"}
    assert await world.work() == []
    assert [message.event.type.value for message in world.publisher.of(RunChanged)][-1] == "run.finished"


async def test_cancel_whose_message_is_lost_is_taken_in_by_the_sweep(world: World) -> None:
    await diamond_at_work(world)
    await world.asked(CANCEL)
    assert await world.orchestrator.sweep(10) == 1
    assert (await world.run()).state is RunState.CANCELLED
    assert await task_states(world) == {0: "succeeded", 1: "cancelled", 2: "cancelled", 3: "cancelled"}


async def test_cancel_and_the_success_of_the_last_task_have_one_winner(world: World) -> None:
    await world.begun(a_chain())
    await world.orchestrator.ended(await world.work())
    news = await world.work()
    run = await world.obeys(CANCEL)
    await world.orchestrator.ended(news)
    assert run == await world.run()
    assert run.state is RunState.CANCELLED
    assert (await world.tasks())[1].state is TaskState.SUCCEEDED, "what is final stays"


# -- pause and resume ---------------------------------------------------------------------------------------------


async def test_paused_run_gets_no_worker_until_it_is_resumed(world: World) -> None:
    await diamond_at_work(world)
    run = await world.obeys(PAUSE)
    assert (run.state, run.outbox) == (RunState.PAUSED, ())
    assert await task_states(world) == {0: "succeeded", 1: "running", 2: "held", 3: "held"}
    assert await world.work() == []
    world.publisher.take()
    await world.obeys(RESUME)
    assert {message.task_id for message in world.publisher.of(TaskReady)} == {"run-1:0.2:1", "run-1:0.3:1"}
    assert {ended.task_id for ended in await world.work()} == {"run-1:0.2:1", "run-1:0.3:1"}


async def test_result_that_comes_during_a_pause_is_taken_in_and_starts_nothing(world: World) -> None:
    await world.begun(a_chain(2))
    await world.orchestrator.ended(await world.work())
    news = await world.work()
    await world.obeys(PAUSE)
    await world.orchestrator.ended(news)
    run = await world.run()
    assert (run.node_runs[1].state, run.node_runs[2].state) == (NodeState.SUCCEEDED, NodeState.PENDING)
    await world.obeys(RESUME)
    await world.sweeps_to_the_end(world.orchestrator)
    assert (await world.run()).state is RunState.SUCCEEDED


async def test_task_whose_worker_dies_during_a_pause_waits_for_the_resume(world: World) -> None:
    await diamond_at_work(world)
    await world.obeys(PAUSE)
    world.publisher.take()
    world.clock.advance(LEASE)
    assert await world.orchestrator.take_back_leases() == 1
    assert (await task_states(world))[1] == "held"
    assert world.publisher.of(TaskReady) == []
    await world.obeys(RESUME)
    assert (await task_states(world))[1] == "queued"


async def test_pause_lasts_as_long_as_somebody_wants(world: World) -> None:
    await world.begun(a_graph([[1], [2], []], n1=Node(kind="noop", timeouts=Timeouts(queued_s=60))))
    await world.orchestrator.ended(await world.work())
    await world.obeys(PAUSE)
    for _ in range(10):
        world.clock.advance(timedelta(minutes=1))
        await world.orchestrator.sweep(10)
    assert (await task_states(world))[1] == "held"
    await world.obeys(RESUME)
    world.clock.advance(timedelta(seconds=59))
    await world.orchestrator.sweep(10)
    assert (await task_states(world))[1] == "queued", "its wait began anew"


async def test_resume_and_pause_in_one_outbox_end_as_a_pause(world: World) -> None:
    await diamond_at_work(world)
    await world.obeys(PAUSE)
    world.publisher.down = True
    await world.obeys(RESUME)
    run = await world.obeys(PAUSE)
    assert [entry.kind for entry in run.outbox if entry.task_id] == ["unhold"] * 3 + ["hold"] * 3
    assert await task_states(world) == {0: "succeeded", 1: "running", 2: "held", 3: "held"}
    world.publisher.down = False
    world.clock.advance(OUTBOX_PATIENCE)
    await world.orchestrator.sweep(10)
    assert (await world.run()).outbox == ()
    assert await task_states(world) == {0: "succeeded", 1: "running", 2: "held", 3: "held"}


@pytest.mark.parametrize("last", [PAUSE, RESUME])
async def test_slow_sender_undoes_nothing_that_was_wanted_after_it(world: World, last: CommandKind) -> None:
    """One scheduler stands still between its write and its wishes, and comes back when another has sent newer ones."""
    await diamond_at_work(world)
    if last is PAUSE:
        await world.obeys(PAUSE)
    stuck, go_on = asyncio.Event(), asyncio.Event()

    async def hook(method: str, collection: str, done: bool) -> None:
        if (method, collection, done) == ("get_many", "tasks", False):
            stuck.set()
            await go_on.wait()

    slow = world.another(HookedStore(world.records.store, hook))  # type: ignore[arg-type]
    first = PAUSE if last is RESUME else RESUME
    sending = asyncio.create_task(slow.requested([await world.asked(first)]))
    await asyncio.wait_for(stuck.wait(), 5)
    await world.obeys(last)
    go_on.set()
    await asyncio.wait_for(sending, 5)
    wanted = "held" if last is PAUSE else "queued"
    assert await task_states(world) == {0: "succeeded", 1: "running", 2: wanted, 3: wanted}
    assert (await world.run()).outbox == ()


async def test_outbox_that_grew_by_wishes_for_the_same_task_loses_only_what_was_sent(world: World) -> None:
    await diamond_at_work(world)
    stuck, go_on = asyncio.Event(), asyncio.Event()

    async def hook(method: str, collection: str, done: bool) -> None:
        if (method, collection, done) == ("get_many", "tasks", False):
            stuck.set()
            await go_on.wait()

    slow = world.another(HookedStore(world.records.store, hook))  # type: ignore[arg-type]
    sending = asyncio.create_task(slow.requested([await world.asked(PAUSE)]))
    await asyncio.wait_for(stuck.wait(), 5)
    world.publisher.down = True
    await world.obeys(RESUME)
    await world.obeys(PAUSE)
    world.publisher.down = False
    go_on.set()
    await asyncio.wait_for(sending, 5)
    run = await world.run()
    kept = [entry.kind for entry in run.outbox if entry.task_id]
    assert kept == ["unhold"] * 3 + ["hold"] * 3
    world.clock.advance(OUTBOX_PATIENCE)
    await world.orchestrator.sweep(10)
    assert await task_states(world) == {0: "succeeded", 1: "running", 2: "held", 3: "held"}


async def test_task_that_is_derived_again_in_a_paused_run_is_held_by_the_sweep(world: World) -> None:
    await diamond_at_work(world)
    await world.obeys(PAUSE)
    lost = (await world.tasks())[2]
    assert await world.records.tasks.delete(lost)
    for _ in range(2):
        world.clock.advance(timedelta(minutes=1))
        await world.orchestrator.sweep(10)
    assert (await task_states(world))[2] == "held"


# -- retry of a node ----------------------------------------------------------------------------------------------


async def test_failed_node_is_tried_again_and_the_run_succeeds(world: World) -> None:
    await diamond_at_work(world)
    failed = await world.queue.fail("run-1:0.1:1", HOLDER.owner, 1, FLAKY.model_copy(update={"retryable": False}))
    assert failed is not None
    await world.orchestrator.announce([failed])
    assert (await world.run()).node_runs[1].state is NodeState.FAILED
    await world.obeys(RETRY, 1)
    await world.sweeps_to_the_end(world.orchestrator)
    run = await world.run()
    assert (run.state, run.node_runs[1].attempt) == (RunState.SUCCEEDED, 2)


# -- crashes and races --------------------------------------------------------------------------------------------

STORY = (PAUSE, RESUME, PAUSE, (RETRY, 1), RESUME, CANCEL)


async def commanded_and_killed(at: int | None) -> tuple[World, MortalPublisher, int]:
    """A run with many commands, whose scheduler dies at the n-th point; what is commanded later finds it dead."""
    world = World()
    mortal = Mortal(at)
    publisher = MortalPublisher(mortal)
    orchestrator = world.another(HookedStore(world.records.store, mortal.hook), publisher)  # type: ignore[arg-type]
    alive = True

    async def hears(messages: list) -> None:  # type: ignore[type-arg]
        nonlocal alive
        if alive:
            try:
                await orchestrator.requested(messages)
            except Killed:
                alive = False

    await hears([await world.requested(a_diamond())])
    if alive:
        try:
            await orchestrator.ended(await world.work())
        except Killed:
            alive = False
    if await world.queue.claim("run-1:0.1:1", HOLDER) is not None:
        await world.queue.fail("run-1:0.1:1", HOLDER.owner, 1, FLAKY)
    for wish in STORY:
        kind, node = wish if isinstance(wish, tuple) else (wish, None)
        await hears([await world.asked(kind, node)])
    return world, publisher, mortal.passed


async def test_scheduler_that_dies_anywhere_in_a_story_of_commands_is_made_good_by_another_ones_sweep() -> None:
    _, _, points = await commanded_and_killed(None)
    assert points > 100
    for at in range(points):
        world, publisher, _ = await commanded_and_killed(at)
        other = world.another()
        for _ in range(10):
            await other.sweep(10)
            world.clock.advance(timedelta(seconds=3))
        run = await world.run()
        assert (run.state, run.outbox, run.commands) == (RunState.CANCELLED, (), ()), f"died at {at}"
        assert all(task.state.final for task in (await world.tasks()).values()), f"died at {at}"
        told = {message.event.sequence for one in (publisher, world.publisher) for message in one.of(RunChanged)}
        assert told == set(range(1, len(run.history) + 1)), f"died at {at}"


@pytest.mark.parametrize("seed", range(15))
async def test_racing_schedulers_and_commands_leave_no_task_behind(world: World, seed: int) -> None:
    chance = random.Random(seed)

    async def hook(_method: str, _collection: str, _done: bool) -> None:
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(0)

    store: StateStore = HookedStore(world.records.store, hook)  # type: ignore[assignment]
    racers = [world.another(store) for _ in range(3)]
    request = await world.requested(a_graph([[1, 2, 3, 4], [5], [5], [6], [6], [7], [7], []]))
    await asyncio.gather(*(racer.requested([request]) for racer in racers))
    for _ in range(12):
        news = await world.work(FLAKY if chance.random() < 0.3 else None)
        kind = chance.choice([PAUSE, RESUME, RESUME, RETRY])
        wish = await world.asked(kind, chance.randrange(1, 7) if kind is RETRY else None)
        await asyncio.gather(
            *(racer.ended([one]) for racer in racers for one in chance.sample(news, len(news))),
            *(racer.requested([wish]) for racer in racers),
            *(racer.sweep(10) for racer in racers),
        )
        world.clock.advance(timedelta(seconds=chance.randrange(4)))
        run = await world.run()
        queued = {node for node, task in (await world.tasks()).items() if task.state is TaskState.QUEUED}
        assert run.state is not RunState.PAUSED or not queued, "a paused run's task can be claimed"
    await world.obeys(RESUME)
    await world.sweeps_to_the_end(world.orchestrator)
    tasks = await world.records.tasks.find({}, limit=1000)
    assert all(task.state.final for task in tasks)
    assert (await world.run()).state in (RunState.SUCCEEDED, RunState.FAILED)
