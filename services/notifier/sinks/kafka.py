"""The queue sink: the same JSON as a message of the topic `notify.<queue>`, in order per run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Protocol

import orjson
import structlog

from services.notifier.domain.notice import Notice, Report
from shared.errors import ReelwayError
from shared.messages.topics import Topics
from shared.model.base import instant_text
from shared.mps.signing import webhook_headers

log = structlog.get_logger(__name__)

EVENT_TYPE = "reelway.notification.v1"
RETRY_WITHIN = timedelta(minutes=5)
"""The bus is ours: when it is back, nobody waits for hours."""
MAX_BODY_BYTES = 900_000
"""What is longer is sent short. A broker takes 1 MiB (Kafka's `message.max.bytes`) with headers and framing."""
TOO_LONG = "the event is too long for the queue: call DescribeTaskDetail for the results"


class Publisher(Protocol):
    """The bus, as this sink needs it. Adapter: `shared.bus.bus.Bus`."""

    async def declare(self, topic: str) -> None:
        """Makes sure that the topic is there; cheap when it is known. Raises a ReelwayError."""
        ...

    async def publish_json(self, topic: str, key: str, body: bytes, message_headers: Mapping[str, str]) -> None:
        """Returns when the message is acknowledged. Raises a ReelwayError."""
        ...


class QueueSink:
    """Delivers to a queue. Key is the run id, so that one consumer sees a run's events in order.

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
        if len(notice.body) > MAX_BODY_BYTES:
            log.warning("event sent without its results", delivery=notice.id, bytes=len(notice.body))
            notice = replace(notice, body=shortened(notice.body))
        try:
            await self._publisher.declare(topic)
            await self._publisher.publish_json(topic, notice.run_id, notice.body, _headers(notice))
        except ReelwayError as error:
            return Report(delivered=False, error=f"{error.code}: {error}", retry_within=RETRY_WITHIN, answered=False)
        return Report(delivered=True)


def shortened(body: bytes) -> bytes:
    """The same envelope without results, saying in `Message` where they are; without metadata too if need be."""
    event: dict[str, Any] = orjson.loads(body)
    task = event[f"{event['EventType']}Event"]
    task["Message"] = f"{task['Message'][:1000]}; {TOO_LONG}" if task["Message"] else TOO_LONG
    for member in task:
        if member.endswith("ResultSet"):
            task[member] = []
        elif member.endswith("TaskResult"):
            task[member] = None
    short = orjson.dumps(event)
    if len(short) > MAX_BODY_BYTES:  # thousands of streams
        task["MetaData"] = None
        short = orjson.dumps(event)
    return short


def _headers(notice: Notice) -> dict[str, str]:
    """CloudEvents 1.0 names as on all our topics, and the same signature as over HTTP."""
    headers = {
        "ce_specversion": "1.0",
        "ce_id": notice.id,
        "ce_type": EVENT_TYPE,
        "ce_source": "/reelway/notifier",
        "ce_time": instant_text(notice.at),
        "ce_subject": notice.run_id,
        "content-type": "application/json",
        **webhook_headers(notice.id, notice.at, notice.body, notice.key),
    }
    if notice.traceparent:
        headers["traceparent"] = notice.traceparent
    return headers
