"""A run as it goes on, on a terminal or as lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import orjson
import typer
from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from services.cli.client import Client
from services.cli.events import Event, follow
from services.cli.show import moment, out, plain_table, say, state


def _path(run: str) -> str:
    return f"/runs/{quote(run, safe='')}"


def print_events(client: Client, run: str) -> str:
    """Every event as a line of JSON; the state in which the run ended."""
    for event in follow(client, f"{_path(run)}/events"):
        typer.echo(orjson.dumps({"event": event.kind, "id": event.id, "data": event.data}))
    return _state(client, run)


def watch_run(client: Client, run: str) -> str:
    """A table that changes as the run goes on, or a line for each event where there is no terminal; the state in which
    the run ended."""
    if not out.is_terminal:
        for event in follow(client, f"{_path(run)}/events"):
            _say(event)
        return _state(client, run)
    detail = client.call("GET", _path(run), patient=True)
    with Live(_picture(detail), console=out, refresh_per_second=8, transient=False) as live:
        for event in follow(client, f"{_path(run)}/events"):
            if event.kind == "progress":
                _take_in(detail, event.data)
            else:
                detail = client.call("GET", _path(run), patient=True)
            live.update(_picture(detail))
        detail = client.call("GET", _path(run), patient=True)
        live.update(_picture(detail))
    return str(detail["state"])


def _state(client: Client, run: str) -> str:
    return str(client.call("GET", _path(run), patient=True)["state"])


def _take_in(detail: dict[str, Any], progress: Mapping[str, Any]) -> None:
    for one in progress["nodes"]:
        detail["nodes"][one["node"]] |= {"state": one["state"], "progress": one["progress"], "attempt": one["attempt"]}


def _say(event: Event) -> None:
    if event.kind == "history":
        told = event.data["event"]
        node = "" if told.get("node") is None else f" node {told['node']}"
        note = told.get("message") or told.get("state") or ""
        say(f"{moment(told['at'])} {told['type']}{node} {note}".rstrip())
    elif event.kind == "progress":
        for one in event.data["nodes"]:
            if one["state"] == "running":
                say(f"node {one['node']} {one['progress']} % on {one['worker']}")


def _picture(run: Mapping[str, Any]) -> Group:
    head = Text.assemble(f"{run['id']}  ", state(run["state"]), f"  {run['pipeline_name']}  {run['input']['key']}")
    table: Table = plain_table("node", "kind", "name", "state", "try", "", "%", "note")
    for node in run["nodes"]:
        failure = node["failure"] or {}
        note = node["reason"] or (f"{failure['code']}: {failure['message']}" if failure else "")
        table.add_row(
            str(node["index"]),
            node["kind"],
            Text(node["name"] or ""),
            state(node["state"]),
            str(node["attempt"] or ""),
            ProgressBar(total=100, completed=node["progress"], width=24),
            str(node["progress"]) if node["state"] == "running" else "",
            Text(note),
        )
    return Group(head, table)
