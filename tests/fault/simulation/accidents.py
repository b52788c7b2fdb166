"""What may go wrong in a schedule, and how often: drawn from its seed, over at a known moment."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum, auto
from random import Random


class Accident(Enum):
    """What can happen to one call from a process to a server (store, bus, object storage)."""

    DIE_BEFORE = auto()
    """The process dies; the server never hears of the call."""
    DIE_AFTER = auto()
    """The server does what was asked; the process dies before it knows."""
    DIE_MEANWHILE = auto()
    """The process dies while the call is on its way; the server does what was asked later."""
    FAIL_BEFORE = auto()
    """The server is said to be unavailable, and nothing was done."""
    FAIL_AFTER = auto()
    """The server is said to be unavailable, although it did what was asked."""
    FAIL_MEANWHILE = auto()
    """The caller gives up; the server does what was asked later."""
    FREEZE = auto()
    """The process stands still for a while, with the answer waiting (SIGSTOP, a long pause)."""
    CRAWL = auto()
    """The call takes seconds."""


DEATHS = (Accident.DIE_BEFORE, Accident.DIE_AFTER, Accident.DIE_MEANWHILE)
FAILURES = (Accident.FAIL_BEFORE, Accident.FAIL_AFTER, Accident.FAIL_MEANWHILE)
DELAYS = (Accident.FREEZE, Accident.CRAWL)


@dataclass(frozen=True, slots=True)
class Rates:
    """How often what goes wrong, until the moment `until`; afterwards everything works.

    `*_every` are mean numbers of calls between two accidents of the kind, `*_every_s` mean seconds; infinity is never.
    `lost`, `doubled` and `late` are shares of messages; `hop` is the share of calls during which others get a
    turn, `slow_work` the share of attempts that take about as long as a lease. Commands are no accidents, but come as
    unexpected.
    """

    until: float = 0.0
    hop: float = 0.3
    death_every: float = math.inf
    failure_every: float = math.inf
    delay_every: float = math.inf
    lost: float = 0.0
    doubled: float = 0.0
    late: float = 0.0
    forgetting_every_s: float = math.inf
    outage_every_s: float = math.inf
    stop_every_s: float = math.inf
    receiver_trouble: float = 0.0
    work_trouble: float = 0.0
    slow_work: float = 0.0
    lost_events: float = 0.0
    command_every_s: float = math.inf

    @classmethod
    def draw(cls, rng: Random) -> Rates:
        """Some schedules are calm, some have one kind of trouble, some have all of it at once."""
        until = rng.choice((0.0, 5.0, 15.0, 30.0, 60.0))
        hop = rng.choice((0.05, 0.2, 0.4, 0.8))
        if until == 0.0:
            return cls(hop=hop, work_trouble=rng.choice((0.0, 0.3)), command_every_s=rng.choice((2.0, math.inf)))
        one_in = rng.choice((1.0, 2.0, 4.0))

        def has() -> bool:
            return rng.random() < 1 / one_in

        never = math.inf
        return cls(
            until=until,
            hop=hop,
            death_every=rng.choice((20.0, 60.0, 200.0)) if has() else never,
            failure_every=rng.choice((10.0, 40.0, 200.0)) if has() else never,
            delay_every=rng.choice((20.0, 100.0, 300.0)) if has() else never,
            lost=rng.choice((0.1, 0.5, 1.0)) if has() else 0.0,
            doubled=rng.choice((0.1, 0.5)) if has() else 0.0,
            late=rng.choice((0.1, 0.5)) if has() else 0.0,
            forgetting_every_s=rng.choice((5.0, 20.0)) if has() else never,
            outage_every_s=rng.choice((10.0, 30.0)) if has() else never,
            stop_every_s=rng.choice((5.0, 20.0)) if has() else never,
            receiver_trouble=rng.choice((0.2, 0.6)) if has() else 0.0,
            work_trouble=rng.choice((0.1, 0.2, 0.5)) if has() or rng.random() < 0.3 else 0.0,
            lost_events=rng.choice((0.3, 1.0)) if has() else 0.0,
            command_every_s=rng.choice((2.0, 10.0)) if has() else never,
        )

    def with_zombies(self, rng: Random) -> Rates:
        """The same, with long work and processes that stand still for long: they come back while another has their
        work. With the usual short work that hardly ever happens."""
        return replace(self, until=120.0, delay_every=rng.choice((20.0, 60.0)), slow_work=rng.choice((0.3, 0.8)))


class Fate:
    """Says for each call whether an accident happens to it."""

    def __init__(self, rates: Rates, rng: Random) -> None:
        self.calls = 0
        self.next = math.inf
        """The number of the call that the next accident happens to."""
        self._rng = rng
        kinds = ((rates.death_every, DEATHS), (rates.failure_every, FAILURES), (rates.delay_every, DELAYS))
        self._every = [(every, choices) for every, choices in kinds if every < math.inf]
        self._due = [self._gap(every) for every, _ in self._every]
        self.next = min(self._due, default=math.inf)

    def _gap(self, every: float) -> int:
        return self.calls + 1 + int(self._rng.expovariate(1 / every))

    def take(self) -> Accident | None:
        """The accident of the present call, if there is one."""
        for index, (every, choices) in enumerate(self._every):
            if self._due[index] <= self.calls:
                self._due[index] = self._gap(every)
                self.next = min(self._due)
                return self._rng.choice(choices)
        return None

    def over(self) -> None:
        """No more accidents."""
        self.next = math.inf
