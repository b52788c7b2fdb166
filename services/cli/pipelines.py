"""`reelway pipelines`: process what lies in the bucket already."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any
from urllib.parse import quote

import typer

from services.cli.session import Session, connected
from services.cli.show import say

app = typer.Typer(help="Act on pipelines.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keeps the name of the only command."""


@app.command()
@connected
def process(
    session: Session,
    pipeline: Annotated[str, typer.Argument(help="The pipeline's id.", metavar="PIPELINE")],
    prefix: Annotated[
        str | None, typer.Option(help="Objects whose key begins so. Default: the trigger's directory.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Also what was processed and has ended, by the latest definition.")
    ] = False,
) -> None:
    """Start runs for objects that lie in the trigger's bucket already. Without --again nothing is processed twice."""
    wish: dict[str, Any] = {"prefix": prefix, "again": again, "limit": 200}
    counts: Counter[str] = Counter()
    while True:
        path = f"/pipelines/{quote(pipeline, safe='')}/process"
        page = session.client.call("POST", path, body=wish, patient=not again)
        session.show(page, _show)
        counts.update(one["outcome"] for one in page["objects"])
        wish["cursor"] = page["cursor"]
        if page["cursor"] is None:
            break
    if not session.json:
        say(", ".join(f"{counts[outcome]} {outcome}" for outcome in ("started", "known", "skipped")))


def _show(page: Any) -> None:
    for one in page["objects"]:
        note = one["run_id"] if one["outcome"] == "started" else one["reason"]
        say(f"{one['outcome']:8} {one['key']}  {note or ''}")
