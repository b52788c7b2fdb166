"""Runs processes in waves, waits until they are ready, watches their size, and stops them in reverse order."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from services.local.announcer import Announcer
from services.local.errors import GuardFailed, NotReady
from services.local.guard import GuardProcess
from services.local.log_files import rotate, tail
from services.local.process_spec import ProcessSpec
from services.local.supervised import SupervisedProcess

POLL_S = 0.1
MEGABYTE = 1_000_000


class Supervisor:
    """All processes of one launch. `launch` marks them; `on_change` is called whenever a process id changed."""

    def __init__(
        self, launch: str, announcer: Announcer, *, rss_warning_bytes: int, log_limit_bytes: int, interval_s: float
    ) -> None:
        self.on_change: Callable[[], None] = lambda: None
        self._launch = launch
        self._say = announcer
        self._guard = GuardProcess(launch)
        self._waves: list[list[SupervisedProcess]] = []
        self._rss_warning_bytes = rss_warning_bytes
        self._log_limit_bytes = log_limit_bytes
        self._interval_s = interval_s
        self._warned: set[str] = set()
        self._failing: set[str] = set()
        self._untold = False
        self._watching: asyncio.Task[None] | None = None

    def pids(self) -> dict[str, int]:
        """Process id of every process that runs now, the guard among them."""
        pids = {process.spec.name: process.child.pid for process in self._all() if process.child is not None}
        if self._guard.pid is not None:
            pids["guard"] = self._guard.pid
        return pids

    async def start(self, specs: Sequence[ProcessSpec]) -> None:
        """Starts a wave of processes, all at once. A wave is stopped before the waves that were started earlier."""
        await self._guard.ensure()
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch(), name="watch-sizes")
        wave = [SupervisedProcess(spec, self._launch, self._guard, self._say, self._tell_change) for spec in specs]
        self._waves.append(wave)
        for process in wave:
            self._rotate(process.spec.log)
            process.start()

    async def wait_ready(self, timeout_s: float) -> None:
        """Returns when every started process is ready.

        Raises NotReady with the reasons and the ends of the logs after the timeout, or at once when a process keeps
        dying without ever having been ready.
        """
        deadline = time.monotonic() + timeout_s
        waiting = [process for process in self._all() if not process.was_ready]
        results = await asyncio.gather(*(self._until_ready(process, deadline) for process in waiting))
        reasons = {
            process.spec.name: reason for process, reason in zip(waiting, results, strict=True) if reason is not None
        }
        if reasons:
            logs = {process.spec.name: process.spec.log for process in waiting}
            details = "\n".join(
                f"{name}: {reason}\n  end of {logs[name]}:\n{tail(logs[name])}" for name, reason in reasons.items()
            )
            raise NotReady(list(reasons), details)

    async def stop(self) -> None:
        """Stops everything, the last wave first. Nothing that was started is left when this returns.

        A process whose supervision had failed keeps none of the others from being stopped.
        """
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait({self._watching})
        for wave in reversed(self._waves):
            results = await asyncio.gather(*(process.stop() for process in wave), return_exceptions=True)
            for process, result in zip(wave, results, strict=True):
                if isinstance(result, BaseException):
                    name = process.spec.name
                    self._say.error("not_stopped", f"{name} was not stopped in order: {result!r}", process=name)
        self._waves.clear()
        await self._guard.stop()

    def _all(self) -> list[SupervisedProcess]:
        return [process for wave in self._waves for process in wave]

    async def _until_ready(self, process: SupervisedProcess, deadline: float) -> str | None:
        while True:
            reason = "it does not run" if process.child is None else await process.spec.ready()
            if reason is None:
                process.was_ready = True
                return None
            if (failure := process.failure()) is not None:
                raise failure
            if process.deaths >= process.spec.may_crash_at_start:
                return f"it died, or could not be started, {process.deaths} times"
            if time.monotonic() >= deadline:
                return reason
            await asyncio.sleep(POLL_S)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            await self.look()

    async def look(self) -> None:
        """Looks once after the guard, the logs, the sizes and what could not be told. What fails is tried next time."""
        with self._told_once("guard", "the guard cannot be replaced"):
            await self._look_at_guard()
        for process in self._all():
            self._rotate(process.spec.log)
            if process.child is not None:
                await self._look_at_size(process, process.child.rss_bytes())
        if self._untold:
            self._tell_change()

    def _rotate(self, log: Path) -> None:
        with self._told_once(str(log), f"{log.name} cannot be kept small"):
            if rotate(log, self._log_limit_bytes):
                self._say.info("log_rotated", f"{log.name} was full and is now {log}.1")

    def _tell_change(self) -> None:
        self._untold = True
        with self._told_once("change", "the new process ids cannot be told"):
            self.on_change()
            self._untold = False

    @contextlib.contextmanager
    def _told_once(self, step: str, failure: str) -> Iterator[None]:
        """Announces an OSError instead of raising it, and once only until the step has succeeded again."""
        try:
            yield
        except OSError as error:
            if step not in self._failing:
                self._failing.add(step)
                self._say.error("supervision_impaired", f"{failure}: {error}", step=step)
        else:
            self._failing.discard(step)

    async def _look_at_guard(self) -> None:
        if self._guard.pid is not None:
            return
        self._say.warning("guard_died", "the guard died and is replaced", process="guard")
        try:
            await self._guard.ensure()
        except GuardFailed as error:
            self._say.error("guard_failed", str(error), process="guard")
        else:
            self._tell_change()

    async def _look_at_size(self, process: SupervisedProcess, rss_bytes: int) -> None:
        name, limit = process.spec.name, process.spec.rss_limit_bytes
        if limit is not None:
            if rss_bytes > limit:
                size, allowed = rss_bytes // MEGABYTE, limit // MEGABYTE
                await process.recycle(f"it has grown to {size} MB of the {allowed} MB it may use")
        elif rss_bytes <= self._rss_warning_bytes:
            self._warned.discard(name)
        elif name not in self._warned:
            self._warned.add(name)
            self._say.warning("process_is_big", f"{name} uses {rss_bytes // MEGABYTE} MB of memory", process=name)
