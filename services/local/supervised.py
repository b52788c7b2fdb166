"""Keeps one process running: starts it, notices its death, starts it again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from services.local.announcer import Announcer
from services.local.backoff import RestartBackoff
from services.local.child import Child, exit_reason
from services.local.guard import GuardProcess
from services.local.log_files import tail
from services.local.process_spec import ProcessSpec


class SupervisedProcess:
    """Runs a spec until `stop`. A death is announced and followed by a restart, on the same ports, after a backoff.

    A start that fails for lack of something (disk, memory, descriptors) is announced and tried again in the same way.
    `on_start` is called after every start and must not raise.
    """

    def __init__(
        self,
        spec: ProcessSpec,
        launch: str,
        guard: GuardProcess,
        announcer: Announcer,
        on_start: Callable[[], None],
    ) -> None:
        self.spec = spec
        self.child: Child | None = None
        self.was_ready = False
        self.deaths = 0
        self._launch = launch
        self._guard = guard
        self._say = announcer
        self._on_start = on_start
        self._stopping = asyncio.Event()
        self._recycling = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to run it; returns at once."""
        self._task = asyncio.create_task(self._run(), name=f"supervise-{self.spec.name}")

    async def recycle(self, reason: str) -> None:
        """Restarts it at once, without a backoff. For a process that has become too big."""
        child = self.child
        if child is None or self._recycling or self._stopping.is_set():
            return
        self._say.warning("process_recycled", f"{self.spec.name} is restarted: {reason}", process=self.spec.name)
        self._recycling = True
        await child.stop(self.spec.grace_s)

    async def stop(self) -> None:
        """Ends it within its grace time, and with it everything it started."""
        self._stopping.set()
        if self.child is not None:
            await self.child.stop(self.spec.grace_s)
        if self._task is not None:
            await self._task

    def failure(self) -> BaseException | None:
        """The error that ended the supervision itself, which is a defect; None while all is well."""
        task = self._task
        return task.exception() if task is not None and task.done() and not task.cancelled() else None

    async def _run(self) -> None:
        backoff = RestartBackoff()
        while not self._stopping.is_set():
            try:
                self.spec.before_start()
                child = self.child = await Child.start(self.spec, self._launch, self._guard)
            except OSError as error:
                self.deaths += 1
                await self._pause_without_start(backoff.after_life_of(0), error)
                continue
            self._on_start()
            if self._stopping.is_set():  # a stop that came between the start and the assignment saw no child
                await child.stop(self.spec.grace_s)
            code = await child.wait()
            self.child = None
            await self._clean_up_after(child)
            if self._stopping.is_set():
                return
            if self._recycling:
                self._recycling = False
                continue
            self.deaths += 1
            await self._pause(backoff.after_life_of(child.lived_s), code, child.log_began_at_byte)

    async def _pause(self, wait_s: float, code: int, since_byte: int) -> None:
        name, reason = self.spec.name, exit_reason(code)
        self._say.warning(
            "process_died",
            f"{name} died ({reason}), restart in {wait_s:g} s",
            process=name,
            reason=reason,
            deaths=self.deaths,
        )
        with contextlib.suppress(OSError):  # the log may be unreadable; the user is only spared a look into it
            if code > 0 and (last := tail(self.spec.log, since_byte=since_byte)):
                self._say.show(last, style="dim", markup=False, highlight=False, soft_wrap=True)
        await self._wait(wait_s)

    async def _pause_without_start(self, wait_s: float, error: OSError) -> None:
        name = self.spec.name
        self._say.error(
            "process_not_started",
            f"{name} cannot be started ({error}), next try in {wait_s:g} s",
            process=name,
            reason=str(error),
            deaths=self.deaths,
        )
        await self._wait(wait_s)

    async def _clean_up_after(self, child: Child) -> None:
        try:
            await child.clean_up()
        except OSError as error:
            name = self.spec.name
            self._say.error("not_cleaned_up", f"what {name} left behind cannot be ended: {error}", process=name)

    async def _wait(self, wait_s: float) -> None:
        try:
            async with asyncio.timeout(wait_s):
                await self._stopping.wait()
        except TimeoutError:
            return
