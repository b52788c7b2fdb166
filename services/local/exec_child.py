"""Becomes another program that dies with its parent: `python -I -S exec_child.py PARENT_PID PROGRAM ARG...`.

A program of its own rather than a function between fork and exec, which may deadlock in a process with threads.
Only the standard library: it runs without site-packages. On systems without PR_SET_PDEATHSIG it just becomes the
program, and the guard alone cleans up.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(argv: list[str]) -> None:
    """Never returns unless the program cannot be started."""
    parent, program = int(argv[1]), argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        # The parent may have died before the call, and then no signal ever comes.
        if os.getppid() != parent:
            sys.exit(1)
    os.execv(program[0], program)  # noqa: S606 -- becoming the program is the purpose


if __name__ == "__main__":
    main(sys.argv)
