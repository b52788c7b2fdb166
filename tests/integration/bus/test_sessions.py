"""A session of the bus that has lost its broker, its topics or its numbers ends, and the next one works."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from services.local.broker import broker_spec
from services.local.ports import PortChoice
from shared.bus.answers import kafka_answers
from shared.bus.bus import Bus
from shared.bus.errors import BusUnavailable
from shared.clock import SystemClock
from shared.settings import ServiceSettings
from tests.eventually import eventually
from tests.peers.kafka import Kafka
from tests.peers.tools import ToolMissing

producer_of: Any = AIOKafkaProducer  # it has no types
TOPIC = "reelway.run-events.v1"


@contextlib.asynccontextmanager
async def running(settings: ServiceSettings) -> AsyncIterator[Bus]:
    """A bus with one topic of one partition, ready."""
    bus = Bus(settings, "test", SystemClock())
    bus.declare_topics(TOPIC, partitions=1)
    task = asyncio.create_task(bus.run())
    try:
        async with asyncio.timeout(30):
            await bus.wait_ready()
        yield bus
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def publish(bus: Bus, body: bytes) -> bool:
    """Whether the broker acknowledged it."""
    try:
        await bus.publish_json(TOPIC, "key", body, {})
    except BusUnavailable:
        return False
    return True


def senders() -> int:
    """How many producers of aiokafka are at work in this process."""
    return sum("_sender_routine" in repr(task.get_coro()) for task in asyncio.all_tasks())


async def bodies(kafka: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(TOPIC, bootstrap_servers=kafka, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(20):
            return [bytes((await consumer.getone()).value or b"") for _ in range(count)]
    finally:
        await consumer.stop()


async def test_a_session_ends_at_once_although_a_message_cannot_be_delivered(tmp_path: Path) -> None:
    port = PortChoice().take()
    spec = broker_spec(tmp_path, tmp_path / "broker.log", port, 1_000_000_000)
    address = f"127.0.0.1:{port}"

    async def start() -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(*spec.argv, cwd=spec.cwd, env=dict(spec.env))
        await eventually(lambda: _answers(address), within_s=20)
        return process

    broker = await start()
    try:
        async with running(ServiceSettings(kafka=address, kafka_forgets=True, fetch_wait_ms=15)) as bus:
            assert await publish(bus, b"before")
            broker.kill()
            await broker.wait()
            began = time.monotonic()
            assert not await publish(bus, b"lost")
            await eventually(lambda: senders() == 0, within_s=5)
            assert time.monotonic() - began < 6
            assert bus.trouble is not None
            broker = await start()
            await eventually(lambda: bus.trouble is None, within_s=30)
            assert await publish(bus, b"after")
            assert senders() == 1
            assert await bodies(address, 1) == [b"after"]
        assert senders() == 0
    finally:
        broker.kill()
        await broker.wait()


async def _answers(address: str) -> bool:
    return await kafka_answers(address) is None


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[Kafka]:
    try:
        broker = Kafka.fetched(tmp_path / "kafka")
    except ToolMissing as missing:
        pytest.skip(str(missing))
    try:
        broker.start()
        yield broker
    finally:
        broker.kill()


def idempotent(kafka: Kafka) -> ServiceSettings:
    return ServiceSettings(kafka=kafka.address, idempotent_producer=True)


@pytest.mark.slow
@pytest.mark.short
async def test_an_idempotent_producer_does_not_outlive_the_topics_it_cannot_deliver_to(kafka: Kafka) -> None:
    async with running(idempotent(kafka)) as bus:
        assert await publish(bus, b"before")
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka.address)
        await admin.start()
        await admin.delete_topics([TOPIC])
        await admin.close()
        pending = asyncio.create_task(publish(bus, b"to nowhere"))
        await eventually(lambda: bus.trouble is not None, within_s=10)
        began = time.monotonic()
        await eventually(lambda: bus.trouble is None, within_s=20)
        assert time.monotonic() - began < 8, "the flush of what cannot be delivered was waited for"
        assert await pending is False
        assert senders() == 1
        assert await publish(bus, b"after")
        assert await bodies(kafka.address, 1) == [b"after"]


@pytest.mark.slow
@pytest.mark.short
async def test_a_producer_whose_id_somebody_else_has_is_replaced(kafka: Kafka) -> None:
    """A cluster that was lost as a whole gives ids out again from the first; an older producer may still use one."""
    await _make_topic(kafka)
    older = producer_of(bootstrap_servers=kafka.address, enable_idempotence=True)
    await older.start()
    try:
        for _ in range(3):
            await older.send_and_wait(TOPIC, b"older")
        await asyncio.to_thread(kafka.lose)
        async with running(idempotent(kafka)) as bus:
            for _ in range(2):
                await older.send_and_wait(TOPIC, b"older")
            assert not await publish(bus, b"refused"), "both have the same id, the sequence is the older one's"
            await eventually(lambda: publish(bus, b"new"), within_s=20, every_s=0.2)
            assert await bodies(kafka.address, 3) == [b"older", b"older", b"new"]
    finally:
        await older.stop()


async def _make_topic(kafka: Kafka) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.address)
    await admin.start()
    await admin.create_topics([NewTopic(TOPIC, 1, 1)])
    await admin.close()
