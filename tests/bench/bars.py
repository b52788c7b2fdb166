"""The bars of DESIGN §12: what was found, and whether it holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.bench.figures import at, ratio

LATENCY_RATIO = 0.7
THROUGHPUT_RATIO = 1.5
START_MS = 50.0
SERVICE_MB = 300.0
BIG_MB = 200.0
LIST_MS = 1000.0
DEAD_SINK_RATIO = 1.2
STORAGE = ("storage", "volumes")
SERVICES = ("trigger", "scheduler", "workers", "notifier", "api")


@dataclass(frozen=True)
class Verdict:
    """One bar. `found` and `bar` are texts with units."""

    what: str
    found: str
    bar: str
    holds: bool


def verdicts(figures: Mapping[str, Any]) -> list[Verdict]:
    """Those of the sections that were measured."""
    sections = (_graphs, _start, _media, _many, _big, _lists, _deliveries)
    return [verdict for section in sections for verdict in section(figures)]


def _graphs(figures: Mapping[str, Any]) -> Iterator[Verdict]:
    rates = at(figures, "graphs", "ours", "rates") or {}
    for name in (name for name in rates if name.startswith("nine ")):
        for part in ("p50", "p99"):
            ours = at(figures, "graphs", "ours", "rates", name, "latency", f"{part}_ms")
            peer = at(figures, "graphs", "peer", "rates", name, "latency", f"{part}_ms")
            share = ratio(ours, peer)
            yield Verdict(
                f"9-node graph, {name.removeprefix('nine ')}: latency {part}",
                f"{ours:.0f} ms / {peer:.0f} ms = {share:.2f}",
                f"≤ {LATENCY_RATIO} x peer",
                share <= LATENCY_RATIO,
            )
    if rates:
        ours = at(figures, "graphs", "ours", "bursts", "nine", "nodes_per_s")
        peer = at(figures, "graphs", "peer", "bursts", "nine", "nodes_per_s")
        share = ratio(ours, peer)
        found = f"{ours:.0f} / {peer:.0f} = {share:.2f}"
        bar = f"≥ {THROUGHPUT_RATIO} x peer"
        yield Verdict("9-node graph: nodes per second at saturation", found, bar, share >= THROUGHPUT_RATIO)


def _start(figures: Mapping[str, Any]) -> Iterator[Verdict]:
    found = at(figures, "uploads", "event", "p50_ms")
    if found is not None:
        what, bar = "upload seen -> first task started, p50", f"≤ {START_MS:.0f} ms"
        yield Verdict(what, f"{found:.0f} ms", bar, found <= START_MS)


def _media(figures: Mapping[str, Any]) -> Iterator[Verdict]:
    media = at(figures, "media")
    if media is not None:
        what = "pipeline wall time minus ffmpeg by hand"
        share = f"{media['overhead_s'] * 1000:.0f} ms of {media['by_hand_s']:.1f} s"
        bar = f"≤ {media['allowed_s'] * 1000:.0f} ms (150 ms a node or 3 %)"
        yield Verdict(what, share, bar, media["overhead_s"] <= media["allowed_s"])


def _many(figures: Mapping[str, Any]) -> Iterator[Verdict]:
    many = at(figures, "many")
    if many is not None:
        count, runs, twice = many["uploads"], many["succeeded"], many["objects_with_two_runs"]
        found = f"{runs} runs, {twice} twice, {many['tasks_tried_again']} tasks claimed twice"
        whole = runs == many["runs"] == count and twice == 0 and many["tasks_tried_again"] == 0
        yield Verdict(f"{count} uploads at once", found, "all run, none twice", whole)
        name, most = max(((name, many["peak_mb"][name]) for name in SERVICES), key=lambda one: one[1])
        bar = f"< {SERVICE_MB:.0f} MB"
        yield Verdict("the same: largest service (RSS)", f"{name} {most:.0f} MB", bar, most < SERVICE_MB)


def _big(figures: Mapping[str, Any]) -> Iterator[Verdict]:
    big = at(figures, "big")
    if big is not None:
        storage = {name: big["peak_mb"][name] for name in STORAGE}
        ours = {name: peak for name, peak in big["peak_mb"].items() if name not in storage} | big["children_peak_mb"]
        moved = big["written_bytes"] > 0.9 * big["bytes"] and not big["err_code"]
        for whose, peaks in (("of ours", ours), ("of the storage (SeaweedFS)", storage)):
            name, most = max(peaks.items(), key=lambda one: float(one[1]))
            what = f"moving {big['bytes'] / 1e9:.1f} GB: largest process {whose}"
            yield Verdict(what, f"{name} {most:.0f} MB", f"< {BIG_MB:.0f} MB", most < BIG_MB and moved)


def _lists(figures: Mapping[str, Any]) -> Iterator[Verdict]:
    lists = at(figures, "lists")
    if lists is not None:
        for adapter in ("sqlite", "mongo"):
            found = lists[adapter]
            if not found.get("real", True):
                continue
            name, worst = max(((name, one["worst_ms"]) for name, one in found["asked"].items()), key=lambda one: one[1])
            what = f"{lists['runs']} runs, {found.get('server', 'SQLite')}: slowest list or search ({name})"
            yield Verdict(what, f"{worst:.0f} ms", f"< {LIST_MS:.0f} ms", worst < LIST_MS)
            what = f"the same: memory of the API (after its start {found['warm_mb']:.0f} MB)"
            yield Verdict(what, f"{found['peak_mb']:.0f} MB", f"< {SERVICE_MB:.0f} MB", found["peak_mb"] < SERVICE_MB)


def _deliveries(figures: Mapping[str, Any]) -> Iterator[Verdict]:
    found = at(figures, "deliveries")
    if found is not None:
        alone, dead = found["alone"], found["with_dead"]
        lost = alone["lost"] + dead["lost"]
        text = f"{dead['p95_ms']:.0f} ms / {alone['p95_ms']:.0f} ms = {found['ratio']:.2f}, {lost} lost"
        holds = found["ratio"] <= DEAD_SINK_RATIO and lost == 0
        what = f"{found['runs']} runs, a dead sink beside a healthy one: the healthy one's delay, p95"
        yield Verdict(what, text, f"≤ {DEAD_SINK_RATIO} x without it", holds)
