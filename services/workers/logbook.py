"""The journal of an attempt on its way into the store: while it goes on, and at its end before that is told."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import structlog

from services.workers.media.journal import JOURNAL, Journal
from shared.clock import SystemClock
from shared.concurrency import run_to_end
from shared.errors import ReelwayError
from shared.model.attempt_log import AttemptLog, log_id
from shared.model.task import Task
from shared.state.records import Records

EVERY_S = 5.0
"""How often what is new is written."""
PATIENCE_S = 2.0
"""How long an attempt waits for its log to be written; a log is not worth more."""

log = structlog.get_logger(__name__)


class Logbook:
    """Keeps one attempt's journal. It never fails, and never delays an attempt by more than `PATIENCE_S` at a time;
    an attempt that runs no program costs nothing."""

    def __init__(self, records: Records, task: Task, scratch: Path) -> None:
        self._records = records
        self._task = task
        self._journal = Journal(scratch, SystemClock().now)
        self._kept_at = time.monotonic()

    def open(self) -> None:
        """From now on what this task of the event loop runs is noted here."""
        JOURNAL.set(self._journal)

    async def keep(self) -> None:
        """Writes what is new, if the last time was long enough ago."""
        if self._journal.changed and time.monotonic() - self._kept_at >= EVERY_S:
            await self._write()

    async def close(self) -> None:
        """Writes what is new, also for one who is being cancelled."""
        if self._journal.changed:
            await run_to_end(self._write())

    async def _write(self) -> None:
        self._kept_at = time.monotonic()
        self._journal.changed = False
        document = AttemptLog(
            id=log_id(self._task.id, self._task.fence),
            tenant=self._task.tenant,
            run_id=self._task.run_id,
            task_id=self._task.id,
            fence=self._task.fence,
            worker=self._task.worker,
            calls=self._journal.calls,
            left_out=self._journal.left_out,
        )
        logs = self._records.attempt_logs
        try:
            async with asyncio.timeout(PATIENCE_S):
                there = await logs.change(document.id, lambda old: document.with_changes(version=old.version))
                if there is None:
                    await logs.insert(document)
        except (ReelwayError, TimeoutError) as error:
            log.warning("attempt log not written", task=self._task.id, error=str(error) or type(error).__name__)
