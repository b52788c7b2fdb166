"""Becomes another program that dies with its parent and has limits:
`python -I -S launch.py PARENT_PID ADDRESS_SPACE_BYTES CPU_SECONDS PROGRAM ARG...`.

A program of its own rather than a function between fork and exec, which may deadlock in a process with threads.
Only the standard library. On systems without PR_SET_PDEATHSIG it just sets the limits and becomes the program.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def _limit(which: int, wanted: int) -> None:
    """Lowers a limit; one that is lower already stays."""
    _, hard = resource.getrlimit(which)
    value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with contextlib.suppress(ValueError, OSError):  # macOS refuses to limit the address space
        resource.setrlimit(which, (value, value))


def main(argv: list[str]) -> None:
    """Never returns unless the program cannot be started."""
    parent, address_space, cpu_s, program = int(argv[1]), int(argv[2]), int(argv[3]), argv[4:]
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        # The parent may have died before the call, and then no signal ever comes.
        if os.getppid() != parent:
            sys.exit(1)
    _limit(resource.RLIMIT_AS, address_space)
    _limit(resource.RLIMIT_CPU, cpu_s)
    _limit(resource.RLIMIT_CORE, 0)
    os.execv(program[0], program)  # noqa: S606 -- becoming the program is the purpose


if __name__ == "__main__":
    main(sys.argv)
