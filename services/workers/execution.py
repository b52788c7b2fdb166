"""One attempt, from claim to completion."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import structlog

from services.workers.beside import find_beside
from services.workers.early import EarlyOutputs
from services.workers.leftovers import Leftovers
from services.workers.logbook import Logbook
from services.workers.nodes.base import NodeKind, NodeOutcome, OutputFile
from services.workers.nodes.errors import UnknownKind
from services.workers.nodes.registry import kind_of
from services.workers.outputs import LeaseLost, Outputs, Written
from services.workers.patience import patiently
from services.workers.scratch import Scratch, ScratchFull, is_full
from services.workers.source_cache import SourceCache
from services.workers.stopwatch import Stopwatch
from shared.concurrency import run_to_end
from shared.faults import fault_point
from shared.model.failure import ErrCode, InternalError, InvalidInput, NodeError, SourceFileError
from shared.model.task import NodeResult, Task
from shared.ports.objects import (
    ObjectAccessDenied,
    ObjectChanged,
    ObjectError,
    ObjectNotFound,
    ObjectStore,
    ObjectsUnavailable,
)
from shared.state.records import Records
from shared.state.task_queue import TaskQueue

log = structlog.get_logger(__name__)
T = TypeVar("T")


@dataclass
class _Context:
    """`NodeContext` of one attempt."""

    task: Task
    folder: Callable[[], Path]
    fetch: Callable[[], Awaitable[Path]]
    fetch_other: Callable[[str, str, int], Awaitable[Path]]
    early: EarlyOutputs
    progress: float = 0.0

    @property
    def scratch(self) -> Path:
        return self.folder()

    async def fetch_source(self) -> Path:
        return await self.fetch()

    async def fetch_object(self, bucket: str, key: str, limit_bytes: int) -> Path:
        return await self.fetch_other(bucket, key, limit_bytes)

    def report_progress(self, percent: float) -> None:
        # 100 is for the end: outputs are still to be uploaded.
        self.progress = max(self.progress, min(percent, 99.0))

    def publish_early(self, file: OutputFile) -> None:
        self.early.offer(file)


class Execution:
    """Runs tasks that this worker holds. Guarantees (G2): outputs are registered before they are written and carry the
    run's id; a completion is taken only from the present holder; nothing is left in scratch."""

    def __init__(
        self,
        records: Records,
        queue: TaskQueue,
        objects: ObjectStore,
        kinds: Mapping[str, NodeKind],
        scratch: Scratch,
        cache: SourceCache,
        *,
        owner: str,
        storage_patience_s: float,
    ) -> None:
        self._records = records
        self._queue = queue
        self._objects = objects
        self._kinds = kinds
        self._scratch = scratch
        self._cache = cache
        self._owner = owner
        self._outputs = Outputs(records, queue, objects, owner=owner, patience_s=storage_patience_s)
        self._leftovers = Leftovers(records, objects)
        self._patience_s = storage_patience_s

    async def run(self, task: Task, on_progress: Callable[[int], None]) -> Task | None:
        """Does the work and writes the end of the task. None if it was not ours any more: then nothing was written.

        Cancelling it stops all that was started and writes nothing.
        """
        written = Written()
        try:
            result = await self._result(task, on_progress, written)
        except asyncio.CancelledError:
            await run_to_end(self._leftovers.remove(task, written.places))
            raise
        except LeaseLost:
            log.warning("lease lost", task=task.id)
            await self._leftovers.remove(task, written.places)
            return None
        except NodeError as error:
            return await self._failed(task, error, written)
        except OSError as error:
            reason = f"local file error: {error.strerror or type(error).__name__}"
            return await self._failed(task, ScratchFull() if is_full(error) else InternalError(reason), written)
        except Exception as error:
            # Boundary: a fault in a node kind must not end the worker.
            log.exception("node kind failed", task=task.id, kind=task.kind)
            reason = f"unexpected {type(error).__name__} in {task.kind}"
            return await self._failed(task, InternalError(reason), written)
        fault_point("worker.before_complete")
        done = await patiently(lambda: self._queue.succeed(task.id, self._owner, task.fence, result))
        fault_point("worker.after_complete")
        if done is None:
            await self._leftovers.remove(task, written.places)
        return done

    async def _failed(self, task: Task, error: NodeError, written: Written) -> Task | None:
        if isinstance(error, ScratchFull):
            # What later nodes might read again is worth less than their attempts.
            await self._cache.drop_unused()
        done = await patiently(lambda: self._queue.fail(task.id, self._owner, task.fence, error.failure))
        await self._leftovers.remove(task, written.places)
        return done

    async def _result(self, task: Task, on_progress: Callable[[int], None], written: Written) -> NodeResult:
        try:
            kind = kind_of(self._kinds, task.kind)
        except UnknownKind as error:
            raise InvalidInput(f"this worker knows no node kind {error.name!r}") from error
        logbook = Logbook(self._records, task, self._scratch.root)
        logbook.open()
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(logbook.close)
            folder = await stack.enter_async_context(self._scratch.wanted_folder())

            async def fetch() -> Path:
                return await self._read(lambda: stack.enter_async_context(self._cache.local(task.source)))

            async def fetch_other(bucket: str, key: str, limit_bytes: int) -> Path:
                found = await find_beside(
                    self._objects, bucket, key, limit_bytes=limit_bytes, patience_s=self._patience_s
                )
                return await self._read(lambda: stack.enter_async_context(self._cache.local(found)))

            early = EarlyOutputs(self._outputs, task, written)
            context = _Context(task, folder, fetch, fetch_other, early)
            outcome = await self._work(kind, context, on_progress, logbook)
            fault_point("worker.after_execute")
            return await self._outputs.store(task, outcome, written)

    async def _work(
        self, kind: NodeKind, context: _Context, on_progress: Callable[[int], None], logbook: Logbook
    ) -> NodeOutcome:
        """The node at work, and what it has finished on its way into the storage; if one fails, both end."""
        working = asyncio.ensure_future(kind.execute(context))
        writing = asyncio.ensure_future(context.early.write())
        watch = Stopwatch(context.task)
        try:
            while not working.done():
                waited_for = {working} if writing.done() else {working, writing}
                await asyncio.wait(waited_for, timeout=0.25, return_when=asyncio.FIRST_COMPLETED)
                on_progress(int(context.progress))
                await logbook.keep()
                if writing.done():
                    writing.result()
                if not working.done():
                    watch.check(context.progress)
            outcome = working.result()
            context.early.close()
            await asyncio.wait({writing})
            writing.result()
        finally:
            for one in (working, writing):
                one.cancel()
            # However often we are cancelled: as long as its child lives, the slot is not free.
            await run_to_end(asyncio.gather(working, writing, return_exceptions=True))
        return outcome

    async def _read(self, call: Callable[[], Awaitable[T]]) -> T:
        """Reads the source: waits while the storage is away, turns what cannot be mended into a node's failure."""
        try:
            return await patiently(call, self._patience_s)
        except (ObjectNotFound, ObjectChanged) as error:
            text = "was overwritten" if isinstance(error, ObjectChanged) else "does not exist any more"
            raise SourceFileError(f"{error.bucket}/{error.key} {text}", ErrCode.SOURCE_CHANGED) from error
        except ObjectAccessDenied as error:
            raise NodeError(f"the storage denies access to {error.bucket}/{error.key}", ErrCode.INTERNAL) from error
        except ObjectsUnavailable as error:
            raise InternalError("the object storage is unavailable") from error
        except ObjectError as error:
            raise NodeError(f"the storage refuses the source: {error}", ErrCode.INTERNAL) from error
