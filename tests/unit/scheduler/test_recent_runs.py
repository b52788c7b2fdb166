"""What a scheduler remembers of runs saves reads, and never decides anything."""

from __future__ import annotations

from services.scheduler.recent_runs import MOST_NODES, MOST_OF_ONE, RecentRuns
from shared.model.pipeline import Node
from shared.model.run import CommandKind, RunState
from tests.builders import a_chain, a_diamond, a_run
from tests.unit.scheduler.world import World, assert_complete


async def test_two_schedulers_with_memories_take_turns_and_the_run_ends() -> None:
    world = World()
    other = world.another()
    await world.begun(a_diamond())
    turn = 0
    while news := await world.work():
        for message in news:
            turn += 1
            await (world.orchestrator if turn % 2 else other).ended([message])
    await assert_complete(world, world.publisher)


async def test_news_that_means_nothing_to_what_is_remembered_is_looked_at_again() -> None:
    world = World()
    stale, other = world.orchestrator, world.another()
    await world.begun(a_chain())
    first = await world.work()
    await other.ended(first)
    second = await world.work()
    # What `stale` remembers has not even queued this node.
    await stale.ended(second)
    assert (await world.run()).node_runs[1].state.final


async def test_what_is_remembered_is_what_is_stored() -> None:
    world = World()
    await world.begun(a_diamond())
    await world.orchestrator.ended(await world.work())
    [remembered] = world.orchestrator._recent.take(["run-1"]).values()
    assert remembered == await world.run()


async def test_a_command_is_obeyed_though_the_run_is_remembered_without_it() -> None:
    world = World()
    await world.begun(a_chain())
    assert (await world.obeys(CommandKind.CANCEL)).state is RunState.CANCELLED


def test_memory_is_bounded_by_nodes_and_holds_no_final_or_huge_runs() -> None:
    recent = RecentRuns()
    nodes = (Node(kind="noop"),) * MOST_OF_ONE
    runs = [a_run(nodes, run_id=f"run-{number}") for number in range(MOST_NODES // MOST_OF_ONE + 1)]
    recent.keep(runs)
    assert set(recent.take([run.id for run in runs])) == {run.id for run in runs[1:]}
    huge = a_run((*nodes, Node(kind="noop")), run_id="huge")
    recent.keep([huge, runs[0].with_changes(state=RunState.FAILED)])
    assert recent.take(["huge", "run-0"]) == {}
