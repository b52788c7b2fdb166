"""How the outputs of one attempt get into the storage: their places are registered, then they are uploaded, data before
manifests, then what lies there is confirmed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from services.workers.nodes.base import NodeOutcome, OutputFile, UploadOrder
from services.workers.patience import patiently
from shared.concurrency import a_few_at_once, run_to_end
from shared.faults import fault_point
from shared.model.failure import ErrCode, InternalError, InvalidInput, SourceFileError
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

AT_ONCE = 4
"""Uploads of one attempt."""


class LeaseLost(Exception):
    """Somebody else has the task now; nothing more may be written for it."""


@dataclass
class Written:
    """What an attempt has done to the storage so far: its places, by bucket and key, with the etag of what it has put
    there (None while that is under way), and the files that were written while the node was still at work, as they
    were then."""

    places: dict[tuple[str, str], str | None] = field(default_factory=dict)
    early: dict[OutputFile, tuple[Stamp, ObjectInfo]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stamp:
    """Tells whether a file was written to."""

    size: int
    modified_ns: int

    @classmethod
    def of(cls, file: OutputFile) -> Stamp:
        """Raises FileNotFoundError."""
        found = file.path.stat()
        return cls(found.st_size, found.st_mtime_ns)


class Outputs:
    """Writes the outputs of attempts of this worker. Guarantees (G2): a place is registered before it is written to, an
    object carries its run's id, and an attempt whose lease is lost writes nothing more."""

    def __init__(
        self, records: Records, queue: TaskQueue, objects: ObjectStore, *, owner: str, patience_s: float
    ) -> None:
        self._records = records
        self._queue = queue
        self._objects = objects
        self._owner = owner
        self._patience_s = patience_s

    async def store(self, task: Task, outcome: NodeOutcome, written: Written) -> NodeResult:
        """Registers and uploads what is not there yet; `written` gets each as soon as it is written."""
        files = outcome.files
        if files:
            await self._check_lease(task)
            await self._check_input(task, self._patience_s)
        done = await self._kept(task, files, written)
        left = [file for index, file in enumerate(files) if index not in done]
        await patiently(lambda: self._register(task, left, written))
        fault_point("worker.after_register")
        fresh: list[ObjectInfo] = []
        for order in UploadOrder:
            batch = [(index, file) for index, file in enumerate(files) if file.order is order and index not in done]
            if not batch:
                continue
            await self._check_lease(task)
            uploaded = await self._upload(task, batch, written, self._patience_s)
            fresh += uploaded.values()
            done |= uploaded
            fault_point("worker.after_upload")
        await patiently(lambda: self._confirm(task, fresh))
        objects = [_media_object(file, done[index]) for index, file in enumerate(files)]
        return NodeResult(
            outputs=tuple(objects),
            media=None if outcome.media is None else objects[outcome.media],
            echo=outcome.echo or {},
            payload=outcome.payload,
            metadata=outcome.metadata,
        )

    async def store_early(self, task: Task, files: Sequence[OutputFile], written: Written) -> None:
        """Registers and uploads data of a node that is still at work, as far as nothing is replaced by it that is not
        this run's: if the attempt fails, nothing must have happened. What is left out comes with `store`.

        Raises LeaseLost, and NodeError for what will not be any better at the end.
        """
        await self._check_lease(task)
        await self._check_input(task, 0)
        places = [output_id(file.bucket, file.key) for file in files]
        known = await patiently(lambda: self._records.outputs.get_many(places))
        ours = [
            file
            for file, name in zip(files, places, strict=True)
            if name not in known or known[name].run_id == task.run_id
        ]
        free = await a_few_at_once((self._is_free(task, file) for file in ours), AT_ONCE)
        batch = [(index, file) for index, file in enumerate(ours) if free[index]]
        if not batch:
            return
        stamps = {index: Stamp.of(file) for index, file in batch}
        await patiently(lambda: self._register(task, [file for _, file in batch], written))
        await self._check_lease(task)
        uploaded = await self._upload(task, batch, written, 0)
        fault_point("worker.after_early_upload")
        await patiently(lambda: self._confirm(task, uploaded.values()))
        for index, file in batch:
            written.early[file] = stamps[index], uploaded[index]

    async def _is_free(self, task: Task, file: OutputFile) -> bool:
        """Whether nothing lies there, or what this run has written."""
        try:
            lies = await self._objects.head(file.bucket, file.key)
        except ObjectNotFound:
            return True
        except ObjectAccessDenied:
            return False
        return lies.metadata.get(RUN_METADATA) == task.run_id

    async def _kept(self, task: Task, files: Sequence[OutputFile], written: Written) -> dict[int, ObjectInfo]:
        """Those that were written early and are still good: the file has not changed, and neither has the object. A
        late write of an earlier attempt may have replaced it, or anybody."""
        early = [index for index, file in enumerate(files) if file in written.early]

        async def still_there(index: int) -> bool:
            file = files[index]
            stamp, info = written.early[file]
            if Stamp.of(file) != stamp:
                return False
            try:
                lies = await patiently(lambda: self._objects.head(file.bucket, file.key), self._patience_s)
            except ObjectError:
                return False
            # Equal bytes of another run are that run's.
            return lies.etag == info.etag and lies.metadata.get(RUN_METADATA) == task.run_id

        good = await a_few_at_once((still_there(index) for index in early), AT_ONCE)
        return {index: written.early[files[index]][1] for index, kept in zip(early, good, strict=True) if kept}

    async def _check_lease(self, task: Task) -> None:
        """Raises LeaseLost for a zombie: it must neither overwrite what the present holder has written nor put its own
        name to those places."""
        if not await patiently(lambda: self._queue.holds(task.id, self._owner, task.fence)):
            raise LeaseLost

    async def _check_input(self, task: Task, patience_s: float) -> None:
        """Raises SourceFileError if the run's input was overwritten meanwhile: the new object has a run of its own,
        whose outputs ours must not overwrite. An input that was deleted does not matter any more."""
        source = task.original
        if source.version_id is not None:
            return
        try:
            now = await patiently(lambda: self._objects.head(source.bucket, source.key), patience_s)
        except ObjectError:
            return
        if now.etag != source.etag:
            raise SourceFileError(
                f"{source.bucket}/{source.key} was overwritten while the run was at work", ErrCode.SOURCE_CHANGED
            )

    async def _register(self, task: Task, files: Sequence[OutputFile], written: Written) -> None:
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
        inserted = await self._records.outputs.insert_many(wanted)
        for record, new in zip(wanted, inserted, strict=True):

            def step(old: OutputRecord, record: OutputRecord = record) -> OutputRecord:
                if old.run_id == task.run_id and old.node != task.node:
                    raise InvalidInput(f"node {old.node} of the same run writes {old.bucket}/{old.key} as well")
                if old.run_id == task.run_id and (old.attempt, old.fence) > (task.attempt, task.fence):
                    raise LeaseLost
                # The etag of what lies there now stays known until it is overwritten.
                return record.with_changes(version=old.version, etag=old.etag)

            if not new:
                await self._records.outputs.change(record.id, step)
            written.places[record.bucket, record.key] = None

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
        self, task: Task, batch: Sequence[tuple[int, OutputFile]], written: Written, patience_s: float
    ) -> dict[int, ObjectInfo]:
        slots = asyncio.Semaphore(AT_ONCE)

        async def one(index: int, file: OutputFile) -> tuple[int, ObjectInfo]:
            metadata = {RUN_METADATA: task.run_id, PLACE_METADATA: place(file.bucket, file.key)}
            async with slots:
                info = await self._write(file, metadata, patience_s)
                written.places[file.bucket, file.key] = info.etag
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

    async def _write(self, file: OutputFile, metadata: Mapping[str, str], patience_s: float) -> ObjectInfo:
        """Writes an output. The same as reading, but what is wrong here is the place that was asked for."""
        try:
            return await patiently(
                lambda: self._objects.upload(
                    file.path, file.bucket, file.key, content_type=file.content_type, metadata=metadata
                ),
                patience_s,
            )
        except (ObjectNotFound, ObjectChanged) as error:
            if isinstance(error, ObjectNotFound) and not await self._bucket_exists(file.bucket, patience_s):
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

    async def _bucket_exists(self, bucket: str, patience_s: float) -> bool:
        """Whether there is such a bucket, as far as can be told."""
        try:
            return await patiently(lambda: self._objects.bucket_exists(bucket), patience_s)
        except (ObjectAccessDenied, ObjectsUnavailable):
            return True


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
