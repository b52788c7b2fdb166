"""The 9-node no-op graph (1 -> 6 -> join -> 1): latency of single runs, throughput of many at once; how soon an upload
starts, with its event and without.

Figures depend on the machine and are noisy: compare ratios of one run, never absolute values of two.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import orjson
from aiokafka import AIOKafkaConsumer
from rich.console import Console
from rich.table import Table

from shared.adapters.state_url import open_state
from shared.bus.bus import Bus
from shared.clock import SystemClock
from shared.messages.codec import decode
from shared.messages.messages import RunChanged, RunRequested
from shared.model import collections
from shared.model.pipeline import Node
from shared.model.run import RunEventType, new_run
from shared.model.task import MediaObject, OutputTarget
from shared.ports.publisher import Outgoing
from shared.settings import ServiceSettings
from shared.state.records import Records
from tests.e2e.stack import Stack, snapshots_at

NODES = (
    Node(kind="input", successors=(1,)),
    Node(kind="noop", successors=tuple(range(2, 8))),
    *(Node(kind="noop", successors=(8,)) for _ in range(6)),
    Node(kind="noop", successors=(9,)),
    Node(kind="noop", successors=(10,)),
    Node(kind="output"),
)
NOOPS = sum(node.kind == "noop" for node in NODES)
console = Console()


class Bench:
    """Writes runs into the store of a running stack and listens for their ends."""

    def __init__(self, records: Records, bus: Bus) -> None:
        self.records = records
        self._bus = bus
        self._ended: dict[str, asyncio.Future[float]] = {}

    async def listen(self, kafka: str) -> None:
        """Keeps track of finished runs until cancelled."""
        consumer = AIOKafkaConsumer(
            self._bus.topics.run_events, bootstrap_servers=kafka, auto_offset_reset="latest", fetch_max_wait_ms=10
        )
        await consumer.start()
        try:
            async for record in consumer:
                message = decode(RunChanged, record.value)
                ended = self._ended.get(message.run_id)
                if message.event.type is RunEventType.RUN_FINISHED and ended is not None and not ended.done():
                    ended.set_result(time.perf_counter())
        finally:
            await consumer.stop()

    async def run(self) -> float:
        """One run; its latency in seconds, from before the write to the news of its end."""
        began = time.perf_counter()
        run_id = f"bench-{uuid.uuid4().hex}"
        ended = self._ended[run_id] = asyncio.get_running_loop().create_future()
        source = MediaObject(bucket="bench", region="bench", key="none", etag="none", size=0)
        run = new_run(
            run_id=run_id,
            tenant="1",
            pipeline_id="bench",
            pipeline_name="bench",
            definition=1,
            nodes=NODES,
            source=source,
            target=OutputTarget(bucket="bench", region="bench", dir="/"),
            now=datetime.now(UTC),
            skip_probe=True,
        )
        await self.records.runs.insert(run)
        await self._bus.publish(Outgoing(self._bus.topics.runs, RunRequested(run_id=run_id)))
        async with asyncio.timeout(120):
            return await ended - began


async def upload_latencies(stack: Stack, records: Records, count: int, *, event: bool) -> list[float]:
    """Seconds from the end of an upload (or the publishing of its event) to the claim of the run's first task."""
    found = []
    for number in range(count):
        key = f"bench-{event}/clip-{number}-{uuid.uuid4().hex[:8]}.mp4"
        await asyncio.to_thread(stack.upload, key)
        if event:
            body = orjson.dumps({"bucket": stack.bucket, "key": key})
            began = datetime.now(UTC)
            await stack.publish("reelway.uploads.v1", key, body)
        else:
            began = datetime.now(UTC)
        async with asyncio.timeout(30):
            while not (claimed := await first_claim(records, key)):
                await asyncio.sleep(0.01)
        found.append((claimed - began).total_seconds())
    return found


async def first_claim(records: Records, key: str) -> datetime | None:
    """When the first task of the run on this object was claimed."""
    runs = await records.runs.find({"input.key": key}, limit=1)
    tasks = await records.tasks.find({"run_id": runs[0].id}, limit=10) if runs else []
    return min((task.claimed_at for task in tasks if task.claimed_at), default=None)


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which this share of the values lies."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


async def measure(stack: Stack, singles: int, burst: int, uploads: int) -> dict[str, float]:
    """All figures."""
    settings = ServiceSettings(kafka=stack.ready["kafka"], kafka_forgets=True)
    store = await open_state(stack.ready["state"], collections.ALL)
    bus = Bus(settings, "bench", SystemClock())
    bus.declare_topics(bus.topics.runs, bus.topics.run_events)
    bench = Bench(Records(store), bus)
    session = asyncio.create_task(bus.run())
    await bus.wait_ready()
    listening = asyncio.create_task(bench.listen(stack.ready["kafka"]))
    try:
        for _ in range(10):
            await bench.run()
        latencies = [await bench.run() for _ in range(singles)]
        began = time.perf_counter()
        await asyncio.gather(*(bench.run() for _ in range(burst)))
        seconds = time.perf_counter() - began
        for event in (True, False):
            stack.create_pipeline(
                f"bench-{event}", f"/bench-{event}/", [snapshots_at("0s")], OutputDir=f"/bench-{event}-out/"
            )
        by_event = await upload_latencies(stack, bench.records, uploads, event=True)
        by_listing = await upload_latencies(stack, bench.records, uploads, event=False)
    finally:
        for task in (listening, session):
            task.cancel()
        await asyncio.gather(listening, session, return_exceptions=True)
        await store.close()
    return {
        "latency_p50_ms": statistics.median(latencies) * 1000,
        "latency_p99_ms": quantile(latencies, 0.99) * 1000,
        "nodes_per_s": burst * NOOPS / seconds,
        "event_to_first_task_p50_ms": statistics.median(by_event) * 1000,
        "upload_without_event_to_first_task_p50_ms": statistics.median(by_listing) * 1000,
        "upload_without_event_to_first_task_max_ms": max(by_listing) * 1000,
        "burst_runs": burst,
        "single_runs": singles,
    }


def main() -> None:
    """Starts a stack of its own, measures, prints a table and, if asked, JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--singles", type=int, default=100, help="runs one after another")
    parser.add_argument("--burst", type=int, default=200, help="runs at once")
    parser.add_argument("--uploads", type=int, default=10, help="uploads with an event, and without")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="reelway-bench-") as folder:
        stack = Stack(Path(folder) / "data")
        stack.start()
        try:
            figures = asyncio.run(measure(stack, options.singles, options.burst, options.uploads))
        finally:
            stack.stop()
    table = Table(title="9-node no-op graph, embedded stack")
    table.add_column("Figure")
    table.add_column("Value", justify="right")
    for name, value in figures.items():
        table.add_row(name, f"{value:.1f}")
    console.print(table)
    if options.json:
        options.json.write_bytes(orjson.dumps(figures, option=orjson.OPT_INDENT_2))


if __name__ == "__main__":
    main()
