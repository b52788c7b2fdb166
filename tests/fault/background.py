"""An event loop in a thread: for the clients and proxies of tests that wait for processes synchronously."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Background:
    """Runs coroutines while the test waits, or goes on."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="background", daemon=True)
        self._thread.start()

    def do(self, work: Coroutine[Any, Any, T], *, within_s: float = 60) -> T:
        """The result; cancelled and raised as TimeoutError when it takes too long."""

        async def bounded() -> T:
            async with asyncio.timeout(within_s):
                return await work

        return asyncio.run_coroutine_threadsafe(bounded(), self.loop).result(within_s + 10)

    def begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Starts it and returns; `end` takes the task."""

        async def start() -> asyncio.Task[T]:
            return asyncio.create_task(work)

        return self.do(start())

    def end(self, task: asyncio.Task[Any]) -> None:
        """Cancels a task that was begun and waits for its end; raises what it raised before."""

        async def ended() -> None:
            task.cancel()
            await asyncio.wait({task})

        self.do(ended())
        if not task.cancelled():
            task.result()

    def close(self) -> None:
        """Ends the loop and its thread."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()
