"""Becomes another program that dies with its parent, has limits and no network:
`python -I -S launch.py PARENT_PID ADDRESS_SPACE_BYTES CPU_SECONDS FILE_BYTES ISOLATED PROGRAM ARG...`.

A program of its own rather than a function between fork and exec, which may deadlock in a process with threads.
Only the standard library. On systems other than Linux it just sets the limits and becomes the program. The network is
taken away only where the kernel lets us, as root; `launch.py --check` ends with 0 if it does, with 1 if not.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h
PR_SET_NO_NEW_PRIVS = 38
CLONE_NEWNET = 0x40000000  # linux/sched.h
CPU_TO_DIE_S = 5
"""Between SIGXCPU, which says why, and SIGKILL."""


def _limit(which: int, wanted: int, more: int = 0) -> None:
    """Lowers a limit; one that is lower already stays. The hard one may be `more` higher."""
    _, hard = resource.getrlimit(which)
    most = wanted + more if hard == resource.RLIM_INFINITY else min(wanted + more, hard)
    with contextlib.suppress(ValueError, OSError):  # macOS refuses to limit the address space
        resource.setrlimit(which, (min(wanted, most), most))


def _without_network() -> bool:
    """Moves into a network namespace of our own, where not even the loopback is up. Says whether it could."""
    import ctypes

    return bool(ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) == 0)


def main(argv: list[str]) -> None:
    """Never returns unless the program cannot be started."""
    if argv[1:] == ["--check"]:
        sys.exit(0 if sys.platform == "linux" and _without_network() else 1)
    parent, address_space, cpu_s, file_bytes, isolated = map(int, argv[1:6])
    program = argv[6:]
    if sys.platform == "linux":
        import ctypes

        prctl = ctypes.CDLL(None, use_errno=True).prctl
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        # The parent may have died before the call, and then no signal ever comes.
        if os.getppid() != parent:
            sys.exit(1)
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if isolated:
            _without_network()
    _limit(resource.RLIMIT_AS, address_space)
    _limit(resource.RLIMIT_CPU, cpu_s, CPU_TO_DIE_S)
    _limit(resource.RLIMIT_FSIZE, file_bytes)
    _limit(resource.RLIMIT_CORE, 0)
    # Python ignores it, and an ignored signal stays ignored: a program that is told nothing may go on for ever.
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    os.execv(program[0], program)  # noqa: S606 -- becoming the program is the purpose


if __name__ == "__main__":
    main(sys.argv)
