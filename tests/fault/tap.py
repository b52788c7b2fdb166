"""A hand on the bus: reads all that was said, says it again as often and in whatever order it likes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from shared.messages.topics import Topics
from shared.model.task import Lane

TOPICS = Topics()
GROUPS: Mapping[str, str] = {
    TOPICS.uploads: "trigger",
    TOPICS.runs: "scheduler",
    TOPICS.tasks(Lane.LIGHT): "worker",
    TOPICS.tasks(Lane.MEDIA): "worker",
    TOPICS.task_events: "scheduler",
    TOPICS.run_events: "notifier",
}
"""Every topic that a service of the embedded stack listens to, and which one does."""
_ECHO = ("echo", b"1")
"""A header that keeps an echo from being echoed."""


@dataclass(frozen=True, slots=True)
class Said:
    """One message as it came. `body` None is what Kafka calls a tombstone."""

    topic: str
    key: bytes | None
    body: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


class Tap:
    """Speaks to one broker, with a connection for each call."""

    def __init__(self, servers: str) -> None:
        self._servers = servers

    async def say(self, messages: Iterable[Said], times: int = 1) -> None:
        """Publishes each message so many times, in order; returns when all is acknowledged."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self._servers, acks="all", enable_idempotence=False, max_request_size=2_000_000
        )
        await producer.start()
        try:
            for message in messages:
                for _ in range(times):
                    await producer.send(message.topic, message.body, key=message.key, headers=[*message.headers, _ECHO])
            await producer.flush()
        finally:
            await producer.stop()

    async def hear(self, topics: Sequence[str] = tuple(GROUPS), *, echoes: bool = False) -> list[Said]:
        """All that was ever said on these topics, in the order of its time; without echoes unless asked for."""
        async with self._consumer() as consumer:
            await self._at(consumer, dict.fromkeys(await self._partitions(consumer, topics), 0))
            found = await self._rest(consumer)
        found.sort(key=lambda record: record.timestamp)
        said = [Said(record.topic, record.key, record.value, tuple(record.headers)) for record in found]
        return [message for message in said if echoes or _ECHO not in message.headers]

    async def echo(self, times: int) -> None:
        """Repeats whatever is said, so many times, until cancelled."""
        heard = 0
        while True:
            said = await self.hear()
            await self.say(said[heard:], times)
            heard = len(said)
            await asyncio.sleep(0.2)

    async def unread(self) -> int:
        """How many messages the services have not taken in yet."""
        left = 0
        for topic, service in GROUPS.items():
            async with self._consumer(TOPICS.group(service, topic)) as consumer:
                read = {
                    partition: await consumer.committed(partition) or 0
                    for partition in await self._partitions(consumer, [topic])
                }
                await self._at(consumer, read)
                left += len(await self._rest(consumer))
        return left

    @staticmethod
    async def _at(consumer: AIOKafkaConsumer, offsets: Mapping[TopicPartition, int]) -> None:
        consumer.assign(list(offsets))
        for partition, offset in offsets.items():
            consumer.seek(partition, offset)

    @staticmethod
    async def _rest(consumer: AIOKafkaConsumer) -> list[Any]:
        """What can be read from there on. Reading is the only way to know: the embedded broker's "latest" offset is
        that of the first message of the last batch, not of the last one."""
        found: list[Any] = []
        while batches := await consumer.getmany(timeout_ms=300):
            for batch in batches.values():
                found += batch
        return found

    @asynccontextmanager
    async def _consumer(self, group: str | None = None) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._servers, group_id=group, enable_auto_commit=False, fetch_max_wait_ms=50
        )
        await consumer.start()
        try:
            yield consumer
        finally:
            await consumer.stop()

    async def _partitions(self, consumer: AIOKafkaConsumer, topics: Sequence[str]) -> list[TopicPartition]:
        await consumer._client.force_metadata_update()
        return [
            TopicPartition(topic, partition)
            for topic in topics
            for partition in sorted(consumer.partitions_for_topic(topic) or ())
        ]
