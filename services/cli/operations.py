"""`reelway queues` and `reelway stuck`."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.text import Text

from services.cli.session import Session, connected
from services.cli.show import moment, out, plain_table, say, state


@connected
def show_queues(session: Session) -> None:
    """Show how many tasks wait in each lane, for how long, and what there is to take them."""
    session.show(session.client.call("GET", "/queues", patient=True), _show_queues)


def _show_queues(found: Any) -> None:
    table = plain_table("lane", "queued", "oldest", "held", "running", "busy/slots", "ended in 5 min", "failed")
    for one in found["lanes"]:
        known = one["slots"] is not None
        table.add_row(
            one["lane"],
            str(one["queued"]),
            "" if one["oldest_s"] is None else f"{one['oldest_s']:.0f} s",
            str(one["held"]),
            str(one["running"]),
            f"{one['busy']}/{one['slots']}" if known else "",
            str(one["ended_in_5_min"]) if known else "",
            str(one["failed_in_5_min"]) if known else "",
        )
    out.print(table)
    say(", ".join(f"{count} runs {name}" for name, count in found["runs"].items()))


@connected
def show_stuck(
    session: Session,
    older: Annotated[int, typer.Option(min=1, help="Seconds without anything new.")] = 600,
    limit: Annotated[int, typer.Option(min=1, max=100)] = 50,
) -> None:
    """List runs in which nothing happens, and what they wait for."""
    params = {"older_s": older, "limit": limit}
    session.show(session.client.call("GET", "/stuck", params=params, patient=True), _show_stuck)


def _show_stuck(found: Any) -> None:
    table = plain_table("run", "state", "quiet since (UTC)", "pipeline", "waits for")
    for one in found["runs"]:
        run = one["run"]
        table.add_row(
            run["id"],
            state(run["state"]),
            moment(one["since"]),
            Text(run["pipeline_name"]),
            Text("; ".join(one["reasons"])),
        )
    out.print(table)
