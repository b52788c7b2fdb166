"""A Kafka cluster of the user's own, which the launcher waits for and leaves alone."""

from __future__ import annotations

import asyncio
import time

from services.local.announcer import Announcer
from services.local.errors import NotReady
from shared.bus.answers import kafka_answers

POLL_S = 0.5


async def wait_for_kafka(kafka: str, timeout_s: float, say: Announcer) -> None:
    """Returns when the cluster answers; says once that it has to wait. Raises NotReady after the timeout."""
    deadline = time.monotonic() + timeout_s
    told = False
    while (reason := await kafka_answers(kafka)) is not None:
        if time.monotonic() >= deadline:
            raise NotReady(["kafka"], reason)
        if not told:
            say.warning("waiting_for_kafka", f"waiting for Kafka: {reason}")
            told = True
        await asyncio.sleep(POLL_S)
