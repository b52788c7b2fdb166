"""Section `many`: thousands of uploads at once, each told by an event as well as found by the reconciler. All run, none
twice, and the services stay small.

The pipeline is two no-ops in a row, written into the store, for the API makes none: ten thousand probes of media would
measure nothing but the probe.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from shared.model.pipeline import Node, OutputPlace, Pipeline, PipelineStatus, UploadTrigger
from tests.bench.figures import Figures
from tests.bench.ours import Ours
from tests.bench.processes import peak_bytes
from tests.bench.scale import SLOTS, Scale
from tests.bench.starting import UPLOADS, event_of, outside_producer
from tests.e2e.stack import Stack

DIR = "many/"
PATIENCE_S = 1200.0
UPLOADERS = 8


async def measure(scale: Scale, folder: Path, say: Callable[[str], None]) -> Figures:
    """Counts, seconds and peaks of resident memory."""
    say(f"{scale.many} uploads at once")
    async with Ours(folder / "many", SLOTS) as ours:
        stack = ours.stack
        await ours.records.pipelines.insert(_pipeline(stack))
        began = time.monotonic()
        keys = [f"{DIR}{number:05d}.txt" for number in range(scale.many)]
        await asyncio.to_thread(_upload, stack, keys)
        uploaded_s = time.monotonic() - began
        async with outside_producer(stack) as producer:
            sent = [
                await producer.send(UPLOADS, event_of(stack.bucket, key), key=f"{stack.bucket}/{key}".encode())
                for key in keys
            ]
            await asyncio.gather(*sent)
        async with asyncio.timeout(PATIENCE_S):
            while await ours.records.runs.count({"state": "succeeded"}) < scale.many:
                await asyncio.sleep(1)
        ended_s = time.monotonic() - began
        await asyncio.sleep(5)  # what would start twice has had its time
        return {
            "uploads": scale.many,
            "runs": await ours.records.runs.count({}),
            "succeeded": await ours.records.runs.count({"state": "succeeded"}),
            "tasks": await ours.records.tasks.count({}),
            "tasks_tried_again": await ours.records.tasks.count({"fence": {"$gt": 1}}),
            "objects_with_two_runs": await _twice(ours),
            "uploaded_s": uploaded_s,
            "all_ended_s": ended_s,
            "runs_per_s": scale.many / ended_s,
            "peak_mb": {name: peak_bytes(pid) / 1e6 for name, pid in stack.ready["pids"].items()},
        }


def _pipeline(stack: Stack) -> Pipeline:
    now = datetime.now(UTC)
    place, region = stack.bucket, str(stack.ready["region"])
    return Pipeline(
        id="999999",
        tenant=str(stack.ready["app_id"]),
        name="bench-many",
        status=PipelineStatus.ENABLED,
        trigger=UploadTrigger(type="CosFileUpload", bucket=place, region=region, dir=f"/{DIR}"),
        nodes=(Node(kind="noop", successors=(1,)), Node(kind="noop", successors=(2,)), Node(kind="output")),
        output=OutputPlace(),
        created_at=now,
        updated_at=now,
        enabled_at=now,
    )


def _upload(stack: Stack, keys: list[str]) -> None:
    client = stack.s3()
    with ThreadPoolExecutor(UPLOADERS) as pool:
        for done in [pool.submit(client.put_object, Bucket=stack.bucket, Key=key, Body=key.encode()) for key in keys]:
            done.result()


async def _twice(ours: Ours) -> int:
    found: Counter[str] = Counter()
    offset = 0
    while runs := await ours.records.runs.find({}, limit=500, offset=offset):
        found.update(run.input.key for run in runs)
        offset += len(runs)
    return sum(count > 1 for count in found.values())
