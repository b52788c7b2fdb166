"""`reelway templates`: the account's own, and the system's, which can only be read."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import orjson
import typer
from rich.text import Text

from services.cli.session import Session, connected
from services.cli.show import err, moment, out, plain_table, say

app = typer.Typer(help="Templates that nodes name by number.", no_args_is_help=True)
MAX_BYTES = 1024 * 1024

Kind = Annotated[str, typer.Argument(help="The kind, as `reelway templates kinds` lists them.", metavar="KIND")]
Number = Annotated[int, typer.Argument(min=1, help="The template's number.", metavar="NUMBER")]
File = Annotated[
    Path,
    typer.Option(
        "--file",
        "-f",
        help="JSON: an object with name, comment and params, as `show --json` prints it. - reads standard input.",
    ),
]


@app.command()
@connected
def kinds(session: Session) -> None:
    """List the kinds of template; with --json also the JSON Schema of their params."""
    session.show(session.client.call("GET", "/template-kinds", patient=True), _kinds)


@app.command("list")
@connected
def list_templates(
    session: Session,
    kind: Kind,
    own: Annotated[bool, typer.Option("--own", help="Only the account's own.")] = False,
    name: Annotated[str | None, typer.Option(help="A piece of the name.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
    cursor: Annotated[str | None, typer.Option(help="Where an earlier list ended.")] = None,
) -> None:
    """List templates: your own, newest first, then the system's."""
    params = {"origin": "own" if own else None, "name": name, "limit": limit, "cursor": cursor}
    session.show(session.client.call("GET", f"/templates/{kind}", params=params, patient=True), _list)


@app.command()
@connected
def show(session: Session, kind: Kind, number: Number) -> None:
    """Show one template."""
    session.show(session.client.call("GET", f"/templates/{kind}/{number}", patient=True), _one)


@app.command()
@connected
def create(session: Session, kind: Kind, file: File) -> None:
    """Make a template; prints its number."""
    made = session.client.call("POST", f"/templates/{kind}", body=_read(file))
    session.show(made, lambda one: say(str(one["definition"])))


@app.command()
@connected
def replace(session: Session, kind: Kind, number: Number, file: File) -> None:
    """Put another one in a template's place, as a whole; runs that are made from now on have it."""
    path = f"/templates/{kind}/{number}"
    session.show(session.client.call("PUT", path, body=_read(file), headers={"If-Match": "*"}, patient=True), _one)


@app.command()
@connected
def delete(session: Session, kind: Kind, number: Number) -> None:
    """Take a template away; nodes that still name it fail from now on."""
    session.client.call("DELETE", f"/templates/{kind}/{number}", patient=True)
    session.show({"deleted": number}, lambda _: say(f"{kind} template {number} is deleted"))


def _read(file: Path) -> dict[str, Any]:
    """What to send: members that only an answer has are left out, so that what `show` printed can be given again."""
    try:
        data = sys.stdin.buffer.read(MAX_BYTES + 1) if str(file) == "-" else file.read_bytes()
    except OSError as error:
        _refuse(f"{file}: {error.strerror}")
    if len(data) > MAX_BYTES:
        _refuse(f"{file}: has more than {MAX_BYTES} bytes")
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        _refuse(f"{file}: is not JSON: {error}")
    if not isinstance(found, dict):
        _refuse(f"{file}: is not a JSON object")
    shown_only = {"kind", "definition", "origin", "created_at", "updated_at"}
    return {name: value for name, value in found.items() if name not in shown_only}


def _refuse(text: str) -> NoReturn:
    err.print(text, style="bold red", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(2)


def _kinds(answer: Any) -> None:
    table = plain_table("kind", "system templates")
    for one in answer["kinds"]:
        table.add_row(one["kind"], ", ".join(str(preset["definition"]) for preset in one["presets"]))
    out.print(table)


def _list(page: Any) -> None:
    table = plain_table("number", "origin", "name", "changed (UTC)", "comment")
    for one in page["templates"]:
        table.add_row(
            str(one["definition"]),
            Text(one["origin"], style="dim" if one["origin"] == "system" else ""),
            Text(one["name"]),
            moment(one["updated_at"]),
            Text(one["comment"]),
        )
    out.print(table)
    if page["cursor"]:
        err.print(f"more: --cursor {page['cursor']}", markup=False, highlight=False, soft_wrap=True)


def _one(template: Any) -> None:
    say(f"template  {template['kind']} {template['definition']} ({template['origin']})")
    for member in ("name", "comment"):
        if template[member]:
            say(f"{member:9} {template[member]}")
    for label, member in (("created", "created_at"), ("changed", "updated_at")):
        if template[member]:
            say(f"{label:9} {moment(template[member])} UTC")
    say(orjson.dumps(template["params"], option=orjson.OPT_INDENT_2).decode())
