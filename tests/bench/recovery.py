"""Section `recovery`: the worker is killed with everything under it while its slots are full. How long until the tasks
that it had are at work again, and until the run has ended.

Both workers are started again at once: ours by its supervisor, the peer's by us, as systemd would.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.figures import Figures
from tests.bench.graphs import Graph
from tests.bench.load import Phase
from tests.bench.ours import Ours
from tests.bench.peer.install import Installed
from tests.bench.peer.servers import Peer
from tests.bench.processes import kill_tree
from tests.bench.scale import SLOTS

AT_WORK_S = 1.5
WORK = Graph("recovery", (SLOTS, 1), sleep_ms=3000)


async def measure(folder: Path, installed: Installed, say: Callable[[str], None]) -> Figures:
    """Seconds after the kill, for both."""
    found: Figures = {}
    say("recovery: Reelway")
    async with Ours(folder / "recovery-ours", SLOTS) as ours:
        await ours.at_once(Graph("warm", (1, 1)), 5, "warm")

        async def kill() -> None:
            kill_tree(ours.stack.pid("workers"))

        found["ours"] = await _killed(ours, kill)
    say("recovery: Celery + Redis")
    async with Peer(installed, folder / "recovery-peer", SLOTS) as peer:
        await peer.at_once(Graph("warm", (1, 1)), 5, "warm")

        async def kill_and_start() -> None:
            await asyncio.to_thread(peer.kill_worker)
            await asyncio.to_thread(peer.start_worker)

        found["peer"] = await _killed(peer, kill_and_start)
    return found


async def _killed(system: Ours | Peer, kill: Callable[[], object]) -> Figures:
    running = asyncio.ensure_future(system.at_once(WORK, 1, "killed"))
    await asyncio.sleep(AT_WORK_S)
    began = time.time()
    killed = kill()
    assert asyncio.iscoroutine(killed)
    await killed
    phase: Phase = await running
    if phase.lost or min(phase.began_at) < began:
        return {"lost": phase.lost, "not_disturbed": True}
    return {
        "at_work_again_s": max(phase.began_at) - began,
        "ended_s": phase.latency[0] - (began - _start(phase)),
        "lost": phase.lost,
    }


def _start(phase: Phase) -> float:
    """The intended start (Unix)."""
    return min(phase.began_at) - phase.to_start[0]
