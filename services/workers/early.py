"""Outputs that are finished while their node is still at work go into the storage meanwhile (ADR 21)."""

from __future__ import annotations

import asyncio

import structlog

from services.workers.nodes.base import OutputFile, UploadOrder
from services.workers.outputs import Outputs, Written
from shared.errors import ReelwayError
from shared.model.failure import NodeError
from shared.model.task import Task

log = structlog.get_logger(__name__)
BATCH = 16
"""Files that share one look at the lease and at the input."""


class EarlyOutputs:
    """What one attempt offers, in order. What cannot be written now is written at the end, with all the patience that
    there is then; so a storage that is away does not hold up the work."""

    def __init__(self, outputs: Outputs, task: Task, written: Written) -> None:
        self._outputs = outputs
        self._task = task
        self._written = written
        self._offered: asyncio.Queue[OutputFile | None] = asyncio.Queue()

    def offer(self, file: OutputFile) -> None:
        """Takes a finished file. Raises ValueError for a manifest, which has to be the last."""
        if file.order is not UploadOrder.DATA:
            raise ValueError(f"{file.key} is a manifest and cannot be published early")
        self._offered.put_nowait(file)

    def close(self) -> None:
        """Nothing more will be offered."""
        self._offered.put_nowait(None)

    async def write(self) -> None:
        """Writes what is offered until closed. Raises LeaseLost, and a NodeError that another attempt would only
        repeat: then the work is in vain."""
        while (batch := await self._next()) is not None:
            try:
                await self._outputs.store_early(self._task, batch, self._written)
            except NodeError as error:
                if not error.failure.retryable:
                    raise
                log.warning("not published early", task=self._task.id, files=len(batch), error=str(error))
            except ReelwayError as error:
                log.warning("not published early", task=self._task.id, files=len(batch), error=str(error))
            except FileNotFoundError:
                log.warning("a file that was offered is gone", task=self._task.id)

    async def _next(self) -> list[OutputFile] | None:
        first = await self._offered.get()
        if first is None:
            return None
        batch = [first]
        while len(batch) < BATCH and not self._offered.empty():
            file = self._offered.get_nowait()
            if file is None:
                self.close()
                break
            batch.append(file)
        return batch
