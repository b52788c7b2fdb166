"""How the scheduler is wired."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial

import structlog

from services.scheduler.clock_watch import ClockWatch
from services.scheduler.hints import Hints
from services.scheduler.orchestrator import Orchestrator
from services.scheduler.settings import SchedulerSettings
from shared.bus.subscription import Subscription
from shared.errors import ReelwayError
from shared.messages.codec import decode
from shared.messages.messages import RunRequested, TaskEnded
from shared.model.task import Lane
from shared.runtime import Runtime
from shared.state.task_queue import TaskQueue

SERVICE = "scheduler"
log = structlog.get_logger(__name__)

CLOCK_SETTLES_S = 30.0
"""How long other processes may still go by the time before a jump: they ask a store that is a server so seldom."""


async def build(runtime: Runtime) -> None:
    """Subscribes to run requests and task results, and sweeps."""
    settings = runtime.settings
    if not isinstance(settings, SchedulerSettings):
        raise TypeError("the scheduler needs SchedulerSettings")
    bus = runtime.bus
    queue = TaskQueue(runtime.records, timedelta(seconds=settings.lease_s))
    orchestrator = Orchestrator(runtime.records, queue, bus, bus.topics, hint=bus.hint)
    bus.declare_topics(bus.topics.run_events, *(bus.topics.tasks(lane) for lane in Lane))
    bus.subscribe(
        Subscription(
            bus.topics.runs,
            partial(decode, RunRequested),
            orchestrator.requested,
            service=SERVICE,
            clock=runtime.clock,
        )
    )
    bus.subscribe(
        Subscription(
            bus.topics.task_events,
            partial(decode, TaskEnded),
            orchestrator.ended,
            service=SERVICE,
            clock=runtime.clock,
        )
    )
    hints = Hints(orchestrator)
    bus.on_hint(bus.topics.task_events, hints.put)
    runtime.background.append(hints.follow())
    runtime.background.append(sweep_forever(orchestrator, settings))


async def sweep_forever(orchestrator: Orchestrator, settings: SchedulerSettings) -> None:
    """Looks for due timers and expired leases until cancelled; a store that is away is waited for.

    Leases are not taken back right after the store was away, its clock jumped, or this process slept: their holders
    could not renew them either, or renewed them on another time, and get the time of a lease to do so.
    """
    loop = asyncio.get_running_loop()
    watch = ClockWatch(loop.time, timedelta(seconds=settings.lease_s / 4))
    spare_until = looked = loop.time()
    while True:
        if loop.time() - looked > settings.lease_s / 2:
            spare_until = loop.time() + settings.lease_s
        try:
            if jump := watch.jumped(await orchestrator.now()):
                log.warning("the store's clock has jumped, leases are spared", by_s=round(jump.total_seconds(), 1))
                spare_until = loop.time() + settings.lease_s + CLOCK_SETTLES_S
            if loop.time() >= spare_until:
                await orchestrator.take_back_leases()
            while await orchestrator.sweep(settings.sweep_batch) == settings.sweep_batch:
                pass
        except ReelwayError as error:
            log.warning("sweep failed", error=str(error), code=error.code)
            if error.retryable:
                spare_until = loop.time() + settings.lease_s
        looked = loop.time()
        await asyncio.sleep(settings.sweep_interval_s)
