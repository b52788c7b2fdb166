"""Section `graphs`: no-op graphs on ours and on the peer in turn. Only one of the two runs at any time: what the other
costs while it is idle must not count."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from tests.bench.figures import Figures, median, spread_ms
from tests.bench.load import Phase
from tests.bench.ours import Ours
from tests.bench.peer.install import Installed
from tests.bench.peer.servers import Peer
from tests.bench.processes import cpu_seconds
from tests.bench.scale import SLOTS, Scale

System = Ours | Peer
WARM_RUNS = 20


class Gathered:
    """What one system did in all rounds."""

    def __init__(self) -> None:
        self.rates: dict[str, list[Phase]] = {}
        self.bursts: dict[str, list[tuple[Phase, float]]] = {}

    def figures(self) -> Figures:
        """Rates by graph and runs per second, bursts by graph."""
        found: Figures = {"rates": {}, "bursts": {}}
        for name, phases in self.rates.items():
            found["rates"][name] = {
                "latency": spread_ms([one for phase in phases for one in phase.latency]),
                "submit_to_start": spread_ms([one for phase in phases for one in phase.to_start]),
                "ready_to_started": spread_ms([one for phase in phases for one in phase.to_next]),
                "last_end_to_terminal": spread_ms([one for phase in phases for one in phase.to_terminal]),
                "p50_ms_by_round": [spread_ms(phase.latency)["p50_ms"] for phase in phases],
                "lost": sum(phase.lost for phase in phases),
            }
        for name, measured in self.bursts.items():
            found["bursts"][name] = {
                "nodes_per_s": median([_nodes(phase) / phase.seconds for phase, _ in measured]),
                "nodes_per_s_by_round": [_nodes(phase) / phase.seconds for phase, _ in measured],
                "cpu_ms_per_run": median([1000 * cpu / phase.runs for phase, cpu in measured]),
                "client_cpu_ms_per_run": median([1000 * phase.client_cpu_s / phase.runs for phase, _ in measured]),
                "lost": sum(phase.lost for phase, _ in measured),
            }
        return found


def _nodes(phase: Phase) -> int:
    return (phase.runs - phase.lost) * phase.nodes


async def measure(scale: Scale, folder: Path, installed: Installed, say: Callable[[str], None]) -> Figures:
    """Both systems' figures, by name."""
    gathered = {"ours": Gathered(), "peer": Gathered()}
    for number in range(scale.rounds):
        systems: list[tuple[str, System]] = [
            ("ours", Ours(folder / f"ours-{number}", SLOTS)),
            ("peer", Peer(installed, folder / f"peer-{number}", SLOTS)),
        ]
        # The one that goes second has the warmer machine.
        for name, system in systems if number % 2 == 0 else reversed(systems):
            say(f"graphs, round {number + 1} of {scale.rounds}: {system.name}")
            async with system:
                await _round(system, gathered[name], scale, f"r{number}")
            shutil.rmtree(folder / f"{name}-{number}", ignore_errors=True)
    return {name: one.figures() for name, one in gathered.items()}


async def _round(system: System, gathered: Gathered, scale: Scale, mark: str) -> None:
    for graph, _ in scale.singles:
        await system.at_once(graph, WARM_RUNS if graph.nodes < 20 else WARM_RUNS // 5, f"{mark}-warm-{graph.name}")
    for graph, rates in scale.singles:
        for per_s in rates:
            phase = await system.at_rate(graph, per_s, scale.rate_s, f"{mark}-{graph.name}-{per_s:g}")
            gathered.rates.setdefault(f"{graph.name} at {per_s:g}/s", []).append(phase)
    for graph, runs in scale.bursts:
        before = cpu_seconds(system.pids())
        phase = await system.at_once(graph, runs, f"{mark}-{graph.name}-burst")
        gathered.bursts.setdefault(graph.name, []).append((phase, cpu_seconds(system.pids()) - before))
