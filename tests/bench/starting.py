"""Section `uploads`: how soon an upload starts work, told by an event and found by the reconciler alone."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import orjson
from aiokafka import AIOKafkaProducer

from shared.state.records import Records
from tests.bench.figures import Figures, spread_ms
from tests.bench.ours import Ours
from tests.bench.scale import SLOTS, Scale
from tests.e2e.stack import Stack, snapshots_at

UPLOADS = "reelway.uploads.v1"


async def measure(scale: Scale, folder: Path, say: Callable[[str], None]) -> Figures:
    """From the publishing of the event, or the end of the upload, to the claim of the run's first task."""
    found: Figures = {}
    say("uploads one after another")
    async with Ours(folder / "uploads", SLOTS) as ours:
        for event in (True, False):
            name = "event" if event else "listing"
            ours.stack.create_pipeline(f"bench-{name}", f"/{name}/", [snapshots_at("0s")], OutputDir=f"/{name}-out/")
            async with outside_producer(ours.stack) as producer:
                await _latencies(ours, producer, 2, name)
                found[name] = spread_ms(await _latencies(ours, producer, scale.uploads, name))
    return found


async def _latencies(ours: Ours, producer: AIOKafkaProducer, count: int, name: str) -> list[float]:
    stack, records = ours.stack, ours.records
    found = []
    for number in range(count):
        key = f"{name}/clip-{number}-{uuid.uuid4().hex[:8]}.mp4"
        await asyncio.to_thread(stack.upload, key)
        began = datetime.now(UTC)
        if name == "event":
            began = datetime.now(UTC)
            await producer.send_and_wait(UPLOADS, event_of(stack.bucket, key), key=key.encode())
        async with asyncio.timeout(60):
            while not (claimed := await _first_claim(records, key)):
                await asyncio.sleep(0.05)
            while not await _ended(records, key):  # the next upload meets an idle system
                await asyncio.sleep(0.05)
        found.append((claimed - began).total_seconds())
    return found


@contextlib.asynccontextmanager
async def outside_producer(stack: Stack) -> AsyncIterator[AIOKafkaProducer]:
    """A program that is none of ours, and so nudges nobody."""
    producer = AIOKafkaProducer(bootstrap_servers=stack.ready["kafka"], acks="all", enable_idempotence=False)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


def event_of(bucket: str, key: str) -> bytes:
    """Our own shape of an upload's event."""
    return orjson.dumps({"bucket": bucket, "key": key})


async def _first_claim(records: Records, key: str) -> datetime | None:
    runs = await records.runs.find({"input.key": key}, limit=1)
    tasks = await records.tasks.find({"run_id": runs[0].id}, limit=10) if runs else []
    return min((task.claimed_at for task in tasks if task.claimed_at), default=None)


async def _ended(records: Records, key: str) -> bool:
    return any(run.state.final for run in await records.runs.find({"input.key": key}, limit=1))
