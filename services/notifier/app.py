"""How the notifier is wired."""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import socket
from functools import partial

from services.notifier.domain.addresses import read_networks
from services.notifier.service import NotifierService
from services.notifier.settings import NotifierSettings
from services.notifier.sinks.http import HttpSink
from services.notifier.sinks.kafka import QueueSink
from shared.bus.subscription import Subscription
from shared.messages.codec import decode
from shared.messages.messages import RunChanged
from shared.model.pipeline import SinkType
from shared.runtime import Runtime

SERVICE = "notifier"

LOOKUPS_PER_SLOT = 4
"""The system's resolver may take 30 s (5 s, two tries, three servers: resolv.conf(5)) where an attempt ends after 10 s:
a slot that meets hanging names again and again has at most so many lookups behind it."""


async def build(runtime: Runtime) -> None:
    """Subscribes to run events, sweeps and sends."""
    settings = runtime.settings
    if not isinstance(settings, NotifierSettings):
        raise TypeError("the notifier needs NotifierSettings")
    bus = runtime.bus
    http = HttpSink(
        read_networks(settings.allowed_networks),
        timeout_s=settings.callback_timeout_s,
        most_lookups=LOOKUPS_PER_SLOT * settings.in_flight,
    )
    service = NotifierService(
        runtime.records,
        {SinkType.HTTP: http, SinkType.QUEUE: QueueSink(bus, bus.topics)},
        settings,
        owner=f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}",
        clock=runtime.clock,
        rng=random.SystemRandom(),
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
        await http.close()

    runtime.on_stop.append(stop)
