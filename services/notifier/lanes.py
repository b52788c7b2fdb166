"""Who may send now: a bound over all, a bound per lane (host), and almost nothing for a lane that does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

MAX_IDLE_LANES = 10_000
"""How many idle lanes are remembered (only for whether they answered last time)."""


@dataclass
class _Lane:
    slots: asyncio.Semaphore
    inside: int = 0
    sending: int = 0
    silent: bool = field(default=False)


class Lanes:
    """Slots for sending. What waits for a lane's slot holds none of the slots of all: a slow host delays only itself.

    A lane whose last attempt met silence is tried by one at a time, and nobody queues for it: 32 hanging hosts, not
    eight, would be needed to use up the default of 32 slots.
    """

    def __init__(self, in_flight: int, per_lane: int, waiting: int = 256) -> None:
        self._all = asyncio.Semaphore(in_flight)
        self._per_lane = per_lane
        self._waiting = waiting
        self._lanes: dict[str, _Lane] = {}
        self.inside = 0

    @property
    def room(self) -> int:
        """How many more may enter before the memory's bound is met."""
        return max(self._waiting - self.inside, 0)

    def enter(self, name: str) -> bool:
        """Registers one that wants to send, if it may wait here; each that entered must leave."""
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = _Lane(asyncio.Semaphore(self._per_lane))
        if lane.inside >= (1 if lane.silent else self._waiting // 2):
            return False
        lane.inside += 1
        self.inside += 1
        return True

    def leave(self, name: str) -> None:
        """Takes back `enter`."""
        lane = self._lanes[name]
        lane.inside -= 1
        self.inside -= 1
        if lane.inside == 0 and (not lane.silent or len(self._lanes) > MAX_IDLE_LANES):
            del self._lanes[name]

    def silent(self, name: str) -> bool:
        """Whether the lane's last attempt met silence."""
        lane = self._lanes.get(name)
        return lane is not None and lane.silent

    def heard(self, name: str, answered: bool) -> None:
        """Notes what the last attempt met."""
        self._lanes[name].silent = not answered

    @asynccontextmanager
    async def slot(self, name: str) -> AsyncIterator[bool]:
        """Waits for a slot. False if the lane has become silent meanwhile and somebody else is trying it."""
        lane = self._lanes[name]
        async with lane.slots:
            if lane.silent and lane.sending:
                yield False
                return
            lane.sending += 1
            try:
                async with self._all:
                    yield True
            finally:
                lane.sending -= 1
