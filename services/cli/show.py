"""How answers look to people."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

_PIPE_WIDTH = 400
"""Without a terminal nothing is cut."""

out = Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH)
err = Console(stderr=True)

_STYLES = {
    "succeeded": "green",
    "reused": "green",
    "started": "green",
    "delivered": "green",
    "healthy": "green",
    "dead": "bold red",
    "failing": "bold red",
    "silent": "bold red",
    "pending": "yellow",
    "failed": "bold red",
    "cancelled": "yellow",
    "paused": "yellow",
    "waiting": "yellow",
    "skipped": "dim",
    "known": "dim",
    "unchosen": "dim",
    "running": "cyan",
    "unmatched": "yellow",
    "unwatched": "yellow",
    "own_output": "dim",
    "gone": "yellow",
    "denied": "bold red",
    "draining": "yellow",
}


def state(text: str) -> Text:
    """A state in its colour."""
    return Text(text, style=_STYLES.get(text, ""))


def moment(text: str | None) -> str:
    """A moment in UTC to the second."""
    return "" if text is None else text[:19].replace("T", " ")


def plain_table(*columns: str) -> Table:
    """A table without lines, whose cells are never cut."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def say(text: str) -> None:
    """One line."""
    out.print(text, markup=False, highlight=False, soft_wrap=True)


def show_runs(page: Mapping[str, Any]) -> None:
    """A list of runs."""
    table = plain_table("run", "state", "nodes", "created (UTC)", "pipeline", "input")
    for run in page["runs"]:
        by_state = run["nodes_by_state"]
        done = sum(by_state.get(name, 0) for name in ("succeeded", "failed", "skipped", "cancelled"))
        table.add_row(
            Text(run["id"]),
            state(run["state"]),
            f"{done}/{sum(by_state.values())}",
            moment(run["created_at"]),
            Text(run["pipeline_name"]),
            Text(f"{run['input']['bucket']}/{run['input']['key']}"),
        )
    out.print(table)
    if page["cursor"]:
        err.print(f"more: --cursor {page['cursor']}", markup=False, highlight=False, soft_wrap=True)


def show_run(run: Mapping[str, Any]) -> None:
    """One run with its nodes."""
    say(f"run       {run['id']}")
    out.print(Text.assemble("state     ", state(run["state"])))
    say(f"pipeline  {run['pipeline_name']} ({run['pipeline_id']}), definition {run['definition']}")
    say(f"input     {run['input']['bucket']}/{run['input']['key']}")
    if run["rerun_of"]:
        say(f"rerun of  {run['rerun_of']} (rerun {run['epoch']} of {run['root']})")
    for label, name in (("created", "created_at"), ("started", "started_at"), ("finished", "finished_at")):
        if run[name]:
            say(f"{label:9} {moment(run[name])} UTC")
    if run["failure"]:
        say(f"failure   {run['failure']['code']}: {run['failure']['message']}")
    for command in run["commands"]:
        node = "" if command["node"] is None else f" {command['node']}"
        say(f"waits     {command['kind']}{node}, given {moment(command['at'])} UTC")
    table = plain_table("node", "kind", "name", "state", "try", "%", "note")
    for node in run["nodes"]:
        table.add_row(
            str(node["index"]),
            node["kind"],
            Text(node["name"] or ""),
            state(node["state"]),
            str(node["attempt"] or ""),
            str(node["progress"] or ""),
            Text(_note(node)),
        )
    out.print(table)


def _note(node: Mapping[str, Any]) -> str:
    if node["reused"]:
        return f"reused from {node['reused']['run_id']}"
    if node["failure"]:
        again = f"; next try {moment(node['due_at'])} UTC" if node["due_at"] else ""
        return f"{node['failure']['code']}: {node['failure']['message']}{again}"
    return str(node["reason"] or "")


def show_history(run: Mapping[str, Any]) -> None:
    """What happened in a run."""
    table = plain_table("#", "at (UTC)", "event", "node", "note")
    for event in run["history"]:
        note = event["message"] or event["state"] or ""
        node = "" if event["node"] is None else str(event["node"])
        table.add_row(str(event["sequence"]), moment(event["at"]), event["type"], node, Text(note))
    out.print(table)
