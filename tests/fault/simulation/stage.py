"""Puts the simulated world in the place of the real one: what of the product is replaced, and by what.

The services run with their own wiring. Replaced is only what touches the machine: time, threads, disks, sockets.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Iterator, MutableMapping
from datetime import datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import structlog

import services.api.app
import services.notifier.app
import services.notifier.service
import services.notifier.sinks.registry
import services.workers.app
import services.workers.outputs
import shared.runtime
from services.notifier.domain.retries import RetrySchedule
from shared.state.gates import Gates
from tests.fault.simulation.receivers import sink_maker
from tests.fault.simulation.work import SimulatedCache, SimulatedScratch, kinds_maker, unchanged

if TYPE_CHECKING:
    from tests.fault.simulation.world import World

MONOTONIC_START = 100_000.0
"""What the monotonic clocks show at the beginning."""
CALLBACK_STEPS = tuple(timedelta(seconds=seconds) for seconds in (2, 4, 8, 15))
"""Waits between attempts at a delivery: days of them would show nothing that seconds do not."""
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
EXPECTED = ("told to fail", "coroutine ignored GeneratorExit")
"""What complaints in the log tell that a schedule provokes on purpose. The second is of a dead process: Python closes
its coroutines when it collects them, which no kill -9 does."""


class Stage:
    """Where the world of the present schedule is found. One stage serves many schedules, one after another."""

    def __init__(self) -> None:
        self._world: World | None = None

    def present(self) -> World:
        """The world that is being played."""
        if self._world is None:
            raise RuntimeError("nothing is being played")
        return self._world

    @contextlib.contextmanager
    def playing(self, world: World) -> Iterator[None]:
        """Makes it the present one."""
        self._world = world
        before = random.getstate()
        random.seed(world.scenario.seed)
        try:
            yield
        finally:
            random.setstate(before)
            self._world = None

    def monotonic(self) -> float:
        """Seconds on the machine's monotonic clock."""
        return MONOTONIC_START + self.present().timeline.now

    def log(self, _: Any, method: str, event: MutableMapping[str, Any]) -> Any:
        """What the services log goes to the trace; errors are failures of the schedule."""
        world, what = self._world, event.pop("event", "")
        if world is not None:
            about = " ".join(f"{key}={value}" for key, value in event.items())
            world.trace.add(f"log {method}", f"{what} {about}")
            if LEVELS.get(method, 40) >= LEVELS["error"] and not any(text in about for text in EXPECTED):
                world.complain(f"logged as {method}: {what} {about}")
        raise structlog.DropEvent

    @contextlib.contextmanager
    def set(self, verbose: bool = False) -> Iterator[None]:
        """Replaces what has to be replaced, until the end of the context."""
        logging = structlog.get_config()
        structlog.configure(
            processors=[structlog.processors.format_exc_info, self.log],
            wrapper_class=structlog.make_filtering_bound_logger(20 if verbose else 40),
            cache_logger_on_first_use=False,
        )
        replaced: list[tuple[Any, str, Any]] = [
            (time, "monotonic", self.monotonic),
            (time, "perf_counter", self.monotonic),
            # Its clock is a default, taken from `time` when the class was made.
            (Gates.__init__, "__defaults__", (self.monotonic,)),
            (asyncio, "to_thread", _in_place),
            (shared.runtime, "open_state", self._open_state),
            (shared.runtime, "S3ObjectStore", lambda _: self.present().objects),
            (shared.runtime, "Bus", lambda *_: self.present().bus()),
            (shared.runtime, "SystemClock", lambda: _Clock(self)),
            (services.api.app, "create_app", lambda deps: deps),
            (services.api.app, "serve_app", lambda deps, *_: self.present().users.serve(deps)),
            (services.api.app, "Peers", lambda _: SimpleNamespace(aclose=_nothing)),
            (services.workers.app, "Scratch", SimulatedScratch),
            (services.workers.app, "SourceCache", SimulatedCache),
            (services.workers.app, "node_kinds", kinds_maker(self.present)),
            (services.workers.outputs.Stamp, "of", unchanged),
            (services.notifier.sinks.registry, "HttpSink", sink_maker(self.present)),
            (services.notifier.app, "random", SimpleNamespace(SystemRandom=lambda: self.present().rng)),
            (services.notifier.service, "RetrySchedule", partial(RetrySchedule, steps=CALLBACK_STEPS)),
        ]
        with contextlib.ExitStack() as stack:
            for place, name, replacement in replaced:
                stack.enter_context(patch.object(place, name, replacement))
            try:
                yield
            finally:
                structlog.configure(**logging)

    async def _open_state(self, *_: Any) -> Any:
        store = self.present().store
        await store.ping()
        return store


class _Clock:
    """The wall clock of a process: not that of the store."""

    def __init__(self, stage: Stage) -> None:
        self._timeline = stage.present().timeline
        self._off = timedelta(seconds=stage.present().rng.uniform(-120, 120))

    def now(self) -> datetime:
        """Aware UTC."""
        return self._timeline.instant() + self._off


async def _in_place(call: Callable[..., Any], /, *args: Any, **named: Any) -> Any:
    return call(*args, **named)


async def _nothing() -> None:
    pass
