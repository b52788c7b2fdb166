"""Waits for a condition with a deadline."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any


async def eventually(condition: Callable[[], Any], what: str, timeout_s: float = 15) -> Any:
    """The first true value of `condition`, which may be awaitable; fails with `what`, a message, after the deadline."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        result = await value if inspect.isawaitable(value) else value
        if result:
            return result
        assert time.monotonic() < deadline, f"{what}: not within {timeout_s:g} s, last {result!r}"
        await asyncio.sleep(0.05)
