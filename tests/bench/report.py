"""The figures for people: tables on the terminal, and the same in Markdown for `docs/benchmarks.md`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench.bars import verdicts
from tests.bench.figures import at, ratio

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


@dataclass(frozen=True)
class Sheet:
    """One table."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def sheets(figures: Mapping[str, Any]) -> list[Sheet]:
    """The tables of what was measured."""
    found = [_bars(figures), _latencies(figures), _bursts(figures), _lists(figures), _others(figures)]
    return [sheet for sheet in found if sheet.rows]


def _bars(figures: Mapping[str, Any]) -> Sheet:
    rows = [(one.what, one.found, one.bar, "holds" if one.holds else "**missed**") for one in verdicts(figures)]
    return Sheet("The bars", ("What", "Found", "Bar", ""), rows)


def _latencies(figures: Mapping[str, Any]) -> Sheet:
    rows = []
    for name in at(figures, "graphs", "ours", "rates") or {}:
        for label, part in (
            ("latency", "latency"),
            ("submit -> start", "submit_to_start"),
            ("ready -> started", "ready_to_started"),
            ("last end -> news of the end", "last_end_to_terminal"),
        ):
            ours = at(figures, "graphs", "ours", "rates", name, part)
            peer = at(figures, "graphs", "peer", "rates", name, part)
            pairs = [(ours[quantile], peer[quantile]) for quantile in ("p50_ms", "p99_ms")]
            cells = [f"{one:.1f} / {other:.1f} = {ratio(one, other):.2f}" for one, other in pairs]
            rows.append((name, label, *cells))
    return Sheet("Milliseconds at fixed rates: ours / peer = ratio", ("Load", "What", "p50", "p99"), rows)


def _bursts(figures: Mapping[str, Any]) -> Sheet:
    rows = []
    for name in at(figures, "graphs", "ours", "bursts") or {}:
        ours = at(figures, "graphs", "ours", "bursts", name)
        peer = at(figures, "graphs", "peer", "bursts", name)
        cells = [
            f"{ours[what]:.1f} / {peer[what]:.1f} = {ratio(ours[what], peer[what]):.2f}"
            for what in ("nodes_per_s", "cpu_ms_per_run", "client_cpu_ms_per_run")
        ]
        rows.append((name, *cells, f"{ours['lost']} / {peer['lost']}"))
    columns = ("Graph", "Nodes per second", "CPU ms per run, servers", "CPU ms per run, client", "Lost runs")
    return Sheet("Many at once: ours / peer = ratio", columns, rows)


def _lists(figures: Mapping[str, Any]) -> Sheet:
    lists = at(figures, "lists")
    if lists is None:
        return Sheet("", (), ())
    asked = [lists[adapter]["asked"] for adapter in ("sqlite", "mongo")]
    rows = [(name, *(f"{one[name]['p50_ms']:.0f} / {one[name]['worst_ms']:.0f}" for one in asked)) for name in asked[0]]
    columns = ("Question", "SQLite", lists["mongo"]["server"])
    return Sheet(f"Lists and searches over {lists['runs']} runs: milliseconds, p50 / worst", columns, rows)


def _others(figures: Mapping[str, Any]) -> Sheet:
    rows: list[tuple[str, str]] = []
    for who, name in (("ours", "Reelway"), ("peer", "Celery")):
        if (killed := at(figures, "recovery", who)) is not None:
            rows.append((f"worker killed: {name}'s tasks at work again", _seconds(killed.get("at_work_again_s"))))
            rows.append((f"worker killed: {name}'s run ended", _seconds(killed.get("ended_s"))))
    for name in ("event", "listing"):
        if (spread := at(figures, "uploads", name)) is not None:
            text = f"p50 {spread['p50_ms']:.0f} ms, p99 {spread['p99_ms']:.0f} ms"
            rows.append((f"upload to first task, by {name}", text))
    if (media := at(figures, "media")) is not None:
        rows.append(("media: pipeline", f"{media['pipeline_s']:.2f} s"))
        rows.append((f"media: its {media['commands']} ffmpeg commands by hand", f"{media['by_hand_s']:.2f} s"))
    for section, text in (("many", "many uploads"), ("big", "large object")):
        if (found := at(figures, section)) is not None:
            rows += [(f"{text}: peak of {name}", f"{peak:.0f} MB") for name, peak in found["peak_mb"].items()]
    if (many := at(figures, "many")) is not None:
        rows.append(("many uploads: runs per second", f"{many['runs_per_s']:.1f}"))
    if (big := at(figures, "big")) is not None:
        rows += [
            (f"large object: peak of child {name}", f"{mb:.0f} MB") for name, mb in big["children_peak_mb"].items()
        ]
        rows.append(("large object: run", f"{big['run_s']:.1f} s"))
    return Sheet("The rest", ("What", "Found"), rows)


def _seconds(value: float | None) -> str:
    return "not disturbed" if value is None else f"{value:.1f} s"


def show(console: Console, figures: Mapping[str, Any]) -> None:
    """On the terminal."""
    for sheet in sheets(figures):
        table = Table(*sheet.columns, title=sheet.title, title_justify="left")
        for row in sheet.rows:
            table.add_row(*(cell.replace("**", "") for cell in row))
        console.print(table)


def markdown(figures: Mapping[str, Any]) -> str:
    """The same as Markdown."""
    machine = at(figures, "machine") or {}
    lines = [f"Measured {machine.get('at', '?')} on {machine.get('cores', '?')} cores, {machine.get('versions', '?')}."]
    for sheet in sheets(figures):
        lines += ["", f"### {sheet.title}", "", f"| {' | '.join(sheet.columns)} |"]
        lines += [f"|{'---|' * len(sheet.columns)}"]
        lines += [f"| {' | '.join(row)} |" for row in sheet.rows]
    return "\n".join(lines)


def put_into(page: Path, figures: Mapping[str, Any]) -> None:
    """Replaces what lies between the page's two marks."""
    text = page.read_text()
    before, mark, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not mark or not end:
        raise ValueError(f"{page} lacks the marks {BEGIN} and {END}")
    page.write_text(f"{before}{BEGIN}\n\n{markdown(figures)}\n\n{END}{after}")
