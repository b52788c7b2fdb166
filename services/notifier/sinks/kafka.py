"""The queue sink: the same JSON as a message of the topic `notify.<queue>`, in order per run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Protocol

from services.notifier.domain import cloudevent
from services.notifier.domain.notice import Notice, Report
from services.notifier.sinks.fitting import fitted
from shared.errors import ReelwayError
from shared.messages.topics import Topics

RETRY_WITHIN = timedelta(minutes=5)
"""The bus is ours: when it is back, nobody waits for hours."""
MAX_BODY_BYTES = 900_000
"""What is longer is sent short. A broker takes 1 MiB (Kafka's `message.max.bytes`) with headers and framing."""


class Publisher(Protocol):
    """The bus, as this sink needs it. Adapter: `shared.bus.bus.Bus`."""

    async def declare(self, topic: str) -> None:
        """Makes sure that the topic is there; cheap when it is known. Raises a ReelwayError."""
        ...

    async def publish_json(self, topic: str, key: str, body: bytes, message_headers: Mapping[str, str]) -> None:
        """Returns when the message is acknowledged. Raises a ReelwayError."""
        ...


class QueueSink:
    """Delivers to a queue, or a topic: one Kafka topic either way, of which every consumer group reads all. Key is the
    run id, so that one consumer sees a run's events in order.

    An event that is longer than the bus takes is sent without its results (contract MPS_EVENTS §2).
    """

    def __init__(self, publisher: Publisher, topics: Topics) -> None:
        self._publisher = publisher
        self._topics = topics

    def lane(self, target: str) -> str:
        """All queues are the one bus, so the lanes are the queues."""
        return f"queue {target}"

    async def send(self, notice: Notice) -> Report:
        """Publishes once; the publisher bounds the time."""
        topic = self._topics.notify(notice.target)
        notice = fitted(notice, MAX_BODY_BYTES, "queue")
        try:
            await self._publisher.declare(topic)
            sent = cloudevent.headers(notice, "ce_")
            await self._publisher.publish_json(topic, notice.run_id, notice.body, sent)
        except ReelwayError as error:
            return Report(delivered=False, error=f"{error.code}: {error}", retry_within=RETRY_WITHIN, answered=False)
        return Report(delivered=True, sent=sent)
