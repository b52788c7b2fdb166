"""Waiting for several things, or for what must not be left half done; all safe under cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def run_to_end(work: Awaitable[T]) -> T:
    """Awaits `work` to its end however often the caller is cancelled meanwhile; the cancellation is raised then.

    The work itself is not cancelled: bound it by a timeout of its own if it may hang.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None:
        return task.result()
    if not task.cancelled():
        task.exception()  # seen; the cancellation outranks it
    raise cancelled


async def in_thread(call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """A blocking call in a thread. It has ended when this returns or raises, so a descriptor it used may be closed
    (a thread that writes to a closed and reused descriptor would write into somebody else's file)."""
    return await run_to_end(asyncio.to_thread(call, *args, **kwargs))


async def run_together(work: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Runs all at once. The first failure cancels the others, waits for their end, and is raised as it is.

    Not a TaskGroup: on Python 3.11 that leaves the caller marked as cancelled when a child fails, and wraps the error.
    """
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        await run_to_end(asyncio.gather(*tasks, return_exceptions=True))
    for task in ended:
        task.result()


async def gather_to_end(*work: Coroutine[Any, Any, T]) -> list[T]:
    """The results in order. If some fail, the others still run to their end before the first error is raised, so
    nothing goes on behind the caller's back. Cancelling it cancels all."""
    results = await asyncio.gather(*work, return_exceptions=True)
    done: list[T] = []
    for result in results:
        if isinstance(result, BaseException):
            raise result
        done.append(result)
    return done


async def a_few_at_once(work: Iterable[Coroutine[Any, Any, T]], count: int) -> list[T]:
    """`gather_to_end` of many, of which `count` run at a time."""
    slots = asyncio.Semaphore(count)

    async def one(call: Coroutine[Any, Any, T]) -> T:
        async with slots:
            return await call

    return await gather_to_end(*(one(call) for call in work))
