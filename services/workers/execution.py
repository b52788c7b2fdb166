"""One attempt, from claim to completion."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import structlog
from tenacity import AsyncRetrying, retry_if_exception, stop_after_delay, wait_exponential_jitter

from services.workers.leftovers import Leftovers
from services.workers.nodes.base import NodeKind, NodeOutcome, OutputFile, UploadOrder
from services.workers.nodes.errors import UnknownKind
from services.workers.nodes.registry import kind_of
from services.workers.scratch import Scratch, ScratchFull, is_full
from services.workers.source_cache import SourceCache
from services.workers.stopwatch import Stopwatch
from shared.concurrency import run_to_end
from shared.errors import ReelwayError
from shared.faults import fault_point
from shared.model.failure import ErrCode, InternalError, InvalidInput, NodeError, SourceFileError
from shared.model.task import MediaObject, NodeResult, Task
from shared.model.upload import PLACE_METADATA, RUN_METADATA, OutputRecord, output_id, place
from shared.ports.objects import (
    ObjectAccessDenied,
    ObjectChanged,
    ObjectError,
    ObjectInfo,
    ObjectNotFound,
    ObjectStore,
    ObjectsUnavailable,
)
from shared.state.records import Records
from shared.state.task_queue import TaskQueue

log = structlog.get_logger(__name__)
T = TypeVar("T")
UPLOADS_AT_ONCE = 4


class LeaseLost(Exception):
    """Somebody else has the task now; nothing more may be written for it."""


@dataclass
class _Context:
    """`NodeContext` of one attempt."""

    task: Task
    scratch: Path
    fetch: Callable[[], Awaitable[Path]]
    progress: float = 0.0

    async def fetch_source(self) -> Path:
        return await self.fetch()

    def report_progress(self, percent: float) -> None:
        # 100 is for the end: outputs are still to be uploaded.
        self.progress = max(self.progress, min(percent, 99.0))


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
        self._leftovers = Leftovers(records, objects)
        self._patience_s = storage_patience_s

    async def run(self, task: Task, on_progress: Callable[[int], None]) -> Task | None:
        """Does the work and writes the end of the task. None if it was not ours any more: then nothing was written.

        Cancelling it stops all that was started and writes nothing.
        """
        written: list[ObjectInfo] = []
        try:
            result = await self._result(task, on_progress, written)
        except asyncio.CancelledError:
            await run_to_end(self._leftovers.remove(task, written))
            raise
        except LeaseLost:
            log.warning("lease lost", task=task.id)
            await self._leftovers.remove(task, written)
            return None
        except NodeError as error:
            return await self._failed(task, error)
        except OSError as error:
            reason = f"local file error: {error.strerror or type(error).__name__}"
            return await self._failed(task, ScratchFull() if is_full(error) else InternalError(reason))
        except Exception as error:
            # Boundary: a fault in a node kind must not end the worker.
            log.exception("node kind failed", task=task.id, kind=task.kind)
            return await self._failed(task, InternalError(f"unexpected {type(error).__name__} in {task.kind}"))
        fault_point("worker.before_complete")
        done = await self._patiently(lambda: self._queue.succeed(task.id, self._owner, task.fence, result))
        fault_point("worker.after_complete")
        return done

    async def _failed(self, task: Task, error: NodeError) -> Task | None:
        if isinstance(error, ScratchFull):
            # What later nodes might read again is worth less than their attempts.
            await self._cache.drop_unused()
        return await self._patiently(lambda: self._queue.fail(task.id, self._owner, task.fence, error.failure))

    async def _result(self, task: Task, on_progress: Callable[[int], None], written: list[ObjectInfo]) -> NodeResult:
        try:
            kind = kind_of(self._kinds, task.kind)
        except UnknownKind as error:
            raise InvalidInput(f"this worker knows no node kind {error.name!r}") from error
        async with contextlib.AsyncExitStack() as stack:
            folder = await stack.enter_async_context(self._scratch.folder())

            async def fetch() -> Path:
                return await self._read(lambda: stack.enter_async_context(self._cache.local(task.source)))

            context = _Context(task, folder, fetch)
            working = asyncio.ensure_future(kind.execute(context))
            watch = Stopwatch(task)
            try:
                while not working.done():
                    await asyncio.wait({working}, timeout=0.25)
                    on_progress(int(context.progress))
                    if not working.done():
                        watch.check(context.progress)
            finally:
                if not working.done():
                    working.cancel()
                    # However often we are cancelled: as long as its child lives, the slot is not free.
                    await run_to_end(asyncio.wait({working}))
            outcome = working.result()
            fault_point("worker.after_execute")
            return await self._store(task, outcome, written)

    async def _read(self, call: Callable[[], Awaitable[T]]) -> T:
        """Reads the source: waits while the storage is away, turns what cannot be mended into a node's failure."""
        try:
            return await self._patiently(call, self._patience_s)
        except (ObjectNotFound, ObjectChanged) as error:
            text = "was overwritten" if isinstance(error, ObjectChanged) else "does not exist any more"
            raise SourceFileError(f"{error.bucket}/{error.key} {text}", ErrCode.SOURCE_CHANGED) from error
        except ObjectAccessDenied as error:
            raise NodeError(f"the storage denies access to {error.bucket}/{error.key}", ErrCode.INTERNAL) from error
        except ObjectsUnavailable as error:
            raise InternalError("the object storage is unavailable") from error
        except ObjectError as error:
            raise NodeError(f"the storage refuses the source: {error}", ErrCode.INTERNAL) from error

    async def _write(self, file: OutputFile, metadata: Mapping[str, str]) -> ObjectInfo:
        """Writes an output. The same as reading, but what is wrong here is the place that was asked for."""
        try:
            return await self._patiently(
                lambda: self._objects.upload(
                    file.path, file.bucket, file.key, content_type=file.content_type, metadata=metadata
                ),
                self._patience_s,
            )
        except (ObjectNotFound, ObjectChanged) as error:
            if isinstance(error, ObjectNotFound) and not await self._bucket_exists(file.bucket):
                raise InvalidInput(f"the output bucket {file.bucket} does not exist") from error
            text = f"the output {file.bucket}/{file.key} was removed or overwritten while it was written"
            raise InternalError(text) from error
        except ObjectAccessDenied as error:
            raise InvalidInput(f"the storage denies writing to the output bucket {file.bucket}") from error
        except ObjectsUnavailable as error:
            raise InternalError("the object storage is unavailable") from error
        except ObjectError as error:
            # Too long a name, for instance: the next attempt would be refused just the same.
            raise InvalidInput(f"the storage refuses the output: {error}") from error

    async def _bucket_exists(self, bucket: str) -> bool:
        """Whether there is such a bucket, as far as can be told."""
        try:
            return await self._patiently(lambda: self._objects.bucket_exists(bucket), self._patience_s)
        except (ObjectAccessDenied, ObjectsUnavailable):
            return True

    async def _patiently(self, call: Callable[[], Awaitable[T]], patience_s: float = float("inf")) -> T:
        """Repeats a call while what it needs is unavailable."""
        async for attempt in AsyncRetrying(
            retry=retry_if_exception(lambda error: isinstance(error, ReelwayError) and error.retryable),
            wait=wait_exponential_jitter(multiplier=0.2, max=5),
            stop=stop_after_delay(patience_s),
            before_sleep=lambda state: log.warning(
                "unavailable, waiting", error=str(state.outcome.exception()) if state.outcome else ""
            ),
            reraise=True,
        ):
            with attempt:
                return await call()
        raise AssertionError("unreachable: retrying ends in a result or an error")

    # -- outputs --------------------------------------------------------------------------------------------------

    async def _store(self, task: Task, outcome: NodeOutcome, infos: list[ObjectInfo]) -> NodeResult:
        """Registers and uploads the outputs, data before manifests. `infos` gets each as soon as it is written."""
        files = outcome.files
        if files:
            await self._check_lease(task)
            await self._check_input(task)
        await self._patiently(lambda: self._register(task, files))
        fault_point("worker.after_register")
        written: dict[int, ObjectInfo] = {}
        for order in UploadOrder:
            batch = [(index, file) for index, file in enumerate(files) if file.order is order]
            if not batch:
                continue
            await self._check_lease(task)
            written |= await self._upload(task, batch, infos)
            fault_point("worker.after_upload")
        await self._patiently(lambda: self._confirm(task, written.values()))
        objects = [_media_object(file, written[index]) for index, file in enumerate(files)]
        return NodeResult(
            outputs=tuple(objects),
            media=None if outcome.media is None else objects[outcome.media],
            echo=outcome.echo or {},
            payload=outcome.payload,
            metadata=outcome.metadata,
        )

    async def _check_lease(self, task: Task) -> None:
        """Raises LeaseLost for a zombie: it must neither overwrite what the present holder has written nor put its own
        name to those places."""
        if not await self._patiently(lambda: self._queue.holds(task.id, self._owner, task.fence)):
            raise LeaseLost

    async def _check_input(self, task: Task) -> None:
        """Raises SourceFileError if the run's input was overwritten meanwhile: the new object has a run of its own,
        whose outputs ours must not overwrite. An input that was deleted does not matter any more."""
        source = task.original
        if source.version_id is not None:
            return
        try:
            now = await self._patiently(lambda: self._objects.head(source.bucket, source.key), self._patience_s)
        except ObjectError:
            return
        if now.etag != source.etag:
            raise SourceFileError(
                f"{source.bucket}/{source.key} was overwritten while the run was at work", ErrCode.SOURCE_CHANGED
            )

    async def _register(self, task: Task, files: Sequence[OutputFile]) -> None:
        """Puts our name to the places of the outputs. Other runs' outputs may be overwritten; raises InvalidInput if a
        place belongs to another node of this run, for then the run would lose one of the two and not know it, and
        LeaseLost if a later claim of this node has put its name there."""
        wanted = [
            OutputRecord(
                id=output_id(file.bucket, file.key),
                bucket=file.bucket,
                key=file.key,
                run_id=task.run_id,
                node=task.node,
                attempt=task.attempt,
                fence=task.fence,
            )
            for file in files
        ]
        written = await self._records.outputs.insert_many(wanted)
        for record, new in zip(wanted, written, strict=True):

            def step(old: OutputRecord, record: OutputRecord = record) -> OutputRecord:
                if old.run_id == task.run_id and old.node != task.node:
                    raise InvalidInput(f"node {old.node} of the same run writes {old.bucket}/{old.key} as well")
                if old.run_id == task.run_id and (old.attempt, old.fence) > (task.attempt, task.fence):
                    raise LeaseLost
                # The etag of what lies there now stays known until it is overwritten.
                return record.with_changes(version=old.version, etag=old.etag)

            if not new:
                await self._records.outputs.change(record.id, step)

    async def _confirm(self, task: Task, infos: Iterable[ObjectInfo]) -> None:
        now = await self._records.now()
        for info in infos:

            def step(record: OutputRecord, info: ObjectInfo = info) -> OutputRecord | None:
                writer = (record.run_id, record.node, record.attempt, record.fence)
                if writer != (task.run_id, task.node, task.attempt, task.fence):
                    return None
                return record.with_changes(etag=info.etag, written_at=now)

            await self._records.outputs.change(output_id(info.bucket, info.key), step)

    async def _upload(
        self, task: Task, batch: Sequence[tuple[int, OutputFile]], infos: list[ObjectInfo]
    ) -> dict[int, ObjectInfo]:
        slots = asyncio.Semaphore(UPLOADS_AT_ONCE)

        async def one(index: int, file: OutputFile) -> tuple[int, ObjectInfo]:
            metadata = {RUN_METADATA: task.run_id, PLACE_METADATA: place(file.bucket, file.key)}
            async with slots:
                info = await self._write(file, metadata)
                infos.append(info)
                return index, info

        uploads = [asyncio.create_task(one(index, file)) for index, file in batch]
        try:
            # Not gather, which would hand each cancellation of ours on to uploads that are already ending.
            ended, _ = await asyncio.wait(uploads, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for upload in uploads:
                upload.cancel()
            await run_to_end(asyncio.gather(*uploads, return_exceptions=True))
        return dict(upload.result() for upload in ended)


def _media_object(file: OutputFile, info: ObjectInfo) -> MediaObject:
    return MediaObject(
        bucket=file.bucket,
        region=file.region,
        key=file.key,
        etag=info.etag,
        size=info.size,
        version_id=info.version_id,
        last_modified=info.last_modified,
    )
