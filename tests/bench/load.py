"""Load on a system: runs at a fixed rate whatever becomes of them, and many at once. Standard library only.

Latency counts from the moment at which a run was to be started, not from when the generator got round to it: a system
that holds up its clients is not spared (coordinated omission).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from tests.bench.graphs import Graph

PATIENCE_S = 180.0
"""How long a run may take before it counts as lost."""


class System(Protocol):
    """What is measured."""

    def submit(self, graph: Graph, run: str) -> Awaitable[Awaitable[float]]:
        """Starts a run: the answer comes when the system has taken it and holds the time (Unix) of the news of its
        end, which is still to come."""
        ...

    def tasks(self, graph: Graph, runs: Sequence[str]) -> Awaitable[dict[str, list[tuple[float, float]]]]:
        """When each task of these runs began and ended (Unix), in the order of the graph."""
        ...


@dataclass
class Phase:
    """What came of one load. Times in seconds."""

    graph: str
    nodes: int
    """Tasks of a run."""
    latency: list[float] = field(default_factory=list)
    """Intended start to the news of the end, run by run."""
    to_start: list[float] = field(default_factory=list)
    """Intended start to the start of the first task."""
    to_next: list[float] = field(default_factory=list)
    """Last predecessor's end to a task's start, for each task that waited for something."""
    to_terminal: list[float] = field(default_factory=list)
    """End of the last task to the news of the run's end."""
    began_at: list[float] = field(default_factory=list)
    """When the tasks of the first stage began (Unix), for good: of several attempts the last one."""
    seconds: float = 0.0
    """From the first intended start to the last news."""
    runs: int = 0
    lost: int = 0
    client_cpu_s: float = 0.0
    """Processor time of the process that submits and listens."""

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


async def at_rate(system: System, graph: Graph, per_s: float, seconds: float, mark: str) -> Phase:
    """Open loop: a run each 1/`per_s` seconds."""
    return await _load(system, graph, [number / per_s for number in range(int(per_s * seconds))], mark)


async def at_once(system: System, graph: Graph, runs: int, mark: str) -> Phase:
    """As fast as the system takes them, until all are done."""
    return await _load(system, graph, [0.0] * runs, mark)


async def _load(system: System, graph: Graph, offsets: Sequence[float], mark: str) -> Phase:
    phase = Phase(graph.name, graph.nodes, runs=len(offsets))
    cpu, began = time.process_time(), time.time() + 0.05
    clock = time.monotonic() + 0.05

    async def one(number: int, offset: float) -> tuple[str, float, float] | None:
        await asyncio.sleep(max(clock + offset - time.monotonic(), 0))
        run = f"{mark}-{number}"
        try:
            async with asyncio.timeout(PATIENCE_S):
                return run, began + offset, await (await system.submit(graph, run))
        except TimeoutError:
            return None

    results = await asyncio.gather(*(one(number, offset) for number, offset in enumerate(offsets)))
    phase.client_cpu_s = time.process_time() - cpu
    done = [result for result in results if result is not None]
    phase.lost = len(results) - len(done)
    phase.seconds = max((news for _, _, news in done), default=began) - began
    times = await system.tasks(graph, [run for run, _, _ in done])
    for run, intended, news in done:
        tasks = times[run]
        phase.latency.append(news - intended)
        phase.to_start.append(min(start for start, _ in tasks) - intended)
        phase.to_terminal.append(news - max(end for _, end in tasks))
        phase.began_at += [start for start, _ in tasks[: graph.stages[0]]]
        for node, (start, _) in enumerate(tasks):
            if before := graph.before(node):
                phase.to_next.append(start - max(tasks[one][1] for one in before))
    return phase
