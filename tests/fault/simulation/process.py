"""One service process: started as the real runtime starts it, stopped, frozen, killed, and started again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from shared import runtime
from shared.settings import ServiceSettings
from tests.fault.simulation.process_loop import ProcessLoop

if TYPE_CHECKING:
    from tests.fault.simulation.world import World

RESTART_S = (0.05, 4.0)
"""How long the supervisor takes to start a dead process again."""
LONG_DEAD_S = 40.0
"""How long a process stays away at times: longer than the leases."""


class Process:
    """A place in the deployment that a service runs at. Only one process runs there at a time."""

    def __init__(self, world: World, service: str, name: str, settings: ServiceSettings, build: runtime.Build) -> None:
        self.service = service
        self.name = name
        self.settings = settings
        self.alive = False
        self.deaths = 0
        self._world = world
        self._build = build
        self._generation = 0
        self._stop: asyncio.Event | None = None
        self.loop: ProcessLoop | None = None

    def start(self) -> None:
        """Begins a new life."""
        if self.alive:
            return
        self._generation += 1
        self.alive = True
        loop = ProcessLoop(self._world.timeline, lambda problem: self._world.complain(f"{self.name}: {problem}"))
        loop.owner = self
        self.loop = loop
        self._stop = asyncio.Event()
        life = runtime._live(self.service, self.settings, self._build, asyncio.Event(), self._stop)
        self._world.trace.add("starts", "", self.name)
        task = loop.create_task(life)
        task.add_done_callback(self._ended)

    def _ended(self, life: asyncio.Task[Any]) -> None:
        """The process came to its end by itself: because it was told to, or because of a fault of ours."""
        error = life.exception() if not life.cancelled() else None
        if error is not None or self._stop is None or not self._stop.is_set():
            self._world.complain(f"{self.name} ended by itself: {_told(error)}")
        self._gone("stopped")

    def may_die(self) -> bool:
        """Whether another death is among the accidents of this schedule."""
        return not self._world.calm

    def die(self) -> None:
        """kill -9."""
        if self.alive:
            self.deaths += 1
            self._world.deaths += 1
            self._gone("dies")

    def _gone(self, how: str) -> None:
        self.alive = False
        self._world.trace.add(how, "", self.name)
        if self.loop is not None:
            self.loop.kill()
        self._world.broker.leave(self)
        rng = self._world.rng
        away = LONG_DEAD_S * rng.random() if rng.random() < 0.1 and not self._world.calm else rng.uniform(*RESTART_S)
        self._world.timeline.after(away, self.start)

    def terminate(self) -> None:
        """SIGTERM; after the time that a stop may take, kill -9."""
        if self.alive and self._stop is not None and not self._stop.is_set():
            self._world.trace.add("SIGTERM", "", self.name)
            self._stop.set()
            generation = self._generation
            self._world.timeline.after(self.settings.stop_timeout_s, self._overdue, generation)

    def _overdue(self, generation: int) -> None:
        if self.alive and self._generation == generation:
            self.die()


def _told(error: BaseException | None) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(_told(one) for one in error.exceptions)
    return repr(error)
