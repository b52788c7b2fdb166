"""A node kind written by hand, and a worker's surroundings in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

from services.workers.execution import Execution
from services.workers.nodes.base import NodeContext, NodeOutcome, OutputFile, UploadOrder
from services.workers.scratch import Scratch
from services.workers.settings import WorkerSettings
from services.workers.source_cache import SourceCache
from services.workers.worker import Worker
from shared.clock import ManualClock
from shared.messages.topics import Topics
from shared.model.kinds import NOOP
from shared.model.task import Lane, Task
from shared.mps.base import MpsModel
from shared.ports.state import StateStore
from shared.state.records import Records
from shared.state.task_queue import Holder, TaskQueue
from tests.builders import BUCKET, REGION, T0
from tests.unit.shared.fakes import FakeObjects, RecordingPublisher, memory_records

Behaviour = Callable[[NodeContext], Awaitable[NodeOutcome]]
HOLDER = Holder("w", "w/1")


async def nothing(_: NodeContext) -> NodeOutcome:
    return NodeOutcome()


class FakeKind:
    """Does what the test says; knows what ran, how many at once at most, and what was cancelled."""

    name: ClassVar[str] = NOOP
    lane: ClassVar[Lane] = Lane.LIGHT
    params: ClassVar[type[MpsModel]] = MpsModel

    def __init__(self, behaviour: Behaviour = nothing) -> None:
        self.behaviour = behaviour
        self.started: list[str] = []
        self.cancelled: list[str] = []
        self.running = 0
        self.most = 0

    async def execute(self, context: NodeContext) -> NodeOutcome:
        self.started.append(context.task.id)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            return await self.behaviour(context)
        except asyncio.CancelledError:
            self.cancelled.append(context.task.id)
            raise
        finally:
            self.running -= 1


def an_output(
    context: NodeContext, name: str, body: bytes = b"made", order: UploadOrder = UploadOrder.DATA
) -> OutputFile:
    """A file in scratch and where it goes."""
    path: Path = context.scratch / name
    path.write_bytes(body)
    return OutputFile(path, BUCKET, REGION, f"out/{name}", "application/octet-stream", order)


class Bench:
    """Everything around a worker, in memory; the store's clock stands still until it is moved."""

    def __init__(self, folder: Path, behaviour: Behaviour = nothing, store: StateStore | None = None) -> None:
        self.folder = folder
        self.clock = ManualClock(T0)
        self.records = Records(store) if store is not None else memory_records(self.clock)
        self.queue = TaskQueue(self.records, timedelta(seconds=30))
        self.objects = FakeObjects(self.clock)
        self.publisher = RecordingPublisher()
        self.kind = FakeKind(behaviour)
        self.scratch = Scratch.open(folder, "w")
        self.cache = SourceCache(self.objects, self.scratch.sources, 1_000_000)
        self.execution = self.an_execution()

    def an_execution(self, records: Records | None = None, patience_s: float = 0.0) -> Execution:
        found = records or self.records
        return Execution(
            found,
            TaskQueue(found, timedelta(seconds=30)),
            self.objects,
            {NOOP: self.kind},
            self.scratch,
            self.cache,
            owner=HOLDER.owner,
            storage_patience_s=patience_s,
        )

    def a_worker(self, **settings: float | str) -> Worker:
        given: dict[str, float | str] = {
            "light_slots": 4,
            "media_slots": 0,
            "poll_s": 0.05,
            "progress_s": 0.005,
            "heartbeat_s": 0.01,
            "grace_s": 5,
            "worker_name": "w",
        }
        return Worker(
            self.queue,
            self.execution,
            self.publisher,
            Topics(),
            HOLDER,
            WorkerSettings(**(given | settings)),  # type: ignore[arg-type]
        )

    async def claimed(self, task: Task) -> Task:
        await self.queue.enqueue([task])
        found = await self.queue.claim(task.id, HOLDER)
        assert found is not None
        return found

    async def stored(self, task: Task) -> Task:
        found = await self.records.tasks.get(task.id)
        assert found is not None
        return found

    def left_in_scratch(self) -> list[str]:
        """What attempts have left behind."""
        return sorted(path.name for path in (self.folder / "w").iterdir() if path.name != "sources")
