"""What a subscription's consumer promises, on the embedded broker."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.fetch import FetchRequest

from shared.bus.consumer import Fetches, PatientClient, SubscriptionConsumer
from shared.bus.nudge import Nudged, Nudges
from tests.integration.bus.conftest import make_topic

pytestmark = pytest.mark.timeout(90)
PATIENCE_S = 20.0


@asynccontextmanager
async def consumer(kafka: str, topic: str, fetches: Fetches | None = None) -> AsyncIterator[SubscriptionConsumer]:
    """A member of the topic's one group."""
    member = SubscriptionConsumer(
        topic,
        fetches=fetches,
        bootstrap_servers=kafka,
        group_id=f"group-{topic}",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        fetch_max_wait_ms=20,
    )
    await member.start()
    try:
        yield member
    finally:
        await member.stop()


@asynccontextmanager
async def producer(kafka: str) -> AsyncIterator[AIOKafkaProducer]:
    sender = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", enable_idempotence=False)
    await sender.start()
    try:
        yield sender
    finally:
        await sender.stop()


async def publish(kafka: str, topic: str, *bodies: str) -> None:
    """All to one partition, in order."""
    async with producer(kafka) as sender:
        for body in bodies:
            await sender.send_and_wait(topic, body.encode(), partition=0)


async def read(member: SubscriptionConsumer, count: int = 1) -> list[str]:
    """At least so many, without committing anything."""
    found: list[str] = []
    async with asyncio.timeout(30):
        while len(found) < count:
            for records in (await member.getmany()).values():
                found += [record.value.decode() for record in records]
    return found


async def test_records_are_handed_out_as_soon_as_a_nudge_comes(kafka: str, tmp_path: Path) -> None:
    topic = await make_topic(kafka, f"nudged-{uuid.uuid4().hex}")
    nudged = Nudged(tmp_path, topic)
    nudges = Nudges(tmp_path)
    fetches = Fetches(nudged, patience_s=PATIENCE_S, pace_s=0.002)
    loop = asyncio.get_running_loop()
    async with consumer(kafka, topic, fetches) as member, producer(kafka) as sender:
        await sender.send_and_wait(topic, b"first", partition=0)
        nudges.nudge([topic])
        assert await read(member) == ["first"]
        sent = Counting(member)
        for number in range(5):
            reading = asyncio.create_task(read(member))
            await asyncio.sleep(0.2)  # it waits, and asks nothing meanwhile
            began = loop.time()
            await sender.send_and_wait(topic, str(number).encode(), partition=0)
            nudges.nudge([topic])
            assert await reading == [str(number)]
            assert loop.time() - began < PATIENCE_S / 4
        assert sent.fetches <= 3 * 5 + 1
    nudges.close()
    nudged.close()


class Counting:
    """Counts the fetches that reach the broker."""

    def __init__(self, member: SubscriptionConsumer) -> None:
        self.fetches = 0
        client: Any = member._client
        assert isinstance(client, PatientClient)
        original = client._client.send

        async def send(node_id: int, request: Any, **options: Any) -> Any:
            self.fetches += isinstance(request, FetchRequest)
            return await original(node_id, request, **options)

        client._client.send = send


async def test_a_consumer_that_is_far_behind_catches_up(kafka: str, tmp_path: Path) -> None:
    """The embedded broker answers with nothing when it cannot read all that is there within the wait of a fetch."""
    count = 6000
    topic = await make_topic(kafka, f"behind-{uuid.uuid4().hex}")
    async with producer(kafka) as sender:
        for _ in range(count):
            await sender.send_and_wait(topic, b"x" * 300, partition=0)
    nudged = Nudged(tmp_path, topic)
    async with consumer(kafka, topic, Fetches(nudged, patience_s=PATIENCE_S, pace_s=0.002)) as member:
        assert len(await read(member, count)) == count
    nudged.close()


async def test_what_nobody_nudges_for_is_found_after_the_patience(kafka: str, tmp_path: Path) -> None:
    topic = await make_topic(kafka, f"unnudged-{uuid.uuid4().hex}")
    nudged = Nudged(tmp_path, topic)
    async with consumer(kafka, topic, Fetches(nudged, patience_s=0.1, pace_s=0)) as member:
        reading = asyncio.create_task(read(member))
        await asyncio.sleep(0.5)
        await publish(kafka, topic, "x")
        assert await asyncio.wait_for(reading, 5) == ["x"]
    nudged.close()


async def committed(kafka: str, topic: str) -> int | None:
    """Where the topic's group would go on in partition 0; None for the beginning."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        offsets = await admin.list_consumer_group_offsets(f"group-{topic}", partitions=[TopicPartition(topic, 0)])
    finally:
        await admin.close()
    [found] = offsets.values()
    return None if found.offset < 0 else int(found.offset)


async def test_what_was_handled_is_committed_by_a_stop(kafka: str) -> None:
    topic = await make_topic(kafka, f"handled-{uuid.uuid4().hex}")
    await publish(kafka, topic, "1", "2")
    async with consumer(kafka, topic) as member:
        assert await read(member, 2) == ["1", "2"]
        await member.commit()
    assert await committed(kafka, topic) == 2


async def test_what_was_only_handed_out_is_not_committed(kafka: str) -> None:
    topic = await make_topic(kafka, f"handed-{uuid.uuid4().hex}")
    await publish(kafka, topic, "1")
    async with consumer(kafka, topic) as member:
        assert await read(member) == ["1"]
        await member.commit()
        await publish(kafka, topic, "2")
        assert await read(member) == ["2"]
    assert await committed(kafka, topic) == 1


async def test_a_batch_that_is_given_back_is_not_committed_with_a_later_one(kafka: str) -> None:
    topic = await make_topic(kafka, f"back-{uuid.uuid4().hex}")
    await publish(kafka, topic, "1")
    async with consumer(kafka, topic) as member:
        [(partition, records)] = (await member.getmany(timeout_ms=10_000)).items()
        member.seek(partition, records[0].offset)
        await member.commit()  # as after a batch of another partition
        assert await read(member) == ["1"]
    assert await committed(kafka, topic) is None


async def test_handled_offsets_reach_the_broker_by_themselves(kafka: str) -> None:
    topic = await make_topic(kafka, f"late-{uuid.uuid4().hex}")
    await publish(kafka, topic, "1")
    async with consumer(kafka, topic) as member:
        [partition] = (await member.getmany(timeout_ms=10_000)).keys()
        await member.commit()
        async with asyncio.timeout(10):
            while await member.committed(partition) != 1:
                await asyncio.sleep(0.05)


async def test_the_embedded_broker_does_not_wake_a_waiting_fetch(kafka: str) -> None:
    """Why there are nudges: when a new version of the broker fails here, they can go."""
    topic = await make_topic(kafka, f"fact-{uuid.uuid4().hex}")
    plain = AIOKafkaConsumer(topic, bootstrap_servers=kafka, fetch_max_wait_ms=2000, auto_offset_reset="earliest")
    await plain.start()
    loop = asyncio.get_running_loop()
    try:
        await plain.getmany(timeout_ms=300)  # its first fetch is on its way and finds nothing
        began = loop.time()
        await publish(kafka, topic, "x")
        assert await plain.getmany(timeout_ms=10_000)
        assert loop.time() - began > 0.4
    finally:
        await plain.stop()
