"""What processes use, read from outside: processor time of whole trees, memory, peaks."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Self

import psutil

SAMPLE_S = 0.1


def tree(pid: int) -> list[psutil.Process]:
    """The process and everything under it."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    return []


def kill_tree(pid: int) -> None:
    """SIGKILL to all of them, the root first: it must not see its children die."""
    for process in tree(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def cpu_seconds(pids: Iterable[int]) -> float:
    """Processor time so far of these trees, with that of children that have ended and were waited for."""
    total = 0.0
    seen: set[int] = set()
    for pid in pids:
        for process in tree(pid):
            if process.pid in seen:
                continue
            seen.add(process.pid)
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
    return total


def forget_peaks(pids: Iterable[int]) -> None:
    """Lets `peak_bytes` count from now (Linux)."""
    for pid in pids:
        with contextlib.suppress(OSError):
            Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_bytes(pid: int) -> int:
    """The most memory that the process has had resident (Linux: VmHWM); 0 if it is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


class ChildWatch:
    """Looks at the children of some processes every 100 ms, for they are gone when the figures are read: the largest
    resident memory by program name. What lives for less than that may be missed."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._pids = tuple(pids)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.peaks: dict[str, int] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(5)

    def _look(self) -> None:
        while not self._over.wait(SAMPLE_S):
            for pid in self._pids:
                for process in tree(pid)[1:]:
                    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                        name = process.name()
                        self.peaks[name] = max(self.peaks.get(name, 0), process.memory_info().rss)
