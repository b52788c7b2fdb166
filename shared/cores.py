"""How many CPUs this process may use, which in a container is not what the machine has."""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
"""Where a container finds its own control group (v2: `cpu.max`; v1: two files under `cpu`)."""


def cores(cgroups: Path = CGROUPS) -> int:
    """At least one. Those that the process is bound to, and no more than its control group's quota, rounded up: a
    worker with `--cpus 2` on a machine with 64 must neither take 64 tasks nor start 64 threads."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota(cgroups)
    return max(min(bound, math.ceil(quota)) if quota else bound, 1)


def _quota(cgroups: Path) -> float | None:
    """CPUs, or None without a limit."""
    try:
        words = (cgroups / "cpu.max").read_text().split()
    except OSError:
        words = _words_of_version_1(cgroups / "cpu")
    try:
        quota, period = (int(word) for word in words)
    except ValueError:  # `max`, or nothing
        return None
    return quota / period if quota > 0 and period > 0 else None


def _words_of_version_1(folder: Path) -> list[str]:
    try:
        return [(folder / name).read_text().strip() for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us")]
    except OSError:
        return []
