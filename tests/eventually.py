"""Waiting for a condition with a deadline; the only place in the tests that sleeps."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

T = TypeVar("T")


async def eventually(
    condition: Callable[[], T | Awaitable[T]], *, within_s: float = 5.0, every_s: float = 0.005, what: str = ""
) -> T:
    """Returns the first true value of the condition. Fails the test with what was seen last if none comes in time."""
    deadline = time.monotonic() + within_s
    while True:
        value = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return cast(T, value)
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s:g} s: {what or condition!r}, last seen {value!r}")
        await asyncio.sleep(every_s)


async def let_others_run(turns: int = 50) -> None:
    """Gives every ready coroutine its turns, without time passing."""
    for _ in range(turns):
        await asyncio.sleep(0)
