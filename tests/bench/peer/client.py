"""Who submits to the peer, in the peer's own Python: `python -m tests.bench.peer.client`.

Takes orders as lines of JSON on standard input, answers each with a line on standard output.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Sequence
from typing import Any

import redis.asyncio as redis

from tests.bench.graphs import GRAPHS, Graph
from tests.bench.load import at_once, at_rate
from tests.bench.peer.tasks import canvas

RESULT = "celery-task-meta-"
STORED_S = 30.0


class Celery:
    """Submits canvases; hears of the end of each by the channel that Celery's result backend publishes to."""

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(url)
        self._channels = self._redis.pubsub(ignore_subscribe_messages=True)
        self._ended: dict[str, asyncio.Future[float]] = {}
        self._listening: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begins to listen; to a channel of no use as well, for redis stops listening when there is none."""
        await self._channels.subscribe("bench-none")
        self._listening = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        async for message in self._channels.listen():
            channel = message["channel"].decode()
            await self._channels.unsubscribe(channel)
            ended = self._ended.pop(channel, None)
            if ended is not None and not ended.done():
                ended.set_result(time.time())

    async def submit(self, graph: Graph, run: str) -> Awaitable[float]:
        """Sends one canvas."""
        work = canvas(graph, run)
        channel = RESULT + work.freeze().id
        ended = self._ended[channel] = asyncio.get_running_loop().create_future()
        await self._channels.subscribe(channel)
        work.apply_async()
        return ended

    async def tasks(self, graph: Graph, runs: Sequence[str]) -> dict[str, list[tuple[float, float]]]:
        """From the results, which are then removed. A chain goes on before the result of its link is stored."""
        found: dict[str, dict[int, tuple[float, float]]] = {run: {} for run in runs}
        async with asyncio.timeout(STORED_S):
            while any(len(tasks) < graph.nodes for tasks in found.values()):
                await asyncio.sleep(0.05)
                await self._collect(found)
        return {run: [tasks[node] for node in range(graph.nodes)] for run, tasks in found.items()}

    async def _collect(self, found: dict[str, dict[int, tuple[float, float]]]) -> None:
        keys = [key async for key in self._redis.scan_iter(f"{RESULT}*", count=1000)]
        for start in range(0, len(keys), 500):
            part = keys[start : start + 500]
            for body in await self._redis.mget(part):
                stored = json.loads(body)
                if stored["status"] == "SUCCESS":
                    run, node, began, end = stored["result"]
                    found.get(run, {})[node] = (began, end)
            await self._redis.delete(*part)


async def obey(celery: Celery, order: dict[str, Any]) -> Any:
    """Does one thing."""
    graph = Graph(**order["graph"]) if isinstance(order["graph"], dict) else GRAPHS[order["graph"]]
    match order["do"]:
        case "rate":
            phase = await at_rate(celery, graph, order["per_s"], order["seconds"], order["mark"])
        case "once":
            phase = await at_once(celery, graph, order["runs"], order["mark"])
        case other:
            raise ValueError(other)
    return phase.as_json()


async def main() -> None:
    """Until standard input ends."""
    celery = Celery(os.environ["BENCH_REDIS"])
    await celery.open()
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        sys.stdout.write(json.dumps(await obey(celery, json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
