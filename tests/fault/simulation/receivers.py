"""The other side of HTTP callbacks: answers, refuses, hangs, asks for patience, or says that it is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any

from services.notifier.domain.notice import Notice, Report
from shared.errors import ReelwayError
from tests.fault.simulation.accidents import Rates
from tests.fault.simulation.wire import Server, Wire

if TYPE_CHECKING:
    from tests.fault.simulation.world import World


class Receivers:
    """All receivers. `received` is told of every notification that arrives, with its id, target and body."""

    def __init__(self, wire: Wire, rates: Rates, rng: Random, received: Callable[[str, str, bytes], None]) -> None:
        self.server = Server("receiver", lambda: ReelwayError("the receiver cannot be reached"))
        self.calm = False
        self.gone: set[str] = set()
        """Deliveries that were answered by 410."""
        self._wire = wire
        self._rates = rates
        self._rng = rng
        self._received = received

    async def post(self, notice: Notice, timeout_s: float) -> Report:
        """One attempt, within its time."""
        trouble = not self.calm and self._rng.random() < self._rates.receiver_trouble
        kind = self._rng.choice(("refuses", "hangs", "hears and hangs", "wait", "gone", "slow")) if trouble else ""
        if kind in ("hangs", "hears and hangs"):
            if kind == "hears and hangs":
                self._received(notice.id, notice.target, notice.body)
            await asyncio.sleep(timeout_s)
            return Report(delivered=False, error=f"no answer within {timeout_s:g} s", answered=False)
        if kind == "slow":
            await asyncio.sleep(self._rng.uniform(0, timeout_s))
        try:
            return await self._wire.call(
                self.server, f"POST {kind}".rstrip(), notice.id, lambda: self._answer(notice, kind)
            )
        except ReelwayError as error:
            return Report(delivered=False, error=str(error), answered=False)

    def _answer(self, notice: Notice, kind: str) -> Report:
        match kind:
            case "refuses":
                return Report(delivered=False, status=500, error="HTTP 500")
            case "wait":
                return Report(delivered=False, status=429, error="HTTP 429", retry_after=timedelta(seconds=7))
            case "gone":
                self.gone.add(notice.id)
                return Report(delivered=False, status=410, error="HTTP 410", gone=True)
            case _:
                self._received(notice.id, notice.target, notice.body)
                return Report(delivered=True, status=200)


class SimulatedHttpSink:
    """Stands in for `HttpSink`: takes what it is made with, calls no network."""

    def __init__(self, world: World, timeout_s: float) -> None:
        self._world = world
        self._timeout_s = timeout_s

    def lane(self, target: str) -> str:
        """Each target is a host of its own."""
        return target

    async def send(self, notice: Notice) -> Report:
        """Tries once."""
        return await self._world.receivers.post(notice, self._timeout_s)

    async def close(self) -> None:
        """Nothing is open."""


def sink_maker(world: Callable[[], World]) -> Callable[..., SimulatedHttpSink]:
    """What is called instead of `HttpSink`."""

    def make(_allowed: Any = (), *, timeout_s: float = 10.0, **_: Any) -> SimulatedHttpSink:
        return SimulatedHttpSink(world(), timeout_s)

    return make
