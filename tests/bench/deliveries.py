"""Section `deliveries`: many runs that are told to a healthy receiver, and in turn the same with a second
subscription, whose receiver takes every request and never answers. What the dead one costs the healthy one is
the ratio of the delays.

The delay counts from the end of the run, as its document has it, to the arrival at the receiver. A round has a stack of
its own: what is still being tried of an earlier one would disturb it. Which kind of round comes first changes in turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from shared.model.pipeline import Notification, SinkType
from tests.bench.figures import Figures, median, quantile, ratio
from tests.bench.graphs import Graph
from tests.bench.ours import Ours, bench_run, nodes_of
from tests.bench.scale import SLOTS, Scale

ONE = Graph("one", (1,))
RATE = 20.0
"""Runs per second: a load at which the delay is that of the notifier, not of a queue of runs."""
PATIENCE_S = 60.0
KINDS = ("alone", "with_dead")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass
class Receiver:
    """An HTTP server that answers with 200, or never. `arrived` is when each delivery came first (Unix)."""

    answers: bool
    port: int = 0
    arrived: dict[str, float] = field(default_factory=dict)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
            self.arrived.setdefault(headers["webhook-id"], time.time())
            await reader.readexactly(int(headers["content-length"]))
            if self.answers:
                writer.write(OK)
                await writer.drain()
            else:
                await reader.read()  # until the other side gives up
        writer.close()


@contextlib.asynccontextmanager
async def receiving(*, answers: bool) -> AsyncIterator[Receiver]:
    """A receiver for the length of a block."""
    receiver = Receiver(answers)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()


async def measure(scale: Scale, folder: Path, say: Callable[[str], None]) -> Figures:
    """Delays in milliseconds, of all rounds and per round, and what was tried at the dead receiver."""
    folder.mkdir(exist_ok=True)
    delays: dict[str, list[list[float]]] = {kind: [] for kind in KINDS}
    lost = dict.fromkeys(KINDS, 0)
    tried = 0
    for number in range(scale.delivery_rounds):
        for kind in KINDS if number % 2 == 0 else KINDS[::-1]:
            say(f"{scale.deliveries} runs told, {kind.replace('_', ' ')}, round {number + 1}")
            found, dead = await _round(scale.deliveries, folder / f"{kind}-{number}", dead=kind == "with_dead")
            delays[kind].append(found)
            lost[kind] += scale.deliveries - len(found)
            tried += dead
    p95 = {kind: [quantile(one, 0.95) * 1000 for one in delays[kind]] for kind in KINDS}
    return {
        "runs": scale.deliveries,
        "rate_per_s": RATE,
        "rounds": scale.delivery_rounds,
        **{
            kind: {
                "p50_ms": median([quantile(one, 0.5) * 1000 for one in delays[kind]]),
                "p95_ms": median(p95[kind]),
                "p95_ms_by_round": p95[kind],
                "lost": lost[kind],
            }
            for kind in KINDS
        },
        "ratio": ratio(median(p95["with_dead"]), median(p95["alone"])),
        "tried_at_the_dead": tried,
    }


async def _round(runs: int, folder: Path, *, dead: bool) -> tuple[list[float], int]:
    """The delays of the healthy receiver, and how many requests the dead one got."""
    async with receiving(answers=True) as good, receiving(answers=False) as bad, Ours(folder, SLOTS) as ours:
        told = {"notification": _told(good)}
        more = (_told(bad).model_copy(update={"subscription": "dead"}),) if dead else ()
        names = [f"told-{number}" for number in range(runs)]
        began = time.monotonic()
        for number, name in enumerate(names):
            await asyncio.sleep(max(began + number / RATE - time.monotonic(), 0))
            run = bench_run(name, nodes_of(ONE)).with_changes(**told, more_subscriptions=more)
            await ours.announce(run)
        deadline = time.monotonic() + PATIENCE_S
        while len(good.arrived) < runs and time.monotonic() < deadline:
            await asyncio.sleep(0.2)
        ended: dict[str, float] = {}
        for start in range(0, runs, 100):
            for run in (await ours.records.runs.get_many(names[start : start + 100])).values():
                if run.finished_at is not None:
                    ended[run.id] = run.finished_at.timestamp()
        came = {delivery.partition(":")[0]: at for delivery, at in good.arrived.items()}
        return [came[name] - ended[name] for name in names if name in came and name in ended], len(bad.arrived)


def _told(receiver: Receiver) -> Notification:
    return Notification(sink=SinkType.HTTP, target=f"http://127.0.0.1:{receiver.port}/")
