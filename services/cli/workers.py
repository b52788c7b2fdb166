"""`reelway workers`: who does the work."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.text import Text

from services.cli.session import Session, connected
from services.cli.show import moment, out, plain_table, say, state

app = typer.Typer(help="Workers: who is there, what they do; drain one. For operators.", no_args_is_help=True)
WorkerId = Annotated[str, typer.Argument(help="The worker's id.", metavar="WORKER")]


@app.command("list")
@connected
def list_workers(session: Session) -> None:
    """List the workers."""
    session.show(session.client.call("GET", "/workers", patient=True), _show)


@app.command()
@connected
def drain(session: Session, worker: WorkerId) -> None:
    """Let a worker take nothing more; what it is at goes on."""
    _wish(session, worker, "drain")


@app.command()
@connected
def resume(session: Session, worker: WorkerId) -> None:
    """Let a drained worker take tasks again."""
    _wish(session, worker, "resume")


def _wish(session: Session, worker: str, what: str) -> None:
    answer = session.client.call("POST", f"/workers/{quote(worker, safe='')}/{what}", patient=True)
    session.show(answer, lambda one: say(f"{one['id']} {'takes nothing more' if one['drain'] else 'takes tasks'}"))


def _show(found: Any) -> None:
    table = plain_table("worker", "state", "lanes (busy/slots)", "ended in 5 min", "load", "cores", "since (UTC)", "at")
    for one in found["workers"]:
        lanes = one["lanes"].items()
        table.add_row(
            one["id"],
            state("draining" if one["draining"] or one["drain"] else "running" if one["live"] else "silent"),
            ", ".join(f"{name} {lane['busy']}/{lane['slots']}" for name, lane in lanes),
            str(sum(sum(lane["ended"][:5]) for _, lane in lanes)),
            f"{one['load']:.1f}",
            str(one["cores"]),
            moment(one["started_at"]),
            Text(", ".join(f"{at['run_id']} node {at['node']} {at['progress']} %" for at in one["attempts"])),
        )
    out.print(table)
