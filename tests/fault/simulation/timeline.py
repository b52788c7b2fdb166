"""Virtual time: everything that will happen, in the order of its moment."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from tests.builders import T0


class Entry:
    """One call that is to happen. `call` is None once it was cancelled."""

    __slots__ = ("args", "call", "number", "when")

    def __init__(self, when: float, number: int, call: Callable[..., None], args: tuple[Any, ...]) -> None:
        self.when = when
        self.number = number
        self.call: Callable[..., None] | None = call
        self.args = args

    def __lt__(self, other: Entry) -> bool:
        return (self.when, self.number) < (other.when, other.number)

    def cancel(self) -> None:
        """It will not happen."""
        self.call = None
        self.args = ()


class Timeline:
    """Moments are seconds since the start. Equal moments keep the order in which they were asked for."""

    def __init__(self) -> None:
        self.now = 0.0
        self.steps = 0
        self._heap: list[tuple[float, int, Entry]] = []
        self._count = 0

    def at(self, when: float, call: Callable[..., None], *args: Any) -> Entry:
        """Lets something happen at a moment, now at the earliest."""
        self._count += 1
        when = max(when, self.now)
        entry = Entry(when, self._count, call, args)
        heapq.heappush(self._heap, (when, self._count, entry))
        return entry

    def after(self, delay: float, call: Callable[..., None], *args: Any) -> Entry:
        """Lets something happen after a delay."""
        return self.at(self.now + delay, call, *args)

    def step(self) -> bool:
        """Lets the next thing happen; False if nothing ever will."""
        heap = self._heap
        while heap:
            when, _, entry = heapq.heappop(heap)
            call = entry.call
            if call is None:
                continue
            self.now = when
            self.steps += 1
            call(*entry.args)
            return True
        return False

    def instant(self) -> datetime:
        """The moment as the wall clock shows it."""
        return T0 + timedelta(seconds=self.now)
