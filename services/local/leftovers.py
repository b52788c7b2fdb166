"""Finds and kills processes of a launch, also those that no process of ours is the parent of any more.

Every child gets `REELWAY_LAUNCH=<launch id>/<name>` in its environment and is the leader of its own session. What it
starts has inherited at least one of the two, unless it was given both a new environment and a new session.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Collection

import psutil

MARK = "REELWAY_LAUNCH"


def find(mark: str, sessions: Collection[int] = ()) -> list[psutil.Process]:
    """Processes whose mark starts with `mark` or whose session is one of `sessions`, but never this process."""
    me = os.getpid()
    return [process for process in psutil.process_iter() if process.pid != me and _belongs(process, mark, sessions)]


def _belongs(process: psutil.Process, mark: str, sessions: Collection[int]) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        if sessions and os.getsid(process.pid) in sessions:
            return True
        return (process.environ().get(MARK, "") + "/").startswith(mark + "/")
    except (psutil.Error, OSError):
        return False  # gone, or not ours to look at


def kill(mark: str, sessions: Collection[int] = (), timeout_s: float = 5) -> int:
    """Kills them with SIGKILL until none is left, and says how many there were."""
    killed: set[int] = set()
    deadline = time.monotonic() + timeout_s
    while (processes := find(mark, sessions)) and time.monotonic() < deadline:
        for process in processes:
            killed.add(process.pid)
            try:
                process.send_signal(signal.SIGKILL)
            except psutil.Error:
                continue
        psutil.wait_procs(processes, timeout=0.2)
    return len(killed)
