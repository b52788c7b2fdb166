"""How every service process lives: settings, logs, store, objects, bus, health, signals, a clean end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog
import uvloop
from pydantic import ValidationError
from tenacity import AsyncRetrying, retry_if_exception, wait_exponential_jitter

from shared.adapters.s3.settings import S3Settings
from shared.adapters.s3.store import S3ObjectStore
from shared.adapters.state_url import BadStateUrl, open_state
from shared.bus.bus import Bus
from shared.bus.errors import BusUnavailable
from shared.clock import Clock, SystemClock
from shared.errors import ReelwayError
from shared.health import Health
from shared.logging import configure_logging
from shared.model import collections
from shared.ports.state import StateStore, StateUnavailable
from shared.settings import ServiceSettings
from shared.state.records import Records

log = structlog.get_logger(__name__)
T = TypeVar("T")

COLLECT_AFTER = 10_000
"""New objects between two looks for cycles: some megabytes."""


@dataclass
class Runtime:
    """What a service is built from. `background` runs until the end; `on_stop` is awaited before it is cancelled."""

    service: str
    settings: ServiceSettings
    clock: Clock
    store: StateStore
    records: Records
    objects: S3ObjectStore
    bus: Bus
    health: Health
    object_settings: S3Settings = field(default_factory=S3Settings)
    background: list[Coroutine[Any, Any, None]] = field(default_factory=list)
    on_stop: list[Callable[[], Awaitable[None]]] = field(default_factory=list)


Build = Callable[[Runtime], Awaitable[None]]


def run_service(service: str, settings_type: type[ServiceSettings], build: Build) -> None:
    """Runs a service until SIGTERM or SIGINT. A bad setting ends the process with its name and the rule."""
    try:
        settings = settings_type()
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            name = "REELWAY_" + "_".join(str(part) for part in problem["loc"]).upper()
            sys.stderr.write(f"{name}: {problem['msg']}\n")
        sys.exit(2)
    configure_logging(service, settings.log_level)
    log.info("starting", settings=settings.model_dump(mode="json"))
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(service, settings, build))
    except* BadStateUrl as errors:
        sys.stderr.write(f"{errors.exceptions[0]}\n")
        sys.exit(2)


async def while_store_away(call: Callable[[], Awaitable[T]]) -> T:
    """Repeats a call for as long as it takes, saying so, while its error is retryable. For a service's start only."""
    async for attempt in AsyncRetrying(
        retry=retry_if_exception(lambda error: isinstance(error, ReelwayError) and error.retryable),
        wait=wait_exponential_jitter(multiplier=0.2, max=5),
        before_sleep=lambda state: log.warning(
            "state store unavailable, waiting", error=str(state.outcome.exception()) if state.outcome else ""
        ),
        reraise=True,
    ):
        with attempt:
            return await call()
    raise AssertionError("unreachable: retries are unbounded")


async def _serve(service: str, settings: ServiceSettings, build: Build) -> None:
    stop = asyncio.Event()
    started = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    main = asyncio.create_task(_live(service, settings, build, started, stop), name="service")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    await asyncio.wait({main, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not main.done():
        # A service that is still waiting for its store has nothing to bring to an end.
        await asyncio.wait({main}, timeout=settings.stop_timeout_s if started.is_set() else 0.1)
        main.cancel()
    stopping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await main
    log.info("stopped")


async def _live(
    service: str, settings: ServiceSettings, build: Build, started: asyncio.Event, stop: asyncio.Event
) -> None:
    health = Health(service)

    async def start_check() -> None:
        if not started.is_set():
            raise StateUnavailable("the service is starting")

    health.add("start", start_check)
    async with asyncio.TaskGroup() as group:
        serving = (
            [group.create_task(health.serve(settings.health_host, settings.health_port), name="health")]
            if settings.health_port
            else []
        )
        store = await _open_store(settings)
        objects_settings = S3Settings(
            endpoint_url=settings.s3_endpoint,
            access_key=settings.s3_access_key.get_secret_value() or None,
            secret_key=settings.s3_secret_key.get_secret_value() or None,
            region=settings.region,
        )
        async with S3ObjectStore(objects_settings) as objects:
            clock = SystemClock()
            bus = Bus(settings, service, clock)

            async def bus_check() -> None:
                if bus.trouble:
                    raise BusUnavailable(bus.trouble)

            health.add("state", store.ping)
            health.add("objects", objects.ping)
            health.add("bus", bus_check)
            runtime = Runtime(service, settings, clock, store, Records(store), objects, bus, health, objects_settings)
            await build(runtime)
            tasks = [group.create_task(bus.run(), name="bus")]
            tasks += [group.create_task(work) for work in runtime.background]
            started.set()
            _spare_collector()
            log.info("started")
            await stop.wait()
            log.info("stopping")
            for callback in runtime.on_stop:
                await callback()
            for task in (*tasks, *serving):
                task.cancel()
            await asyncio.wait({*tasks, *serving})
        await store.close()


def _spare_collector() -> None:
    """What was imported and built until now lives as long as the process, so the collector need not look through it
    again and again; and it comes less often than after every 700 new objects, few of which are ever part of a cycle.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 20, 20)


async def _open_store(settings: ServiceSettings) -> StateStore:
    return await while_store_away(lambda: open_state(settings.state_url, collections.ALL))
