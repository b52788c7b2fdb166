"""`reelway audit`: who changed what."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import orjson
import typer

from services.cli.session import Session, connected
from services.cli.show import moment, out, plain_table, say

app = typer.Typer(help="Who changed what, newest first.", invoke_without_command=True)
_When = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="UTC.")]


@app.callback()
@connected
def audit(
    session: Session,
    actor: Annotated[str | None, typer.Option(help="SecretId of who did it.")] = None,
    action: Annotated[str | None, typer.Option(help="Action or operation, as in EnableSchedule or cancel_run.")] = None,
    kind: Annotated[str | None, typer.Option(help="What it changes: pipeline, run, limit, credential, ...")] = None,
    object_id: Annotated[str | None, typer.Option("--object", help="Id of what was changed.")] = None,
    since: _When = None,
    until: _When = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 50,
    details: Annotated[bool, typer.Option(help="With what it was before and after.")] = False,
) -> None:
    """Show the audit log."""
    wanted: dict[str, Any] = {
        "actor": actor,
        "action": action,
        "kind": kind,
        "object": object_id,
        "from": _utc(since),
        "to": _utc(until),
    }
    found: list[dict[str, Any]] = []
    cursor = None
    while len(found) < limit:
        asked = {**wanted, "limit": min(200, limit - len(found)), "cursor": cursor}
        page = session.client.call("GET", "/audit", params=asked, patient=True)
        found += page["records"]
        cursor = page["cursor"]
        if cursor is None:
            break
    session.show({"records": found}, _render_details if details else _render)


def _utc(when: datetime | None) -> str | None:
    return None if when is None else f"{when.isoformat()}Z"


def _render(page: Any) -> None:
    table = plain_table("at (UTC)", "who", "role", "action", "object", "outcome")
    for one in page["records"]:
        what = ", ".join(f"{change['kind']}:{change['id']}" for change in one["changes"][:3]) or one["target"]
        actor = one["actor"]
        table.add_row(moment(one["at"]), actor["secret_id"], actor["role"], one["action"], what, one["outcome"])
    out.print(table)


def _render_details(page: Any) -> None:
    for one in page["records"]:
        actor = one["actor"]
        say(f"{moment(one['at'])} {one['action']} {one['target']}: {one['outcome']}")
        say(f"  by {actor['secret_id']} ({actor['role']}) from {actor['address']}, request {actor['request_id']}")
        for change in one["changes"]:
            say(f"  {change['kind']}:{change['id']}")
            for side in ("before", "after"):
                if change[side] is not None:
                    say(f"    {side:6} {orjson.dumps(change[side]).decode()}")
