"""Tells the store every few seconds that this worker is there, and what it does; hears whether it is to take less."""

from __future__ import annotations

import asyncio
import os
import socket
from datetime import datetime
from importlib import metadata

import structlog

from services.workers.worker import Worker
from shared.concurrency import run_to_end
from shared.cores import cores
from shared.errors import ReelwayError
from shared.model.task import Lane
from shared.model.worker import STALE, LaneLoad, WorkerRecord
from shared.state.records import Records
from shared.state.task_queue import Holder

LEAVE_TIMEOUT_S = 2.0
log = structlog.get_logger(__name__)


class Presence:
    """This process in the collection of workers."""

    def __init__(self, records: Records, worker: Worker, holder: Holder, every_s: float) -> None:
        self._records = records
        self._worker = worker
        self._holder = holder
        self._every_s = every_s
        self._started_at: datetime | None = None
        self._over = False
        self._id = holder.owner.replace("/", ".")

    async def tell(self) -> None:
        """Until cancelled. That nobody hears it harms nothing."""
        while not self._over:
            try:
                await self._beat()
            except ReelwayError as error:
                log.info("presence not told", error=str(error))
            await asyncio.sleep(self._every_s)

    async def _beat(self) -> None:
        workers, now = self._records.workers, await self._records.now()
        if self._started_at is None:
            self._started_at = now
            await self._forget_dead(now)
        record = self._record(now)
        known = await workers.change(self._id, lambda old: record.with_changes(version=old.version, drain=old.drain))
        if known is None:
            if not self._over:
                await workers.insert(record)
        elif known.drain != self._worker.on_hold:
            log.info("told to take nothing more" if known.drain else "told to go on")
            self._worker.hold(on=known.drain)
            await self._beat()

    def _record(self, now: datetime) -> WorkerRecord:
        return WorkerRecord(
            id=self._id,
            worker=self._holder.worker,
            owner=self._holder.owner,
            host=socket.gethostname(),
            pid=os.getpid(),
            cores=cores(),
            load=round(os.getloadavg()[0], 2),
            program=metadata.version("reelway"),
            started_at=self._started_at or now,
            seen_at=now,
            every_s=self._every_s,
            lanes={slots.lane.value: self._lane(slots.lane, slots.count, slots.free) for slots in self._worker.lanes},
            draining=self._worker.draining or self._worker.on_hold,
        )

    def _lane(self, lane: Lane, count: int, free: int) -> LaneLoad:
        counts = self._worker.ended
        ended, failed = counts.last(lane.value), counts.last(f"{lane.value} failed")
        return LaneLoad(slots=count, busy=count - free, ended=ended, failed=failed)

    async def _forget_dead(self, now: datetime) -> None:
        """Earlier processes of this name are dead for sure, the others if they have been silent for long."""
        for other in await self._records.workers.find({}, limit=1000):
            if other.worker == self._holder.worker or now - other.seen_at > STALE:
                await self._records.workers.delete(other)

    async def leave(self) -> None:
        """Takes the record away; what the store does not hear in time it will find out."""
        self._over = True
        await run_to_end(self._remove())

    async def _remove(self) -> None:
        try:
            async with asyncio.timeout(LEAVE_TIMEOUT_S):
                record = await self._records.workers.get(self._id)
                if record is not None:
                    await self._records.workers.delete(record)
        except (ReelwayError, TimeoutError) as error:
            log.info("presence not taken back", error=str(error) or type(error).__name__)
