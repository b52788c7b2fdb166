"""The shell around `advance`, over the memory store: what is published, what is made good when it was lost."""

from __future__ import annotations

from datetime import timedelta

from services.scheduler.domain.tasks import OUTBOX_PATIENCE, WATCH_MIN
from shared.messages.messages import RunChanged, RunRequested, TaskEnded, TaskReady
from shared.model.run import NodeState, RunState
from shared.model.task import TaskState
from shared.ports.publisher import Outgoing
from shared.state.task_queue import MAX_LOST
from tests.builders import T0, a_chain, a_diamond
from tests.unit.scheduler.world import FLAKY, HOLDER, LEASE, World, assert_complete

# -- the straight way ---------------------------------------------------------------------------------------------


async def test_request_queues_the_first_task_and_tells(world: World) -> None:
    await world.begun()
    run = await world.run()
    assert (run.state, run.outbox, run.due_at) == (RunState.RUNNING, (), T0 + WATCH_MIN)
    assert sorted(item.topic for item in world.publisher.sent) == ["reelway.run-events.v1", "reelway.tasks.light.v1"]
    [doorbell] = world.publisher.of(TaskReady)
    assert doorbell.task_id == "run-1:0.0:1"
    assert (await world.tasks())[0].state is TaskState.QUEUED


async def test_run_ends_by_news_alone(world: World) -> None:
    await world.begun(a_diamond())
    while news := await world.work():
        await world.orchestrator.ended(news)
    await assert_complete(world, world.publisher)
    sequences = [message.event.sequence for message in world.publisher.of(RunChanged)]
    assert sequences == sorted(sequences)
    assert await world.orchestrator.sweep(10) == 0


async def test_repeated_news_changes_nothing(world: World) -> None:
    await world.begun(a_diamond())
    news = await world.work()
    for _ in range(3):
        await world.orchestrator.requested([RunRequested(run_id="run-1")])
        await world.orchestrator.ended([*news, *news])
    version = (await world.run()).version
    await world.orchestrator.ended(news)
    assert (await world.run()).version == version
    assert len(await world.tasks()) == 4
    assert len(world.publisher.of(TaskReady)) == 4


async def test_batch_of_many_runs_moves_each_on_its_own(world: World) -> None:
    requests = [await world.requested(run_id=f"run-{number}") for number in range(30)]
    await world.orchestrator.requested(requests)
    while news := await world.work():
        await world.orchestrator.ended(news)
    assert await world.records.runs.count({"state": "succeeded"}) == 30


async def test_news_of_unknown_runs_and_tasks_is_left_alone(world: World) -> None:
    await world.begun()
    await world.orchestrator.requested([RunRequested(run_id="nobody")])
    await world.orchestrator.ended([TaskEnded(task_id="nobody:0.0:1", run_id="nobody", state=TaskState.SUCCEEDED)])
    assert await world.records.runs.count({}) == 1


async def test_news_of_an_end_that_is_not_written_is_not_believed(world: World) -> None:
    await world.begun()
    await world.orchestrator.ended([TaskEnded(task_id="run-1:0.0:1", run_id="run-1", state=TaskState.SUCCEEDED)])
    assert (await world.run()).node_runs[0].state is NodeState.QUEUED


# -- what is lost is made good ------------------------------------------------------------------------------------


async def test_lost_run_request_is_made_good_by_the_sweep(world: World) -> None:
    await world.requested()
    assert await world.orchestrator.sweep(10) == 1
    assert (await world.run()).state is RunState.RUNNING
    assert await world.orchestrator.sweep(10) == 0


async def test_lost_task_end_is_made_good_by_the_sweep(world: World) -> None:
    await world.begun()
    await world.work()
    world.clock.advance(WATCH_MIN - timedelta(milliseconds=1))
    assert await world.orchestrator.sweep(10) == 0
    world.clock.advance(timedelta(milliseconds=1))
    assert await world.orchestrator.sweep(10) == 1
    assert (await world.run()).node_runs[1].state is NodeState.QUEUED


async def test_run_ends_though_every_message_is_lost(world: World) -> None:
    world.publisher.lossy = True
    await world.requested(a_diamond())
    await world.sweeps_to_the_end(world.orchestrator)
    world.publisher.sent = [
        Outgoing(
            "x", RunChanged(run_id="", tenant="", pipeline_id="", pipeline_name="", bucket="", key="", event=event)
        )
        for event in (await world.run()).history
    ]
    await assert_complete(world, world.publisher)


