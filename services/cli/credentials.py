"""`reelway credentials`: who of the tenant may call, and what for."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from services.cli.session import Session, connected
from services.cli.show import moment, out, plain_table, say
from shared.model.credential import Role

app = typer.Typer(help="Credentials: list, create, rotate, disable, delete.", no_args_is_help=True)
PAGE = 200
SecretId = Annotated[str, typer.Argument(help="The SecretId.", metavar="SECRET_ID")]


@app.command("list")
@connected
def list_credentials(session: Session) -> None:
    """List the credentials of the tenant, newest first."""
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = session.client.call("GET", "/credentials", params={"limit": PAGE, "cursor": cursor}, patient=True)
        found += page["credentials"]
        cursor = page["cursor"]
        if cursor is None:
            break
    session.show({"credentials": found}, _render_list)


@app.command()
@connected
def create(
    session: Session,
    role: Annotated[Role, typer.Option(help="What it may do.")] = Role.VIEWER,
    name: Annotated[str, typer.Option(help="What people call it.")] = "",
) -> None:
    """Make a credential. Its SecretKey is shown this once."""
    session.show(session.client.call("POST", "/credentials", body={"role": role.value, "name": name}), _render_new)


@app.command()
@connected
def rotate(
    session: Session,
    credential: SecretId,
    overlap: Annotated[
        int, typer.Option(min=0, max=30 * 24, help="For how many hours the key before it stays good.")
    ] = 24,
) -> None:
    """Make a new SecretKey for a SecretId. It is shown this once."""
    answer = session.client.call("POST", f"{_path(credential)}/rotate", body={"overlap_s": overlap * 3600})
    session.show(answer, _render_new)


@app.command()
@connected
def disable(session: Session, credential: SecretId) -> None:
    """Make it good for nothing, within seconds."""
    _change(session, credential, "disable")


@app.command()
@connected
def enable(session: Session, credential: SecretId) -> None:
    """Make it good again."""
    _change(session, credential, "enable")


@app.command()
@connected
def delete(session: Session, credential: SecretId) -> None:
    """Take it away for ever."""
    session.client.call("DELETE", _path(credential))
    session.show({"secret_id": credential}, lambda _: say(f"{credential} is deleted"))


def _change(session: Session, credential: str, what: str) -> None:
    answer = session.client.call("POST", f"{_path(credential)}/{what}", patient=True)
    session.show(answer, lambda one: _render_list({"credentials": [one]}))


def _path(secret_id: str) -> str:
    return f"/credentials/{quote(secret_id, safe='')}"


def _render_new(made: Any) -> None:
    say(f"SecretId   {made['secret_id']}")
    say(f"SecretKey  {made['secret_key']}")
    say(f"role       {made['role']}")
    say("The SecretKey is not shown again.")


def _render_list(page: Any) -> None:
    table = plain_table("SecretId", "name", "role", "state", "created (UTC)", "older key until (UTC)")
    for one in page["credentials"]:
        overlap = next((key["expires_at"] for key in one["keys"] if key["expires_at"]), None)
        status = "disabled" if one["disabled"] else "good"
        table.add_row(one["secret_id"], one["name"], one["role"], status, moment(one["created_at"]), moment(overlap))
    out.print(table)
