"""From "something was uploaded" to runs and a ledger entry, once, however often it is said."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

import structlog

from services.trigger.domain.matching import match, observed, record_id
from shared.concurrency import gather_to_end
from shared.errors import ReelwayError
from shared.faults import fault_point
from shared.ids import digest
from shared.messages.messages import RunRequested
from shared.messages.topics import Topics
from shared.metrics import RUNS_STARTED, UPLOADS
from shared.model.pipeline import Pipeline, PipelineStatus
from shared.model.starting import media_object, run_for
from shared.model.upload import Match, Outcome, Upload, UploadRecord, UploadSource
from shared.ports.objects import ObjectAccessDenied, ObjectInfo, ObjectNotFound, ObjectStore
from shared.ports.publisher import Outgoing, Publisher
from shared.state.own_objects import writers
from shared.state.records import Records
from shared.state.templates import Templates

log = structlog.get_logger(__name__)
MAX_PIPELINES = 10_000


class Intake:
    """Decides about uploads. Guarantees (G1): an upload starts one run in each pipeline that matches it, whoever tells
    of it and however often; an object that a run of ours wrote starts none; every decision is in the ledger."""

    def __init__(
        self,
        records: Records,
        objects: ObjectStore,
        publisher: Publisher,
        topics: Topics,
        *,
        region: str,
        concurrency: int = 16,
    ) -> None:
        self._records = records
        self._templates = Templates(records)
        self._objects = objects
        self._publisher = publisher
        self._topics = topics
        self._region = region
        self._slots = asyncio.Semaphore(concurrency)

    async def on_events(self, batches: Sequence[Sequence[Upload]]) -> None:
        """Takes a batch of messages. Raises a retryable error if the store or the storage is away; taking the same
        batch again is harmless."""
        uploads = {(upload.bucket, upload.key, upload.version_id): upload for batch in batches for upload in batch}
        if not uploads:
            return
        watched = await self.enabled({bucket for bucket, _, _ in uploads})
        answers = await asyncio.gather(
            *(self._ask(upload, asks=upload.bucket in watched) for upload in uploads.values()), return_exceptions=True
        )
        await self.consider([answer for answer in answers if isinstance(answer, ObjectInfo)], UploadSource.EVENT)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer

    async def enabled(self, buckets: set[str] | None = None) -> dict[str, list[Pipeline]]:
        """The enabled pipelines by the bucket that they watch."""
        where: dict[str, object] = {"status": PipelineStatus.ENABLED.value}
        if buckets is not None:
            where["trigger.bucket"] = {"$in": sorted(buckets)}
        found: dict[str, list[Pipeline]] = {}
        for pipeline in await self._records.pipelines.find(where, limit=MAX_PIPELINES):
            found.setdefault(pipeline.trigger.bucket, []).append(pipeline)
        return found

    async def _ask(self, upload: Upload, *, asks: bool) -> ObjectInfo | None:
        """What the storage says; None if there is nothing to consider, and then the ledger says why."""
        if not asks:
            await self._unasked(upload, Outcome.UNWATCHED, "no enabled pipeline watches this bucket")
            return None
        try:
            async with self._slots:
                return await self._head(upload)
        except ObjectNotFound:
            await self._unasked(upload, Outcome.GONE, "the object does not exist (any more)")
        except ObjectAccessDenied:
            await self._unasked(upload, Outcome.DENIED, "the storage refuses to show the object")
        return None

    async def _head(self, upload: Upload) -> ObjectInfo:
        """The very version that the event names, so that quick overwrites in a versioned bucket are all seen; the
        current object where there are no versions."""
        if upload.version_id is not None:
            with contextlib.suppress(ObjectNotFound):
                return await self._objects.head(upload.bucket, upload.key, version_id=upload.version_id)
        return await self._objects.head(upload.bucket, upload.key)

    async def _unasked(self, upload: Upload, outcome: Outcome, reason: str) -> None:
        """A ledger entry for an upload that the storage was not, or could not be, asked about."""
        mark = upload.version_id or upload.etag or upload.sequencer or str(upload.event_time)
        key = digest("event", upload.bucket, upload.key, mark, reason)
        record = UploadRecord(
            id=key,
            bucket=upload.bucket,
            key=upload.key,
            observed=key,
            seen_by=UploadSource.EVENT,
            seen_at=await self._records.now(),
            reason=reason,
            outcome=outcome,
        )
        await self._records.uploads.insert_many([record])
        UPLOADS.labels("nothing").inc()

    async def consider(self, infos: Sequence[ObjectInfo], seen_by: UploadSource) -> None:
        """Decides about objects as HEAD shows them (with their metadata) and writes the ledger.

        The pipelines are read now, after the storage has answered: the ledger entry is for good, so every pipeline that
        was enabled before the upload must be among them, even if it was enabled while we were asking. So are the
        templates that they name.
        """
        if not infos:
            return
        pipelines = await self.enabled({info.bucket for info in infos})
        pipelines = {bucket: await self._templates.bound(watching) for bucket, watching in pipelines.items()}
        await gather_to_end(*(self._decide(info, pipelines.get(info.bucket, []), seen_by) for info in infos))

    async def _decide(self, info: ObjectInfo, pipelines: Sequence[Pipeline], seen_by: UploadSource) -> UploadRecord:
        known = await self._records.uploads.get(record_id(info))
        if known is not None:
            return known
        now = await self._records.now()
        [own] = await writers(self._records, [info])
        matches: tuple[Match, ...] = ()
        if own is None:
            matches = tuple(match(pipeline, info) for pipeline in pipelines)
            by_id = {pipeline.id: pipeline for pipeline in pipelines}
            started = [(line.run_id, by_id[line.pipeline_id]) for line in matches if line.run_id]
            runs = [run_for(pipeline, run, info, now) for run, pipeline in started]
            written = await self._records.runs.insert_many(runs)
            fault_point("trigger.after_runs")
            new = [run for run, fresh in zip(runs, written, strict=True) if fresh]
            RUNS_STARTED.labels("upload").inc(len(new))
            for run in new:
                log.info("run requested", run=run.id, pipeline=run.pipeline_name, bucket=info.bucket, key=info.key)
            # For those that were there already too: the first message may not have been sent.
            await self._announce([run.id for run in runs])
            fault_point("trigger.after_publish")
        outcome = (
            Outcome.OWN_OUTPUT
            if own
            else Outcome.STARTED
            if any(line.run_id for line in matches)
            else Outcome.UNMATCHED
            if matches
            else Outcome.UNWATCHED
        )
        record = UploadRecord(
            id=record_id(info),
            bucket=info.bucket,
            key=info.key,
            observed=observed(info),
            object=media_object(info, self._region),
            seen_by=seen_by,
            seen_at=now,
            matches=matches,
            reason=f"written by run {own}" if own else None if outcome is Outcome.STARTED else "no pipeline matches",
            outcome=outcome,
        )
        await self._records.uploads.insert_many([record])
        fault_point("trigger.after_ledger")
        UPLOADS.labels("own" if own else "started" if record.reason is None else "nothing").inc()
        return record

    async def _announce(self, run_ids: Sequence[str]) -> None:
        if not run_ids:
            return
        try:
            await self._publisher.publish(*(Outgoing(self._topics.runs, RunRequested(run_id=run)) for run in run_ids))
        except ReelwayError as error:
            # The runs are written and due; the scheduler's sweeper begins them.
            log.warning("run request not published", error=str(error), runs=len(run_ids))
