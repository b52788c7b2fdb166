"""How the notifier is wired."""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import socket
from functools import partial

from services.notifier.service import NotifierService
from services.notifier.settings import NotifierSettings
from services.notifier.sinks.registry import Sinks
from shared.bus.subscription import Subscription
from shared.messages.codec import decode
from shared.messages.messages import RunChanged
from shared.runtime import Runtime

SERVICE = "notifier"


async def build(runtime: Runtime) -> None:
    """Subscribes to run events, sweeps and sends."""
    settings = runtime.settings
    if not isinstance(settings, NotifierSettings):
        raise TypeError("the notifier needs NotifierSettings")
    bus = runtime.bus
    rng = random.SystemRandom()
    sinks = Sinks.of(settings, bus, bus.topics, rng)
    service = NotifierService(
        runtime.records,
        sinks.by_type,
        settings,
        owner=f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}",
        clock=runtime.clock,
        rng=rng,
    )
    bus.subscribe(
        Subscription(
            bus.topics.run_events,
            partial(decode, RunChanged),
            service.notifications.on_run_changed,
            service=SERVICE,
            clock=runtime.clock,
            # A run in full flight tells several things within milliseconds: take them in together.
            pace_s=0.02,
        )
    )
    runtime.health.tell(service.sweeper.detail)
    runtime.background.append(service.run())

    async def stop() -> None:
        with contextlib.suppress(TimeoutError):
            await service.stop()
        await sinks.close()

    runtime.on_stop.append(stop)
