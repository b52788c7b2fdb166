"""What the supervisor must know about a process to run it. Everything the launcher runs is such data."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

ReadyCheck = Callable[[], Awaitable[str | None]]
"""None when the process does its work, otherwise the reason why not. It must not raise and must end by itself."""


def _nothing() -> None:
    return


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One process: how it is started, when it is ready, how long it may take to end.

    `argv[0]` is an absolute path. `env` is the whole environment. `rss_limit_bytes` is for a process that may be
    restarted whenever it has become too big; None means that its size is only warned about.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    log: Path
    ready: ReadyCheck
    cwd: Path
    grace_s: float = 10
    rss_limit_bytes: int | None = None
    may_crash_at_start: int = 5
    """After so many deaths without ever having been ready, waiting for it is given up."""
    before_start: Callable[[], None] = _nothing
    """Called before every start, also before a restart."""
