"""`reelway uploads`: what happened to a file."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.text import Text

from services.cli.session import Session, connected
from services.cli.show import err, moment, out, plain_table, say, state
from shared.model.upload import Outcome

app = typer.Typer(help="What happened to a file, and why nothing did.", no_args_is_help=True)


@app.command("list")
@connected
def list_uploads(
    session: Session,
    bucket: Annotated[str | None, typer.Option(help="Default: all that you may use.")] = None,
    key: Annotated[str | None, typer.Option(help="The whole key.")] = None,
    prefix: Annotated[str | None, typer.Option(help="How the key begins.")] = None,
    outcome: Annotated[Outcome | None, typer.Option(help="Only what ended so.")] = None,
    seen_from: Annotated[str | None, typer.Option("--from", help="Seen at this moment or later.")] = None,
    seen_to: Annotated[str | None, typer.Option("--to", help="Seen before this moment.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100)] = 20,
    cursor: Annotated[str | None, typer.Option(help="Where an earlier list ended.")] = None,
) -> None:
    """List what arrived, newest first."""
    params = {
        "bucket": bucket,
        "key": key,
        "key_prefix": prefix,
        "outcome": outcome.value if outcome else None,
        "from": seen_from,
        "to": seen_to,
        "limit": limit,
        "cursor": cursor,
    }
    session.show(session.client.call("GET", "/uploads", params=params, patient=True), _show_list)


def _show_list(page: Any) -> None:
    table = plain_table("upload", "seen (UTC)", "outcome", "object", "runs", "note")
    for one in page["uploads"]:
        table.add_row(
            one["id"],
            moment(one["seen_at"]),
            state(one["outcome"]),
            Text(f"{one['bucket']}/{one['key']}"),
            str(len(one["run_ids"]) or ""),
            Text(one["reason"] or ""),
        )
    out.print(table)
    if page["cursor"]:
        err.print(f"more: --cursor {page['cursor']}", markup=False, highlight=False, soft_wrap=True)


@app.command()
@connected
def show(session: Session, upload: Annotated[str, typer.Argument(help="The upload's id.", metavar="UPLOAD")]) -> None:
    """Show what each pipeline made of an upload."""
    session.show(session.client.call("GET", f"/uploads/{quote(upload, safe='')}", patient=True), _show_one)


def _show_one(one: Any) -> None:
    say(f"{one['bucket']}/{one['key']}, seen {moment(one['seen_at'])} UTC by {one['seen_by']}")
    out.print(state(one["outcome"]))
    if one["reason"]:
        say(one["reason"])
    show_verdicts(one["pipelines"])


@app.command()
@connected
def explain(
    session: Session, place: Annotated[str, typer.Argument(help="bucket/key of an object.", metavar="OBJECT")]
) -> None:
    """Say what happened, or will happen, to an object, also if nobody has noticed it."""
    bucket, _, key = place.partition("/")
    answer = session.client.call("GET", "/uploads/explain", params={"bucket": bucket, "key": key}, patient=True)
    session.show(answer, show_explanation)


def show_explanation(answer: Any) -> None:
    """What is there and what pipelines make of it."""
    if answer["object"] is None:
        say(f"there is no object {answer['bucket']}/{answer['key']}")
    if answer["written_by"]:
        say(f"written by run {answer['written_by']}: outputs start nothing")
    for one in answer["uploads"]:
        say(f"seen {moment(one['seen_at'])} UTC: {one['outcome']} {one['reason'] or ''}".rstrip())
    if answer["object"] is not None and not answer["pipelines"]:
        say("none of your pipelines watches this bucket")
    show_verdicts(answer["pipelines"])


def show_verdicts(verdicts: Any) -> None:
    """A line for each pipeline."""
    table = plain_table("pipeline", "name", "run", "state", "why not")
    for one in verdicts:
        taken = "will start" if one["run_id"] and not one["run_state"] else one["run_state"] or ""
        table.add_row(
            one["pipeline_id"], Text(one["pipeline_name"]), one["run_id"] or "", state(taken), Text(one["reason"] or "")
        )
    if verdicts:
        out.print(table)
