"""What only a bus that keeps its messages can show: `make test-kafka` runs the suite on Apache Kafka."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from services.local.service_specs import SERVICES
from tests.e2e.stack import Callbacks, Stack, wait_for
from tests.e2e.test_crashes import assert_ended_right, in_the_middle, start_run
from tests.peers.kafka import Kafka

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def kafka(stack: Stack) -> Kafka:
    if stack.kafka is None:
        pytest.skip("only on Apache Kafka: make test-kafka")
    return stack.kafka


@pytest.mark.short
def test_every_service_produces_idempotently_and_knows_that_this_bus_forgets_nothing(
    stack: Stack, kafka: Kafka
) -> None:
    for service in SERVICES:
        (settings, *_) = [
            line["settings"] for line in map(json.loads, stack.log(service).splitlines()) if "settings" in line
        ]
        assert (settings["idempotent_producer"], settings["kafka_forgets"]) == (True, False)
        assert settings["kafka"] == kafka.address


@pytest.mark.parametrize("moment", ["upload", pytest.param("middle", marks=pytest.mark.short), "end"])
async def test_broker_killed_and_back_with_its_log_loses_nothing(
    stack: Stack, kafka: Kafka, callbacks: Callbacks, moment: str
) -> None:
    name = f"kafka-{moment}"
    task = start_run(stack, callbacks, name)
    match moment:
        case "middle":
            wait_for("middle of the run", lambda: in_the_middle(stack, task), within_s=30)
        case "end":
            stack.finished(task)
    before = await end_offsets(kafka.address)
    assert before
    kafka.kill()
    kafka.start()
    after = await end_offsets(kafka.address)
    assert not {place for place, end in before.items() if after.get(place, 0) < end}, "acknowledged messages are gone"
    assert_ended_right(stack, callbacks, name, task)
    await assert_whole_history(stack, task)
    # The next upload takes the whole way over the bus that came back.
    stack.upload(f"{name}/again.mp4")
    stack.finished(stack.task_of(f"{name}/again.mp4"))


@pytest.mark.short
async def test_all_topics_deleted_in_the_middle_of_a_run(stack: Stack, kafka: Kafka, callbacks: Callbacks) -> None:
    task = start_run(stack, callbacks, "deleted")
    wait_for("middle of the run", lambda: in_the_middle(stack, task), within_s=30)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.address)
    await admin.start()
    try:
        topics = [topic for topic in await admin.list_topics() if topic.startswith("reelway.")]
        assert len(topics) > 5
        await admin.delete_topics(topics)
    finally:
        await admin.close()
    assert_ended_right(stack, callbacks, "deleted", task)
    stack.upload("deleted/again.mp4")
    stack.finished(stack.task_of("deleted/again.mp4"))


async def end_offsets(address: str) -> dict[TopicPartition, int]:
    """How many messages each partition of ours has ever taken."""
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    consumer = AIOKafkaConsumer(bootstrap_servers=address)
    try:
        async with asyncio.timeout(30):
            await admin.start()
            await consumer.start()
            topics = [topic for topic in await admin.list_topics() if topic.startswith("reelway.")]
            places = [
                TopicPartition(topic["topic"], partition["partition"])
                for topic in await admin.describe_topics(topics)
                for partition in topic["partitions"]
            ]
            return dict(await consumer.end_offsets(places))
    finally:
        await consumer.stop()
        await admin.close()


async def assert_whole_history(stack: Stack, run: str, within_s: float = 30) -> None:
    """The topic holds every public event of the run, from the first to the last."""
    topic = "reelway.run-events.v1"
    deadline = asyncio.get_running_loop().time() + within_s
    while True:
        count = sum(end for place, end in (await end_offsets(stack.ready["kafka"])).items() if place.topic == topic)
        events = [json.loads(body) for body in await stack.read_topic(topic, count)]
        mine = {event["event"]["sequence"]: event["event"]["type"] for event in events if event["run_id"] == run}
        if "run.finished" in mine.values() and sorted(mine) == list(range(1, len(mine) + 1)):
            return
        assert asyncio.get_running_loop().time() < deadline, f"the public history has a hole or no end: {mine}"
        await asyncio.sleep(0.2)
