"""Calls from processes to servers: each is a request, an effect and an answer, and things may come between them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

from shared.errors import ReelwayError
from tests.fault.simulation.accidents import DEATHS, Accident, Fate, Rates

if TYPE_CHECKING:
    from tests.fault.simulation.process import Process
    from tests.fault.simulation.timeline import Timeline
    from tests.fault.simulation.trace import Trace

T = TypeVar("T")
Effect = Callable[[], T]

TIMEOUT_S = (0.2, 5.0)
"""After how long a caller gives up on a server that does not answer."""
LINGER_S = 20.0
"""For how long a request may be on its way when its caller does not wait any more."""
FREEZE_S = 45.0
"""For how long a process stands still at most: longer than every lease."""


class Server:
    """Something that processes call. `unavailable` makes the error that its callers get."""

    def __init__(self, name: str, unavailable: Callable[[], ReelwayError]) -> None:
        self.name = name
        self.unavailable = unavailable
        self.down_until = 0.0


class Wire:
    """Carries calls, and lets the accidents of the schedule happen to them."""

    def __init__(self, timeline: Timeline, rates: Rates, rng: Random, trace: Trace) -> None:
        self._timeline = timeline
        self._rates = rates
        self._rng = rng
        self._trace = trace
        self._calm = False
        self.fate = Fate(rates, rng)

    def calm(self) -> None:
        """From here on calls only take time."""
        self._calm = True
        self.fate.over()

    async def call(self, server: Server, what: str, about: str, effect: Effect[T]) -> T:
        """One call with one effect. Raises what the effect raises, or that the server is unavailable."""
        fate = self.fate
        fate.calls += 1
        if fate.calls < fate.next and server.down_until <= self._timeline.now and self._rng.random() >= self._rates.hop:
            self._trace.add(what, about)
            return effect()
        [answer] = await self._carry(server, what, about, [effect])
        return answer

    async def call_many(self, server: Server, what: str, about: str, effects: Sequence[Effect[T]]) -> list[T]:
        """One call with several effects, of which any number may have happened when it fails."""
        fate = self.fate
        fate.calls += 1
        if fate.calls < fate.next and server.down_until <= self._timeline.now and self._rng.random() >= self._rates.hop:
            self._trace.add(what, about)
            return [effect() for effect in effects]
        return await self._carry(server, what, about, effects)

    def latency(self) -> float:
        """Most calls take milliseconds."""
        scale = 0.002 if self._rng.random() < 0.95 or self._calm else 0.3
        return self._rng.expovariate(1 / scale)

    async def _carry(self, server: Server, what: str, about: str, effects: Sequence[Effect[Any]]) -> list[Any]:
        loop: Any = asyncio.get_running_loop()
        process: Process = loop.owner
        accident = self.fate.take() if self.fate.calls >= self.fate.next else None
        if accident in DEATHS and not process.may_die():
            accident = None
        answer: asyncio.Future[list[Any]] = loop.create_future()
        rng, now = self._rng, self._timeline.now
        if accident is None and server.down_until > now:
            accident = Accident.FAIL_BEFORE
        self._trace.add(what, f"{about}{' ' + accident.name if accident else ' …'}")
        match accident:
            case None:
                self._timeline.at(now + self.latency(), self._arrive, loop, answer, effects, what, about)
            case Accident.CRAWL:
                when = now + rng.uniform(0.5, 12)
                self._timeline.at(when, self._arrive, loop, answer, effects, what, about)
            case Accident.FREEZE:
                loop.frozen_until = now + rng.uniform(1, FREEZE_S)
                self._timeline.at(
                    now + rng.choice((0.0, 1.0)) * rng.random(), self._arrive, loop, answer, effects, what, about
                )
            case Accident.FAIL_BEFORE:
                self._timeline.at(now + rng.uniform(*TIMEOUT_S), loop.answer, answer, None, server.unavailable())
            case Accident.FAIL_AFTER:
                self._happen(self._some(effects), what, about)
                self._timeline.at(now + rng.uniform(*TIMEOUT_S), loop.answer, answer, None, server.unavailable())
            case Accident.FAIL_MEANWHILE:
                gives_up = now + rng.uniform(*TIMEOUT_S)
                self._timeline.at(gives_up, loop.answer, answer, None, server.unavailable())
                self._timeline.at(gives_up + rng.uniform(0, LINGER_S), self._happen, self._some(effects), what, about)
            case Accident.DIE_BEFORE:
                process.die()
            case Accident.DIE_AFTER:
                self._happen(self._some(effects), what, about)
                process.die()
            case Accident.DIE_MEANWHILE:
                self._timeline.at(now + rng.uniform(0, LINGER_S), self._happen, self._some(effects), what, about)
                process.die()
        return await answer

    def _some(self, effects: Sequence[Effect[Any]]) -> Sequence[Effect[Any]]:
        """All of them, or those that happened before it ended."""
        if len(effects) == 1 or self._rng.random() < 0.3:
            return effects
        return effects[: self._rng.randint(0, len(effects))]

    def _arrive(
        self, loop: Any, answer: asyncio.Future[Any], effects: Sequence[Effect[Any]], what: str, about: str
    ) -> None:
        done: list[Any] = []
        error: BaseException | None = None
        self._trace.add(f"{what}!", about, loop.owner.name)
        for effect in effects:
            try:
                done.append(effect())
            except ReelwayError as refused:
                error = refused
                break
        self._timeline.at(self._timeline.now + self.latency(), loop.answer, answer, done, error)

    def _happen(self, effects: Sequence[Effect[Any]], what: str, about: str) -> None:
        """What was asked is done though nobody waits for it."""
        self._trace.add(f"{what}!!", about)
        for effect in effects:
            try:
                effect()
            except ReelwayError:
                return