async def test_outbox_is_kept_while_the_bus_is_away_and_sent_by_the_sweep(world: World) -> None:
    world.publisher.down = True
    await world.begun()
    run = await world.run()
    assert [entry.kind for entry in run.outbox] == ["event", "task"]
    assert run.due_at == T0 + OUTBOX_PATIENCE
    assert (await world.tasks())[0].state is TaskState.QUEUED, "the task is there though nobody rang"
    world.clock.advance(OUTBOX_PATIENCE)
    assert await world.orchestrator.sweep(10) == 1
    assert (await world.run()).due_at == world.clock.now() + OUTBOX_PATIENCE, "a sweep must not spin"
    assert await world.orchestrator.sweep(10) == 0
    world.publisher.down = False
    world.clock.advance(OUTBOX_PATIENCE)
    await world.orchestrator.sweep(10)
    assert (await world.run()).outbox == ()
    assert [message.event.sequence for message in world.publisher.of(RunChanged)] == [1]
    assert len(world.publisher.of(TaskReady)) == 1


async def test_run_goes_on_while_the_bus_is_away_and_all_its_history_is_told_in_order(world: World) -> None:
    world.publisher.down = True
    await world.begun(a_diamond())
    while news := await world.work():
        await world.orchestrator.ended(news)
    run = await world.run()
    assert (run.state, len([entry for entry in run.outbox if entry.event])) == (RunState.SUCCEEDED, len(run.history))
    assert run.due_at is not None
    world.publisher.down = False
    world.clock.advance(OUTBOX_PATIENCE)
    await world.orchestrator.sweep(10)
    await assert_complete(world, world.publisher)
    sequences = [message.event.sequence for message in world.publisher.of(RunChanged)]
    assert sequences == sorted(sequences)


async def test_due_retry_is_queued_by_the_sweep(world: World) -> None:
    await world.begun()
    await world.orchestrator.ended(await world.work())
    await world.orchestrator.ended(await world.work(FLAKY))
    node = (await world.run()).node_runs[1]
    assert node.state is NodeState.WAITING
    assert node.due_at is not None
    world.clock.advance(node.due_at - world.clock.now())
    assert await world.orchestrator.sweep(10) == 1
    assert (await world.tasks())[1].attempt == 2
    await world.orchestrator.ended(await world.work())
    assert (await world.run()).state is RunState.SUCCEEDED


async def test_sweep_takes_no_more_than_its_batch_and_the_longest_due_first(world: World) -> None:
    for number in range(5):
        await world.requested(run_id=f"run-{number}")
        world.clock.advance(timedelta(seconds=1))
    assert await world.orchestrator.sweep(2) == 2
    running = await world.records.runs.find({"state": "running"})
    assert sorted(run.id for run in running) == ["run-0", "run-1"]


async def test_task_of_a_dead_worker_is_rung_for_again(world: World) -> None:
    await world.begun()
    await world.queue.claim("run-1:0.0:1", HOLDER)
    assert await world.orchestrator.take_back_leases() == 0
    world.clock.advance(LEASE)
    world.publisher.take()
    assert await world.orchestrator.take_back_leases() == 1
    assert [message.task_id for message in world.publisher.of(TaskReady)] == ["run-1:0.0:1"]
    assert (await world.tasks())[0].state is TaskState.QUEUED


async def test_task_that_kills_its_workers_fails_its_node(world: World) -> None:
    await world.begun()
    for _ in range(MAX_LOST):
        await world.queue.claim("run-1:0.0:1", HOLDER)
        world.clock.advance(LEASE)
        await world.orchestrator.take_back_leases()
    run = await world.run()
    assert (run.state, run.node_runs[0].state) == (RunState.FAILED, NodeState.FAILED)


async def test_chain_of_many_nodes_ends(world: World) -> None:
    await world.begun(a_chain(40))
    while news := await world.work():
        await world.orchestrator.ended(news)
    await assert_complete(world, world.publisher)


async def test_task_that_is_gone_from_the_store_is_derived_again(world: World) -> None:
    await world.begun()
    (task,) = (await world.tasks()).values()
    assert await world.records.tasks.delete(task)
    world.clock.advance(timedelta(minutes=1))
    await world.orchestrator.sweep(100)
    assert list(await world.tasks()) == [task.node]
    assert await world.queue.claim(task.id, HOLDER) is not None
