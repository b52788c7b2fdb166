"""Which sink each kind of subscription has, by the settings."""

from __future__ import annotations

import random
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Self

from services.notifier.settings import NotifierSettings
from services.notifier.sinks.base import Sink
from services.notifier.sinks.calls import HttpCaller
from services.notifier.sinks.cmq import CmqSink
from services.notifier.sinks.function import FunctionSink
from services.notifier.sinks.http import HttpSink
from services.notifier.sinks.kafka import Publisher, QueueSink
from services.notifier.sinks.sqs import SqsSink
from shared.adapters.aws import Aws
from shared.addresses import read_networks
from shared.messages.topics import Topics
from shared.model.pipeline import SinkType

LOOKUPS_PER_SLOT = 4
"""The system's resolver may take 30 s (5 s, two tries, three servers: resolv.conf(5)) where an attempt ends after 10 s:
a slot that meets hanging names again and again has at most so many lookups behind it."""
_ANYWHERE = read_networks(("0.0.0.0/0", "::/0"))
"""For what the operator names: it may well be inside."""


class Sinks:
    """All sinks of one process."""

    def __init__(self, by_type: Mapping[SinkType, Sink], stack: AsyncExitStack) -> None:
        self.by_type = by_type
        self._stack = stack

    @classmethod
    def of(cls, settings: NotifierSettings, publisher: Publisher, topics: Topics, rng: random.Random) -> Self:
        """Opens nothing yet: connections are made when they are needed."""
        timeout_s, most = settings.callback_timeout_s, LOOKUPS_PER_SLOT * settings.in_flight
        http = HttpSink(read_networks(settings.allowed_networks), timeout_s=timeout_s, most_lookups=most)
        trusted = HttpCaller(_ANYWHERE, timeout_s=timeout_s, most_lookups=most)
        aws = Aws(timeout_s=timeout_s, most=max(64, 2 * settings.in_flight))
        queue: Sink = QueueSink(publisher, topics)
        if settings.cmq_endpoint and settings.has_cmq():
            queue = CmqSink(
                trusted,
                settings.cmq_endpoint,
                settings.cmq_secret_id,
                settings.cmq_secret_key.get_secret_value(),
                max_bytes=settings.cmq_max_bytes,
                rng=rng,
            )
        sqs = SqsSink(
            aws,
            endpoint=settings.sqs_endpoint,
            access_key=settings.sqs_access_key,
            secret_key=settings.sqs_secret_key.get_secret_value(),
            max_bytes=settings.sqs_max_bytes,
        )
        stack = AsyncExitStack()
        for close in (http.close, trusted.close, aws.close):
            stack.push_async_callback(close)
        function = FunctionSink(settings.functions, trusted, aws)
        return cls({SinkType.HTTP: http, SinkType.QUEUE: queue, SinkType.SQS: sqs, SinkType.FUNCTION: function}, stack)

    async def close(self) -> None:
        """Closes what is open."""
        await self._stack.aclose()
