"""The event loop of one simulated process: asyncio on virtual time. Killing the process is forgetting its loop."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from tests.fault.simulation.timeline import Entry, Timeline

MAX_SPIN = 200_000
"""So many callbacks in one moment mean that the process spins."""
CLOSE_TRIES = 20
"""How often the end of a coroutine is asked for that awaits something in a `finally`."""

Complain = Callable[[str], None]


class _Handle:
    __slots__ = ("args", "callback", "context", "entry", "moment")

    def __init__(
        self, callback: Callable[..., Any], args: tuple[Any, ...], context: contextvars.Context | None
    ) -> None:
        self.callback: Callable[..., Any] | None = callback
        self.args = args
        self.context = context if context is not None else contextvars.copy_context()
        self.entry: Entry | None = None
        self.moment = 0.0

    def cancel(self) -> None:
        self.callback = None
        self.args = ()
        if self.entry is not None:
            self.entry.cancel()

    def cancelled(self) -> bool:
        return self.callback is None

    def when(self) -> float:
        return self.moment


class _Task(asyncio.Task[Any]):
    """Hashed by number, so that a set of tasks has the same order in every replay."""

    def __init__(self, coro: Coroutine[Any, Any, Any], number: int, **named: Any) -> None:
        self._number = number
        super().__init__(coro, **named)

    def __hash__(self) -> int:
        return self._number


class ProcessLoop(asyncio.AbstractEventLoop):
    """Runs the callbacks of one process, first in, first out, whenever the timeline comes to one of them.

    A frozen process (SIGSTOP, a long pause) runs nothing until it is thawed; then its timers find that it is late.
    """

    def __init__(self, timeline: Timeline, complain: Complain) -> None:
        self.dead = False
        self.frozen_until = 0.0
        self.owner: Any = None
        """The process; whoever is called from inside finds it here."""
        self._timeline = timeline
        self._complain = complain
        self._ready: deque[_Handle] = deque()
        self._running = False
        self._woken = False
        self._tasks: list[_Task] = []
        self._count = 0
        self._prune_at = 64

    # -- what asyncio asks for ------------------------------------------------------------------------------------

    def time(self) -> float:
        return self._timeline.now

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Coroutine[Any, Any, Any], *, name: str | None = None, context: contextvars.Context | None = None
    ) -> _Task:
        self._count += 1
        task = _Task(coro, self._count, loop=self, name=name, context=context)
        self._tasks.append(task)
        if len(self._tasks) > self._prune_at:
            self._tasks = [task for task in self._tasks if not task.done()]
            self._prune_at = 2 * len(self._tasks) + 64
        return task

    def call_soon(self, callback: Any, *args: Any, context: contextvars.Context | None = None) -> Any:
        handle = _Handle(callback, args, context)
        self._ready.append(handle)
        if not (self._running or self._woken):
            self._woken = True
            self._timeline.at(self._timeline.now, self._run)
        return handle

    def call_later(self, delay: float, callback: Any, *args: Any, context: contextvars.Context | None = None) -> Any:
        return self.call_at(self._timeline.now + delay, callback, *args, context=context)

    def call_at(self, when: float, callback: Any, *args: Any, context: contextvars.Context | None = None) -> Any:
        handle = _Handle(callback, args, context)
        handle.moment = when
        handle.entry = self._timeline.at(when, self._fire, handle)
        return handle

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if not self.dead:
            self._complain(f"{context.get('message')}: {context.get('exception')!r}")

    # -- what happens to it ---------------------------------------------------------------------------------------

    def answer(self, waiting: asyncio.Future[Any], value: Any, error: BaseException | None) -> None:
        """An answer arrives from outside; nobody may be waiting any more."""
        if self.dead or waiting.done():
            return
        if error is not None:
            waiting.set_exception(error)
        else:
            waiting.set_result(value)

    def _fire(self, handle: _Handle) -> None:
        if self.dead:
            return
        if self._timeline.now < self.frozen_until:
            handle.entry = self._timeline.at(self.frozen_until, self._fire, handle)
            return
        self._ready.append(handle)
        self._run()

    def _run(self) -> None:
        self._woken = False
        if self.dead or self._running:
            return
        if self._timeline.now < self.frozen_until:
            self._woken = True
            self._timeline.at(self.frozen_until, self._run)
            return
        self._running = True
        asyncio._set_running_loop(self)
        spin = 0
        ready = self._ready
        try:
            while ready and not self.dead:
                handle = ready.popleft()
                if handle.callback is not None:
                    handle.context.run(handle.callback, *handle.args)
                spin += 1
                if spin > MAX_SPIN:
                    self._complain(f"the process spins: {handle.callback!r}")
                    break
        finally:
            asyncio._set_running_loop(None)
            self._running = False
        if self.dead:
            self._bury()

    def kill(self) -> None:
        """Ends everything at once. Nothing that the process still had in mind has any effect."""
        self.dead = True
        if not self._running:
            self._bury()

    def _bury(self) -> None:
        """Closes what was under way, so that the interpreter does not do so at a moment of its own choice."""
        self._ready.clear()
        asyncio._set_running_loop(self)
        try:
            # What ends may begin something in a `finally`, which then ends as well.
            while self._tasks:
                task = self._tasks.pop()
                if task.done():
                    if not task.cancelled():
                        task.exception()
                    continue
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                coroutine = task.get_coro()
                for _ in range(CLOSE_TRIES):
                    with contextlib.suppress(BaseException):
                        coroutine.close()  # type: ignore[union-attr]
                        break
        finally:
            asyncio._set_running_loop(None)
        self._ready.clear()
