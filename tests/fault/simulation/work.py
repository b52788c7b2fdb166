"""What the nodes do here: they take time, make objects or none, fail in every way, hang, or take their worker along."""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

from services.workers.nodes.base import NodeContext, NodeOutcome, OutputFile, UploadOrder
from services.workers.outputs import Stamp
from shared.model.failure import InternalError, SourceFileError
from shared.model.kinds import PROBE, traits
from shared.model.task import Lane, MediaObject, Task
from shared.mps.base import MpsModel

if TYPE_CHECKING:
    from tests.fault.simulation.process import Process
    from tests.fault.simulation.world import World

KINDS = ("noop", "transcode", "snapshot_by_time", "sample_snapshot")
"""The kinds that random graphs are made of."""


@dataclass(slots=True)
class Execution:
    """One time that somebody worked on a task: an effect on the world."""

    number: int
    task_id: str
    run_id: str
    node: int
    fence: int
    lane: str
    worker: str
    ended: bool = False


class SimulatedKind:
    """Stands in for every kind of one name."""

    params: ClassVar[type[MpsModel]] = MpsModel

    def __init__(self, name: str, world: World) -> None:
        self.name = name
        self.lane: Lane = traits(name).lane
        self._world = world

    async def execute(self, context: NodeContext) -> NodeOutcome:
        """One attempt, as luck has it."""
        loop: Any = asyncio.get_running_loop()
        execution = self._world.began(context.task, loop.owner)
        try:
            return await self._work(context, execution, loop.owner)
        finally:
            execution.ended = True

    async def _work(self, context: NodeContext, execution: Execution, process: Process) -> NodeOutcome:
        world = self._world
        rng = world.rng
        trouble = ""
        if world.work_fails():
            trouble = rng.choice(("again", "again", "disk", "fault", "never", "never", "hang", "worker dies", "long"))
        world.trace.add("works", f"{context.task.id} fence {execution.fence} {trouble}")
        if rng.random() < 0.3:
            await context.fetch_source()
        files = self._files(context.task, execution)
        for file in files:
            if file.order is UploadOrder.DATA and rng.random() < 0.5:
                context.publish_early(file)
        await self._take_time(context, rng, trouble)
        match trouble:
            case "again":
                raise InternalError("told to fail")
            case "disk":
                raise OSError(errno.ENOSPC, "told to fail")
            case "fault":
                raise RuntimeError("told to fail")
            case "never":
                raise SourceFileError("told to fail")
            case "worker dies" if process.may_die():
                process.die()
                await asyncio.sleep(0)
        return self._made(context.task, execution, files)

    async def _take_time(self, context: NodeContext, rng: Random, trouble: str) -> None:
        if trouble == "hang":
            # Whoever has no short limit of its own would hang for half an hour.
            await asyncio.sleep(100_000 if (context.task.stalled_s or 1000) < 100 else 60)
        slow = trouble == "long" or (self._world.slow_work > 0 and rng.random() < self._world.slow_work)
        seconds = rng.uniform(5, 40) if slow else rng.choice((0.0, 0.0, 0.3, 1.0, 3.0)) * rng.random()
        if seconds == 0.0:
            return
        steps = rng.randint(1, 4)
        for step in range(steps):
            await asyncio.sleep(seconds / steps)
            context.report_progress(100 * (step + 1) / steps)

    def _files(self, task: Task, execution: Execution) -> tuple[OutputFile, ...]:
        counts = {PROBE: 0, "noop": 0, "transcode": 1, "snapshot_by_time": 2, "sample_snapshot": 1}
        # The output's name is the node's alone: what lies there tells whose last word it was.
        stem = f"{task.target.dir.lstrip('/')}{task.run_id[-12:]}-{task.node}"
        return tuple(
            OutputFile(
                path=Path(f"execution-{execution.number}-{number}"),
                bucket=task.target.bucket,
                region=task.target.region,
                key=f"{stem}-{number}.mp4",
                content_type="video/mp4",
                order=UploadOrder.MANIFEST if number else UploadOrder.DATA,
            )
            for number in range(counts[self.name])
        )

    def _made(self, task: Task, execution: Execution, files: tuple[OutputFile, ...]) -> NodeOutcome:
        if self.name == PROBE:
            metadata = {"Size": task.source.size, "Width": 1280, "Height": 720, "Duration": 10.5}
            return NodeOutcome(payload={"execution": execution.number}, metadata=metadata)
        return NodeOutcome(
            files=files, media=0 if self.name == "transcode" else None, payload={"execution": execution.number}
        )


def unchanged(_: OutputFile) -> Stamp:
    """Stands in for `Stamp.of`: there are no files, and so none that changes."""
    return Stamp(0, 0)


class SimulatedScratch:
    """Stands in for `Scratch`: the process is its worker's only one, and nothing is on a disk."""

    def __init__(self, worker: str) -> None:
        self.worker = worker

    @property
    def root(self) -> Path:
        """A folder that does not exist."""
        return Path("scratch")

    @property
    def sources(self) -> Path:
        """A folder that does not exist either."""
        return Path("sources")

    @classmethod
    def open(cls, _base: Path, name: str) -> SimulatedScratch:
        """The place of this name: its former holder is dead, or this process would not run."""
        return cls(name)

    @contextlib.asynccontextmanager
    async def folder(self) -> AsyncIterator[Path]:
        """A folder that does not exist."""
        yield Path("scratch")

    @contextlib.asynccontextmanager
    async def wanted_folder(self) -> AsyncIterator[Callable[[], Path]]:
        """The same."""
        yield lambda: Path("scratch")

    def close(self) -> None:
        """Nothing is left."""


class SimulatedCache:
    """Stands in for `SourceCache`: asks the storage each time, keeps nothing."""

    def __init__(self, objects: Any, _folder: Path, _limit_bytes: int) -> None:
        self._objects = objects

    @contextlib.asynccontextmanager
    async def local(self, source: MediaObject) -> AsyncIterator[Path]:
        """The pinned object."""
        await self._objects.download(source.bucket, source.key, Path("source"), etag=source.etag)
        yield Path("source")

    async def drop_unused(self) -> int:
        """There is never anything to drop."""
        return 0


def kinds_maker(world: Callable[[], World]) -> Callable[..., dict[str, SimulatedKind]]:
    """What is called instead of `node_kinds`."""
    return lambda *_: {name: SimulatedKind(name, world()) for name in (PROBE, *KINDS)}
