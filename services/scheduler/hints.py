"""Ends of tasks that were hinted at: taken in at once, while their messages are still on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from services.scheduler.orchestrator import Orchestrator
from shared.errors import ReelwayError

log = structlog.get_logger(__name__)

MOST = 10_000
"""How many hints wait at most; the message of one that is dropped comes all the same."""


class Hints:
    """Follows hints one batch after another. A batch that fails is left to its messages."""

    def __init__(self, orchestrator: Orchestrator) -> None:
        self._orchestrator = orchestrator
        self._waiting: dict[str, None] = {}
        self._come = asyncio.Event()

    def put(self, task_ids: Sequence[str]) -> None:
        """Takes hints."""
        if len(self._waiting) < MOST:
            self._waiting.update(dict.fromkeys(task_ids))
            self._come.set()

    async def follow(self) -> None:
        """Until cancelled."""
        while True:
            await self._come.wait()
            self._come.clear()
            batch, self._waiting = self._waiting, {}
            try:
                await self._orchestrator.take_in(batch)
            except ReelwayError as error:
                log.info("hints not followed", error=str(error), code=error.code)
