"""One child process: started with everything that keeps it from being left over, stopped with all it started."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from pathlib import Path

import psutil

from services.local import leftovers
from services.local.guard import GuardProcess
from services.local.log_files import open_log
from services.local.process_spec import ProcessSpec

EXEC_CHILD = Path(__file__).with_name("exec_child.py")


class Child:
    """A running process of a spec. Made by `start`."""

    def __init__(self, spec: ProcessSpec, process: asyncio.subprocess.Process, mark: str, guard: GuardProcess) -> None:
        self.spec = spec
        self.started_at_s = time.monotonic()
        self.log_began_at_byte = 0
        self._process = process
        self._mark = mark
        self._guard = guard

    @classmethod
    async def start(cls, spec: ProcessSpec, launch: str, guard: GuardProcess) -> Child:
        """Starts the process as leader of its own session and process group, output appended to its log.

        It dies with the launcher by the kernel's hand where the system can do that, and by the guard's anywhere.
        """
        mark = f"{launch}/{spec.name}"
        log = open_log(spec.log)
        began_at_byte = os.fstat(log).st_size
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-S",
                str(EXEC_CHILD),
                str(os.getpid()),
                *spec.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=spec.cwd,
                env={**spec.env, leftovers.MARK: mark},
                start_new_session=True,
            )
        finally:
            os.close(log)
        await guard.add(process.pid)
        child = cls(spec, process, mark, guard)
        child.log_began_at_byte = began_at_byte
        return child

    @property
    def pid(self) -> int:
        """Its process id, also its process group and session."""
        return self._process.pid

    @property
    def lived_s(self) -> float:
        """Seconds since its start."""
        return time.monotonic() - self.started_at_s

    def rss_bytes(self) -> int:
        """Resident memory of the process itself; 0 if it is gone."""
        try:
            return int(psutil.Process(self.pid).memory_info().rss)
        except psutil.Error:
            return 0

    async def wait(self) -> int:
        """Waits for its end and returns the exit code (negative: the signal)."""
        return await self._process.wait()

    async def clean_up(self) -> None:
        """After its end: kills what it left behind. Raises OSError if that cannot be looked for."""
        await asyncio.to_thread(leftovers.kill, self._mark, (self.pid,))
        await self._guard.drop(self.pid)

    async def stop(self, grace_s: float) -> None:
        """SIGTERM, then after the grace time SIGKILL for the whole process group. Returns when it has ended."""
        self._signal(signal.SIGTERM, group=False)
        try:
            async with asyncio.timeout(grace_s):
                await self._process.wait()
        except TimeoutError:
            self._signal(signal.SIGKILL, group=True)
            await self._process.wait()

    def _signal(self, number: signal.Signals, *, group: bool) -> None:
        if self._process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if group:
                os.killpg(self.pid, number)
            else:
                self._process.send_signal(number)


def exit_reason(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
