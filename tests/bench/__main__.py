"""`make bench`: measures sections of DESIGN §12, ours and the peer in turn, and says which bars hold.

Figures depend on the machine and are noisy: compare ratios of one run, never absolute values of two.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import orjson
from rich.console import Console

from tests.bench import big, comparison, deliveries, lists, many, media, recovery, report, starting
from tests.bench.figures import Figures
from tests.bench.peer.install import Installed, install
from tests.bench.scale import FULL, SHORT, SLOTS, Scale

console = Console()
SECTIONS = ("graphs", "recovery", "uploads", "media", "many", "big", "lists", "deliveries")
WITH_PEER = ("graphs", "recovery")


def say(line: str) -> None:
    """What is being done now."""
    console.print(f"[dim]{datetime.now(UTC):%H:%M:%S}[/dim] {line}")


async def section(name: str, scale: Scale, folder: Path, installed: Installed | None) -> Figures:
    """Measures one section."""
    folder.mkdir()
    match name, installed:
        case "graphs", Installed():
            return await comparison.measure(scale, folder, installed, say)
        case "recovery", Installed():
            return await recovery.measure(folder, installed, say)
        case "uploads", _:
            return await starting.measure(scale, folder, say)
        case "media", _:
            return await media.measure(scale, folder, say)
        case "many", _:
            return await many.measure(scale, folder, say)
        case "big", _:
            return await big.measure(scale, folder, say)
        case "lists", _:
            return await lists.measure(scale, folder, say)
        case "deliveries", _:
            return await deliveries.measure(scale, folder, say)
    raise ValueError(name)


def machine(installed: Installed | None) -> Figures:
    """Where this was measured."""
    return {
        "at": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "cores": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        "slots": SLOTS,
        "versions": ", ".join(
            [
                f"Python {platform.python_version()}",
                f"aiokafka {version('aiokafka')}",
                *(installed.versions() if installed else ()),
            ]
        ),
    }


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=...", description=__doc__)
    parser.add_argument("sections", nargs="*", default=[], help=f"any of {', '.join(SECTIONS)}; all if none is named")
    parser.add_argument("--short", action="store_true", help="a few minutes instead of a quarter of an hour")
    parser.add_argument("--json", type=Path, help="write the figures here; sections that are in it already stay")
    parser.add_argument(
        "--markdown", type=Path, help=f"put the tables into this page, between {report.BEGIN} and its end"
    )
    parser.add_argument("--show", action="store_true", help="measure nothing, show what is in --json")
    options = parser.parse_args()
    unknown = set(options.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"no such section: {', '.join(sorted(unknown))}")
    if options.show and not options.json:
        parser.error("--show needs --json")
    return options


def main() -> None:
    """Measures what was asked for; a section that fails does not take the others with it."""
    options = read_options()
    figures: Figures = {}
    if options.json and options.json.exists():
        figures = orjson.loads(options.json.read_bytes())
    failed = [] if options.show else measure(options, figures)
    report.show(console, figures)
    if options.markdown:
        report.put_into(options.markdown, figures)
    if failed:
        console.print(f"[red]failed: {', '.join(failed)}[/red]")
        sys.exit(1)


def _known_versions(figures: Figures) -> Figures:
    """Those of an earlier measurement, the peer's among them."""
    return {"versions": figures["machine"]["versions"]} if "machine" in figures else {}


def measure(options: argparse.Namespace, figures: Figures) -> list[str]:
    """Fills in the figures; returns the sections that failed."""
    wanted = [name for name in SECTIONS if name in options.sections or not options.sections]
    scale = SHORT if options.short else FULL
    installed = install() if set(wanted) & set(WITH_PEER) else None
    figures["machine"] = machine(installed) | ({} if installed else _known_versions(figures))
    failed = []
    for name in wanted:
        with tempfile.TemporaryDirectory(prefix="reelway-bench-", ignore_cleanup_errors=True) as folder:
            try:
                figures[name] = asyncio.run(section(name, scale, Path(folder) / name, installed))
            except Exception:  # noqa: BLE001
                # Boundary: a quarter of an hour's figures must not be lost because one of them could not be had.
                console.print_exception()
                failed.append(name)
        if options.json:
            options.json.write_bytes(orjson.dumps(figures, option=orjson.OPT_INDENT_2))
    return failed


if __name__ == "__main__":
    main()
