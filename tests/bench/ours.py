"""Our side: the embedded stack as `reelway up` starts it, for the time of a round."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from shared.adapters.state_url import open_state
from shared.bus.bus import Bus
from shared.bus.subscription import Subscription
from shared.clock import SystemClock
from shared.ids import task_id
from shared.messages.codec import decode
from shared.messages.messages import RunChanged, RunRequested
from shared.model import collections
from shared.model.pipeline import Node
from shared.model.run import Run, RunEventType, new_run
from shared.model.task import MediaObject, OutputTarget
from shared.ports.publisher import Outgoing
from shared.settings import ServiceSettings
from shared.state.records import Records
from tests.bench import load
from tests.bench.graphs import Graph
from tests.bench.load import Phase
from tests.e2e.stack import Stack


def nodes_of(graph: Graph) -> tuple[Node, ...]:
    """The graph as a pipeline has it: input and output around it."""
    params = {"SleepMs": graph.sleep_ms} if graph.sleep_ms else {}
    firsts = [1]
    for count in graph.stages:
        firsts.append(firsts[-1] + count)
    nodes = [Node(kind="input", successors=tuple(range(1, firsts[1])))]
    for stage, count in enumerate(graph.stages):
        after = firsts[stage + 1]
        following = graph.stages[stage + 1] if stage + 1 < len(graph.stages) else 1
        nodes += [Node(kind="noop", params=params, successors=tuple(range(after, after + following)))] * count
    return (*nodes, Node(kind="output"))


class Ours:
    """Started as `async with`. Runs are written and announced as the API does it, without its HTTP; the news of an end
    is the message that every consumer of `run-events.v1` gets."""

    name = "Reelway"

    def __init__(self, folder: Path, slots: int, env: Mapping[str, str] | None = None) -> None:
        self.stack = Stack(folder, env={"REELWAY_LIGHT_SLOTS": str(slots), **(env or {})})
        self._ended: dict[str, asyncio.Future[float]] = {}
        self._exit = AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            await self._open()
        except BaseException:
            await self._exit.aclose()
            raise
        return self

    async def _open(self) -> None:
        self._exit.push_async_callback(asyncio.to_thread, self.stack.stop)
        await asyncio.to_thread(self.stack.start)
        store = await open_state(self.stack.ready["state"], collections.ALL)
        self._exit.push_async_callback(store.close)
        self.records = Records(store)
        nudges = self.stack.data / "run" / "nudges"
        settings = ServiceSettings(kafka=self.stack.ready["kafka"], kafka_forgets=True, nudge_dir=nudges)
        self._bus = Bus(settings, "bench", SystemClock())
        self._bus.declare_topics(self._bus.topics.runs)
        # A service like ours: nudged when there is news.
        news = self._bus.topics.run_events
        self._bus.subscribe(Subscription(news, bytes, self._on_news, service="bench", clock=SystemClock()))
        self._background(self._bus.run())
        await self._bus.wait_ready()

    def _background(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)

        async def end() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self._exit.push_async_callback(end)

    async def __aexit__(self, *_: object) -> None:
        await self._exit.aclose()

    async def _on_news(self, bodies: Sequence[bytes]) -> None:
        now = time.time()
        for body in bodies:
            # Most are about something else, and to tell them apart must not cost more than their work.
            if b'"run.finished"' in body:
                message = decode(RunChanged, body)
                ended = self._ended.pop(message.run_id, None)
                if message.event.type is RunEventType.RUN_FINISHED and ended is not None and not ended.done():
                    ended.set_result(now)

    async def submit(self, graph: Graph, run: str) -> Awaitable[float]:
        """Writes a run and announces it."""
        ended = self._ended[run] = asyncio.get_running_loop().create_future()
        await self.announce(bench_run(run, nodes_of(graph)))
        return ended

    async def announce(self, run: Run) -> None:
        """Writes a run and says so."""
        await self.records.runs.insert(run)
        await self._bus.publish(Outgoing(self._bus.topics.runs, RunRequested(run_id=run.id)))

    async def tasks(self, graph: Graph, runs: Sequence[str]) -> dict[str, list[tuple[float, float]]]:
        """From the runs as they are stored."""
        found: dict[str, list[tuple[float, float]]] = {}
        for start in range(0, len(runs), 100):
            for run in (await self.records.runs.get_many(runs[start : start + 100])).values():
                found[run.id] = [_times(run, node + 1) for node in range(graph.nodes)]
        return found

    async def at_rate(self, graph: Graph, per_s: float, seconds: float, mark: str) -> Phase:
        """See `load.at_rate`."""
        return await load.at_rate(self, graph, per_s, seconds, mark)

    async def at_once(self, graph: Graph, runs: int, mark: str) -> Phase:
        """See `load.at_once`."""
        return await load.at_once(self, graph, runs, mark)

    def pids(self) -> list[int]:
        """The root of the whole stack, the servers among it."""
        assert self.stack.process is not None
        return [self.stack.process.pid]


def bench_run(run: str, nodes: tuple[Node, ...]) -> Run:
    """A run on no real object."""
    source = MediaObject(bucket="bench", region="bench", key="none", etag="none", size=0)
    return new_run(
        run_id=run,
        tenant="1",
        pipeline_id="bench",
        pipeline_name="bench",
        definition=1,
        nodes=nodes,
        source=source,
        target=OutputTarget(bucket="bench", region="bench", dir="/"),
        now=datetime.now(UTC),
        skip_probe=True,
    )


def _times(run: Run, node: int) -> tuple[float, float]:
    state = run.node_runs[node]
    if state.started_at is None or state.finished_at is None:
        raise AssertionError(f"{task_id(run.id, node, state.attempt, run.epoch)} of a run that ended has not")
    return state.started_at.timestamp(), state.finished_at.timestamp()
