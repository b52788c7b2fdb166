"""`reelway limits`: how many tasks may be at work at once."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from services.cli.session import Session, connected
from services.cli.show import say

app = typer.Typer(help="How many tasks may be at work at once, in all or of one pipeline.", no_args_is_help=True)

Pipeline = Annotated[str | None, typer.Option("--pipeline", help="Of this pipeline. Default: of all together.")]


@app.command()
@connected
def show(session: Session, pipeline: Pipeline = None) -> None:
    """Show a limit and how many tasks are at work."""
    session.show(session.client.call("GET", _path(pipeline), patient=True), _render)


@app.command("set")
@connected
def set_limit(
    session: Session,
    maximum: Annotated[int, typer.Argument(min=0, max=100_000, help="Tasks at once; 0 lets nothing start.")],
    pipeline: Pipeline = None,
) -> None:
    """Set a limit; it holds within about a second, and what runs already goes on."""
    session.show(session.client.call("PUT", _path(pipeline), body={"max_running": maximum}, patient=True), _render)


@app.command()
@connected
def clear(session: Session, pipeline: Pipeline = None) -> None:
    """Remove a limit."""
    session.client.call("DELETE", _path(pipeline), patient=True)
    session.show({"max_running": None}, lambda _: say("no limit"))


def _path(pipeline: str | None) -> str:
    return "/limits/tenant" if pipeline is None else f"/limits/pipelines/{quote(pipeline, safe='')}"


def _render(limit: Any) -> None:
    maximum = "no limit" if limit["max_running"] is None else f"at most {limit['max_running']}"
    say(f"{maximum}, {limit['running']} at work")
