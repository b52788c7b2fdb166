"""The shell around `advance` over the memory store: a world with workers, and ways for a scheduler to die."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from services.scheduler.orchestrator import Orchestrator
from shared.clock import ManualClock
from shared.messages.messages import RunChanged, RunRequested, TaskEnded
from shared.messages.topics import Topics
from shared.model.commands import refusal
from shared.model.failure import ErrCode, Failure
from shared.model.pipeline import Node
from shared.model.run import Command, CommandKind, Run, RunState
from shared.model.task import Lane, NodeResult, Task, TaskState
from shared.ports.publisher import Outgoing
from shared.ports.state import StateStore
from shared.state.records import Records
from shared.state.task_queue import Holder, TaskQueue
from tests.builders import T0, a_run
from tests.unit.shared.fakes import RecordingPublisher, memory_records

HOLDER = Holder("w", "w/1")
LEASE = timedelta(seconds=30)
FLAKY = Failure(code=ErrCode.INTERNAL, message="storage", retryable=True)


class World:
    """A store, a bus, a worker that does whatever is queued, and as many orchestrators as wanted."""

    def __init__(self) -> None:
        self.clock = ManualClock(T0)
        self.records = memory_records(self.clock)
        self.queue = TaskQueue(self.records, LEASE)
        self.publisher = RecordingPublisher()
        self.orchestrator = self.another()

    def another(self, store: StateStore | None = None, publisher: RecordingPublisher | None = None) -> Orchestrator:
        records = Records(store) if store is not None else self.records
        return Orchestrator(records, TaskQueue(records, LEASE), publisher or self.publisher, Topics())

    async def requested(self, nodes: tuple[Node, ...] | None = None, run_id: str = "run-1") -> RunRequested:
        await self.records.runs.insert(a_run(nodes, run_id=run_id, now=self.clock.now()))
        return RunRequested(run_id=run_id)

    async def begun(self, nodes: tuple[Node, ...] | None = None) -> None:
        await self.orchestrator.requested([await self.requested(nodes)])

    async def asked(self, kind: CommandKind, node: int | None = None, run_id: str = "run-1") -> RunRequested:
        """Somebody writes a command into the run, if it fits."""

        def step(run: Run) -> Run | None:
            if refusal(run, kind, node) is not None:
                return None
            command = Command(kind=kind, node=node, at=self.clock.now())
            return run.with_changes(commands=(*run.commands, command), due_at=self.clock.now())

        await self.records.runs.change(run_id, step)
        return RunRequested(run_id=run_id)

    async def obeys(self, kind: CommandKind, node: int | None = None) -> Run:
        """A command is written and taken in."""
        await self.orchestrator.requested([await self.asked(kind, node)])
        return await self.run()

    async def run(self, run_id: str = "run-1") -> Run:
        found = await self.records.runs.get(run_id)
        assert found is not None
        return found

    async def tasks(self) -> dict[int, Task]:
        """The tasks by node; of several attempts one."""
        return {task.node: task for task in await self.records.tasks.find({}, limit=1000)}

    async def work(self, failure: Failure | None = None) -> list[TaskEnded]:
        """Does every queued task; returns the news of it."""
        news = []
        for lane in Lane:
            for task in await self.queue.claim_next(lane, HOLDER, 1000):
                if failure is None:
                    done = await self.queue.succeed(task.id, HOLDER.owner, task.fence, NodeResult())
                else:
                    done = await self.queue.fail(task.id, HOLDER.owner, task.fence, failure)
                assert done is not None
                news.append(TaskEnded(task_id=done.id, run_id=done.run_id, state=done.state))
        return news

    async def sweeps_to_the_end(self, orchestrator: Orchestrator, *, seconds: int = 120) -> None:
        """Nobody tells anything from here on: timers alone must bring the run to its end."""
        for _ in range(seconds):
            await orchestrator.take_back_leases()
            await orchestrator.sweep(100)
            await self.work()
            self.clock.advance(timedelta(seconds=1))
            run = await self.run()
            if run.state.final and not run.outbox:
                return
        raise AssertionError(f"the run does not end: {run.state}, due {run.due_at}, {[n.state for n in run.node_runs]}")


async def assert_complete(world: World, *publishers: RecordingPublisher) -> None:
    """The run has succeeded, every entry of its history was published, every node was queued exactly once."""
    run = await world.run()
    assert (run.state, run.outbox, run.due_at) == (RunState.SUCCEEDED, (), None)
    assert [event.sequence for event in run.history] == list(range(1, len(run.history) + 1))
    sent = {message.event.sequence: message.event for one in publishers for message in one.of(RunChanged)}
    assert [sent.get(event.sequence) for event in run.history] == list(run.history)
    tasks = await world.records.tasks.find({}, limit=1000)
    assert Counter(task.node for task in tasks) == Counter(range(len(run.nodes) - 1))
    assert {task.attempt for task in tasks} == {1}
    assert {task.state for task in tasks} == {TaskState.SUCCEEDED}


class Killed(BaseException):
    """The process ends here; nothing in it may run on."""


class Mortal:
    """Counts the points at which a process may die, before and after each effect, and dies at one of them."""

    def __init__(self, at: int | None = None) -> None:
        self.at = at
        self.passed = 0

    def point(self) -> None:
        if self.at is not None and self.passed >= self.at:
            raise Killed
        self.passed += 1

    async def hook(self, _method: str, _collection: str, _done: bool) -> None:
        self.point()


class MortalPublisher(RecordingPublisher):
    def __init__(self, mortal: Mortal) -> None:
        super().__init__()
        self.mortal = mortal

    async def publish(self, *outgoing: Outgoing) -> None:
        self.mortal.point()
        await super().publish(*outgoing)
        self.mortal.point()
