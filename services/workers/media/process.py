"""Runs one child to its end: own session, limits, progress, timeouts, nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from services.workers.media.journal import JOURNAL
from shared.model.failure import ErrCode, InternalError, InvalidInput

LAUNCHER = Path(__file__).with_name("launch.py")
NO_SYSTEM_FONTS = Path(__file__).with_name("fonts.conf")
"""For fontconfig: it knows no font, so that nothing that a subtitle names is looked for on the machine."""
STDERR_TAIL_BYTES = 16 * 1024
KILL_AFTER_S = 3.0
"""Between SIGTERM and SIGKILL: an encode ended in 0.4 s (FACTS §5)."""


OUTPUT_BYTES = 128 * 1024**3
WATCH_S = 5.0
"""How often the size of what a child writes is looked at, and whether it has lost its time."""


class ProcessTimeout(InternalError):
    """A child was stopped because it took too long or stood still."""


class CpuExceeded(ProcessTimeout):
    """A child was stopped because it had all the processor time that it may have."""


class OutputTooLarge(InvalidInput):
    """A child was stopped because it wrote more than it may."""

    err = ErrCode.RESULT_TOO_LARGE


@dataclass(frozen=True, slots=True)
class Limits:
    """What one child may use.

    `stall_s` is how long nothing may come out of it, `wall_s` how long it may run. `output_bytes` is how much may lie
    in its folder, and how large one file may be; with 0 it can write no file at all. `isolated` takes its network away
    where the kernel lets us.
    """

    # 8 GiB as FACTS §5 advises for encoders, and room for the stacks and arenas of one thread per core.
    address_space_bytes: int = 8 * 1024**3 + (os.cpu_count() or 1) * 256 * 1024**2
    cpu_s: int = 7 * 24 * 3600
    wall_s: float = 24 * 3600
    stall_s: float = 300
    output_bytes: int = OUTPUT_BYTES
    isolated: bool = True


PROBE_LIMITS = Limits(address_space_bytes=4 * 1024**3, cpu_s=120, wall_s=120, stall_s=120, output_bytes=0)
PROBED_BYTES_PER_S = 20_000_000
"""How fast a whole file is read at the least."""


def probe_limits(size_bytes: int) -> Limits:
    """For a probe that reads all of a file, and says nothing before it is through."""
    time_s = PROBE_LIMITS.cpu_s + size_bytes // PROBED_BYTES_PER_S
    return replace(PROBE_LIMITS, cpu_s=time_s, wall_s=time_s, stall_s=time_s)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended. `returncode` is negative for a signal; `errors` is the end of its standard error."""

    returncode: int
    errors: str


def environment() -> dict[str, str]:
    """What a child sees: no settings, no credentials."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    ours = {"LC_ALL": "C.UTF-8", "MALLOC_ARENA_MAX": "4", "SVT_LOG": "1", "FONTCONFIG_FILE": str(NO_SYSTEM_FONTS)}
    return kept | ours


async def run(
    program: Sequence[str],
    folder: Path,
    on_line: Callable[[str], bool],
    limits: Limits,
    *,
    pass_fds: Sequence[int] = (),
) -> Ended:
    """Runs a program in `folder` and waits for its end.

    `on_line` gets each line of its standard output and says whether it is a sign of life; what it raises ends the
    program and is raised here. The descriptors `pass_fds` stay open in it. Raises ProcessTimeout and OutputTooLarge.
    Whatever happens, also on cancellation, the whole process group is gone and reaped when this returns.
    """
    journal = JOURNAL.get()
    note = None if journal is None else journal.begin(program)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        "-S",
        str(LAUNCHER),
        str(os.getpid()),
        str(limits.address_space_bytes),
        str(limits.cpu_s),
        str(limits.output_bytes),
        str(int(limits.isolated)),
        *program,
        cwd=folder,
        env=environment(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        pass_fds=pass_fds,
    )
    watch = _Watch(on_line)
    readers = [asyncio.create_task(watch.read_output(process)), asyncio.create_task(watch.read_errors(process))]
    stopped: BaseException | None = None
    try:
        await _wait(process, watch, limits, folder, readers[0])
        # A grandchild that holds the pipes must not hold us.
        await asyncio.wait(readers, timeout=KILL_AFTER_S)
    except BaseException as reason:
        stopped = reason
        raise
    finally:
        try:
            await _end(process)
            for reader in readers:
                reader.cancel()
            await asyncio.wait(readers)
        finally:
            if note is not None:
                note.ended(process.returncode, watch.tail, stopped)
    for reader in readers:
        if not reader.cancelled() and (error := reader.exception()) is not None:
            raise error
    if process.returncode == -signal.SIGXCPU:
        raise CpuExceeded(f"the media process used {limits.cpu_s} s of processor time and was stopped")
    if process.returncode == -signal.SIGXFSZ:
        raise OutputTooLarge(_too_large(limits))
    return Ended(process.returncode if process.returncode is not None else -1, watch.tail.decode(errors="replace"))


class _Watch:
    """Reads what a child says and remembers when it last showed life."""

    def __init__(self, on_line: Callable[[str], bool]) -> None:
        self._on_line = on_line
        self.alive_at = time.monotonic()
        self.tail = b""

    async def read_output(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        rest = b""
        while chunk := await process.stdout.read(65536):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if self._on_line(line.decode(errors="replace").strip()):
                    self.alive_at = time.monotonic()
            rest = rest[-1_000_000:]
        if rest:
            self._on_line(rest.decode(errors="replace").strip())

    async def read_errors(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        while chunk := await process.stderr.read(65536):
            self.tail = (self.tail + chunk)[-STDERR_TAIL_BYTES:]


async def _wait(
    process: asyncio.subprocess.Process, watch: _Watch, limits: Limits, folder: Path, reader: asyncio.Task[None]
) -> None:
    started = time.monotonic()
    ending = asyncio.ensure_future(process.wait())
    try:
        while True:
            now = time.monotonic()
            left = min(started + limits.wall_s, watch.alive_at + limits.stall_s) - now
            if left <= 0:
                stalled = now < started + limits.wall_s
                rule = f"showed no progress for {limits.stall_s:g} s" if stalled else f"ran for {limits.wall_s:g} s"
                raise ProcessTimeout(f"the media process {rule} and was stopped")
            awaited = {ending} if reader.done() else {ending, reader}
            await asyncio.wait(awaited, timeout=min(left, WATCH_S), return_when=asyncio.FIRST_COMPLETED)
            if ending.done() or (reader.done() and reader.exception() is not None):
                return
            if limits.output_bytes and await asyncio.to_thread(_size, folder) > limits.output_bytes:
                raise OutputTooLarge(_too_large(limits))
    finally:
        ending.cancel()


def _size(folder: Path) -> int:
    """Bytes of all files in a folder. ffmpeg's own -fs ends a file with success (FACTS §5), and the kernel's limit is
    one of each file. Blocks."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += Path(parent, name).lstat().st_size
    return total


def _too_large(limits: Limits) -> str:
    return f"the output is larger than the {limits.output_bytes / 1024**3:.3g} GiB that a node may write"


async def _end(process: asyncio.subprocess.Process) -> None:
    """SIGTERM to the group, SIGKILL after a while or at a second cancellation, and the child reaped."""
    if process.returncode is None:
        _signal(process.pid, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), KILL_AFTER_S)
        except TimeoutError:
            pass
        finally:
            # Nothing is left of the group in the good case, and that is no error.
            _signal(process.pid, signal.SIGKILL)
        await process.wait()
    else:
        _signal(process.pid, signal.SIGKILL)


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
