"""The last things that happened, for whoever has to find out why."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fault.simulation.timeline import Timeline


_RUN = re.compile(r"\d+-ScheduleTask-[0-9a-f]*([0-9a-f]{4})tt0")


class Trace:
    """Keeps the last `kept` entries; writing one is cheap, reading them is not."""

    def __init__(self, timeline: Timeline, kept: int) -> None:
        self._timeline = timeline
        self._entries: deque[tuple[float, str, str, str]] = deque(maxlen=kept)
        self.count = 0

    def add(self, what: str, about: str, who: str | None = None) -> None:
        """One thing that happened, done by the running process unless said otherwise."""
        self.count += 1
        if who is None:
            loop = asyncio._get_running_loop()
            who = "world" if loop is None else loop.owner.name  # type: ignore[attr-defined]
        self._entries.append((self._timeline.now, who, what, about))

    def lines(self, last: int | None = None) -> Iterator[str]:
        """The newest `last` entries, oldest first."""
        entries = list(self._entries)
        for when, who, what, about in entries if last is None else entries[-last:]:
            yield f"{when:10.4f}  {who:<12} {what:<18} {short(about)}"


def short(text: str) -> str:
    """The same with run ids cut to four letters."""
    return _RUN.sub(r"run-\1", text)
