"""`reelway buckets` and `reelway upload`: what lies there, and a file into it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from services.cli.session import Session, connected
from services.cli.show import err, moment, out, plain_table, say
from services.cli.transfer import send_file
from services.cli.uploads import show_explanation

app = typer.Typer(help="Look into buckets.", no_args_is_help=True)


@app.command("list")
@connected
def list_buckets(session: Session) -> None:
    """List the buckets that you may use."""
    answer = session.client.call("GET", "/buckets", patient=True)
    session.show(answer, _show_buckets)


def _show_buckets(found: Any) -> None:
    for one in found["buckets"]:
        say(one["name"])


@app.command("ls")
@connected
def list_objects(
    session: Session,
    place: Annotated[str, typer.Argument(help="bucket, or bucket/folder/.", metavar="PLACE")],
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 100,
    cursor: Annotated[str | None, typer.Option(help="Where an earlier list ended.")] = None,
) -> None:
    """List folders and objects."""
    bucket, _, prefix = place.partition("/")
    params = {"prefix": prefix, "limit": limit, "cursor": cursor}
    path = f"/buckets/{quote(bucket, safe='')}/objects"
    session.show(session.client.call("GET", path, params=params, patient=True), _show_objects)


def _show_objects(page: Any) -> None:
    table = plain_table("size", "changed (UTC)", "key")
    for folder in page["folders"]:
        table.add_row("", "", folder)
    for one in page["objects"]:
        table.add_row(str(one["size"]), moment(one["last_modified"]), one["key"])
    out.print(table)
    if page["cursor"]:
        err.print(f"more: --cursor {page['cursor']}", markup=False, highlight=False, soft_wrap=True)


@connected
def upload(
    session: Session,
    file: Annotated[Path, typer.Argument(help="A local file.", exists=True, dir_okay=False, readable=True)],
    place: Annotated[str, typer.Argument(help="bucket/folder/, or bucket/key of the object.", metavar="PLACE")],
) -> None:
    """Put a file into a bucket, and say what your pipelines make of it."""
    bucket, _, key = place.partition("/")
    if not key or key.endswith("/"):
        key += file.name
    send_file(session.client, file, bucket, key, quiet=session.json)
    params = {"bucket": bucket, "key": key}
    answer = session.client.call("GET", "/uploads/explain", params=params, patient=True)
    if not session.json:
        say(f"{bucket}/{key}")
    session.show(answer, show_explanation)
