"""Finds the uploads whose event never came, by listing what enabled pipelines watch."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

import structlog
from cachetools import LRUCache

from services.trigger.domain.matching import observed
from services.trigger.intake import Intake
from shared.concurrency import gather_to_end
from shared.errors import ReelwayError
from shared.metrics import SWEPT
from shared.model.pipeline import Pipeline
from shared.model.starting import refusal
from shared.model.upload import UploadSource
from shared.ports.objects import ObjectError, ObjectInfo, ObjectStore
from shared.state.records import Records

log = structlog.get_logger(__name__)
PAGE = 200
MAX_PAUSE_S = 300.0
"""A pass that took long makes the next pause longer, but no longer than this: the process may have been stopped, or the
storage away, and then the time says nothing about the size of the bucket."""


class Reconciler:
    """Lists every watched prefix at an interval and hands what the ledger does not know to the intake."""

    def __init__(
        self,
        records: Records,
        objects: ObjectStore,
        intake: Intake,
        *,
        remember: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._records = records
        self._objects = objects
        self._intake = intake
        self._seen: LRUCache[str, bool] = LRUCache(maxsize=remember)
        self._monotonic = monotonic
        self._listed_s = 0.0

    async def run(self, interval_s: float) -> None:
        """Reconciles until cancelled. An unavailable store or storage is waited for."""
        while True:
            try:
                await self.reconcile()
            except ReelwayError as error:
                log.warning("reconciling failed", error=str(error), code=error.code)
            await asyncio.sleep(self.pause_s(interval_s))

    def pause_s(self, interval_s: float) -> float:
        """How long to wait after the last pass: the interval, or so long that a tenth of the time goes into listing,
        at most `MAX_PAUSE_S`.
        What was done about new objects does not count, nor does a pass that failed: a burst of uploads, or a storage
        that was away, must not keep the next upload waiting."""
        return max(interval_s, min(10 * self._listed_s, MAX_PAUSE_S))

    async def reconcile(self) -> int:
        """One pass; returns how many objects were new to the ledger."""
        self._listed_s = 0.0
        try:
            return await self._pass()
        except BaseException:
            self._listed_s = 0.0
            raise

    async def _pass(self) -> int:
        found = 0
        for bucket, pipelines in (await self._intake.enabled()).items():
            for prefix in prefixes(pipelines):
                try:
                    found += await self._prefix(bucket, prefix, pipelines)
                except ObjectError as error:
                    if error.retryable:
                        raise
                    # One tenant's broken bucket must not keep the others from being looked at.
                    log.warning("a watched bucket cannot be listed", bucket=bucket, error=str(error))
                    break
        return found

    async def _prefix(self, bucket: str, prefix: str, pipelines: Sequence[Pipeline]) -> int:
        found = 0
        page: list[ObjectInfo] = []
        since = self._monotonic()
        async for info in self._objects.list(bucket, prefix):
            if observed(info) in self._seen or all(refusal(pipeline, info) for pipeline in pipelines):
                continue
            page.append(info)
            if len(page) >= PAGE:
                self._listed_s += self._monotonic() - since
                found += await self._page(page)
                page = []
                since = self._monotonic()
        self._listed_s += self._monotonic() - since
        return found + await self._page(page)

    async def _page(self, page: Sequence[ObjectInfo]) -> int:
        if not page:
            return 0
        marks = {observed(info): info for info in page}
        known = await self._records.uploads.find({"observed": {"$in": list(marks)}}, limit=len(marks) * 2)
        for record in known:
            marks.pop(record.observed, None)
            self._seen[record.observed] = True
        answers = await gather_to_end(*(self._head(info) for info in marks.values()))
        found = [info for info in answers if info is not None]
        await self._intake.consider(found, UploadSource.RECONCILER)
        for info in found:
            self._seen[observed(info)] = True
        SWEPT.labels("trigger", "uploads").inc(len(found))
        return len(found)

    async def _head(self, info: ObjectInfo) -> ObjectInfo | None:
        """A listing knows neither version nor metadata; the storage's word on this one object does."""
        try:
            return await self._objects.head(info.bucket, info.key)
        except ObjectError as error:
            if error.retryable:
                raise
            return None


def prefixes(pipelines: Sequence[Pipeline]) -> list[str]:
    """The shortest list of key prefixes that covers all trigger directories."""
    wanted = sorted({pipeline.trigger.dir.removeprefix("/") for pipeline in pipelines})
    covering: list[str] = []
    for prefix in wanted:
        if not any(prefix.startswith(shorter) for shorter in covering):
            covering.append(prefix)
    return covering
