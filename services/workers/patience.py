"""Waiting for a service that is away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from tenacity import AsyncRetrying, retry_if_exception, stop_after_delay, wait_exponential_jitter

from shared.errors import ReelwayError

log = structlog.get_logger(__name__)
T = TypeVar("T")
FIRST_WAIT_S = 0.2


async def patiently(call: Callable[[], Awaitable[T]], patience_s: float = float("inf")) -> T:
    """Repeats a call while what it needs is unavailable, for so many seconds; then its last error is raised."""
    try:
        # Nearly always this is all there is to it, and the machinery below costs more than most calls.
        return await call()
    except ReelwayError as error:
        if not error.retryable or patience_s <= 0:
            raise
        log.warning("unavailable, waiting", error=str(error))
        await asyncio.sleep(FIRST_WAIT_S)
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
