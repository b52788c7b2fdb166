"""The guard: a small process that outlives a killed launcher just long enough to kill what that left behind.

It reads lines from its standard input, which only the launcher can write to: `mark M`, `add SESSION`, `drop SESSION`,
`done`. When the launcher ends without `done`, the kernel closes the pipe, and the guard kills all of it. This needs
nothing but pipes and signals, so it also works where a parent's death sends no signal.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from services.local import leftovers
from services.local.errors import GuardFailed
from services.local.python_process import module_argv, with_source_root

START_TIMEOUT_S = 15
WATCHING = b"watching\n"


class GuardProcess:
    """The launcher's end of the pipe. A guard that died is replaced by `ensure`."""

    def __init__(self, mark: str) -> None:
        self._mark = mark
        self._sessions: set[int] = set()
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The guard's process id while it lives."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self) -> None:
        """Starts the guard, in a session of its own so that Ctrl-C does not reach it. Raises GuardFailed."""
        process = self._process = await asyncio.create_subprocess_exec(
            *module_argv("services.local.guard"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
            env={**with_source_root(os.environ), leftovers.MARK: f"{self._mark}/guard"},
        )
        await self._tell(f"mark {self._mark}", *(f"add {session}" for session in sorted(self._sessions)))
        assert process.stdout is not None
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                answer = await process.stdout.readline()
        except TimeoutError:
            answer = b""
        if answer != WATCHING:
            raise GuardFailed(f"the guard did not start (exit code {process.returncode})")

    async def ensure(self) -> None:
        """Starts another one if it has died. Raises GuardFailed."""
        if self.pid is None:
            await self.start()

    async def add(self, session: int) -> None:
        """From now on this session's processes die with the launcher."""
        self._sessions.add(session)
        await self._report(f"add {session}")

    async def drop(self, session: int) -> None:
        """This session has ended; its number may be given to somebody else."""
        self._sessions.discard(session)
        await self._report(f"drop {session}")

    async def stop(self) -> None:
        """Ends the guard; nothing is killed. For a launcher that has cleaned up itself."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        await self._tell("done")
        try:
            async with asyncio.timeout(3):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _report(self, line: str) -> None:
        if self.pid is not None:  # otherwise the next guard is told everything
            await self._tell(line)

    async def _tell(self, *lines: str) -> None:
        process = self._process
        if process is None or process.stdin is None:
            return
        try:
            process.stdin.write("".join(f"{line}\n" for line in lines).encode())
            await process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            return  # it died; the next one is told everything


def main() -> None:
    """Reads until the launcher is done or dead."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    mark, sessions = "", set[int]()
    for line in sys.stdin:
        match line.split():
            case ["mark", value]:
                mark = value
                sys.stdout.buffer.write(WATCHING)
                sys.stdout.buffer.flush()
            case ["add", value]:
                sessions.add(int(value))
            case ["drop", value]:
                sessions.discard(int(value))
            case ["done"]:
                return
    if mark:
        leftovers.kill(mark, sessions)


if __name__ == "__main__":
    main()
