"""`reelway pipelines`: list, look, switch, copy, delete, and process what lies in the bucket already."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Literal

import typer
from rich.text import Text

from services.cli import pipeline_files, pipeline_trials, pipeline_versions
from services.cli.pipeline_names import Pipeline, once, pipeline_path
from services.cli.session import Session, connected
from services.cli.show import err, moment, out, plain_table, say

app = typer.Typer(help="Make, look at and change pipelines.", no_args_is_help=True)
app.add_typer(pipeline_files.app)
app.add_typer(pipeline_versions.app)
app.add_typer(pipeline_trials.app)


@app.command("list")
@connected
def list_pipelines(
    session: Session,
    name: Annotated[str | None, typer.Option(help="A piece of the name.")] = None,
    status: Annotated[Literal["enabled", "disabled"] | None, typer.Option()] = None,
    bucket: Annotated[str | None, typer.Option(help="The trigger's bucket.")] = None,
    oldest: Annotated[bool, typer.Option("--oldest", help="Oldest first. Default: newest first.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100)] = 20,
    cursor: Annotated[str | None, typer.Option(help="Where an earlier list ended.")] = None,
) -> None:
    """List pipelines by the time they were made."""
    params = {
        "name": name,
        "status": status,
        "bucket": bucket,
        "sort": "created_at" if oldest else "-created_at",
        "limit": limit,
        "cursor": cursor,
    }
    session.show(session.client.call("GET", "/pipelines", params=params, patient=True), _list)


@app.command()
@connected
def show(session: Session, pipeline: Pipeline) -> None:
    """Show a pipeline with its graph."""
    session.show(session.client.call("GET", pipeline_path(session, pipeline), patient=True), _one)


@app.command()
@connected
def enable(session: Session, pipeline: Pipeline) -> None:
    """From now on uploads start runs."""
    session.show(session.client.call("POST", pipeline_path(session, pipeline, "enable"), patient=True), _status)


@app.command()
@connected
def disable(session: Session, pipeline: Pipeline) -> None:
    """Uploads start nothing any more; runs that began go on."""
    session.show(session.client.call("POST", pipeline_path(session, pipeline, "disable"), patient=True), _status)


@app.command()
@connected
def clone(session: Session, pipeline: Pipeline, name: Annotated[str, typer.Argument(help="The copy's name.")]) -> None:
    """Make a disabled copy under another name."""
    path = pipeline_path(session, pipeline, "clone")
    made = session.client.call("POST", path, body={"name": name}, headers=once(), patient=True)
    session.show(made, lambda one: say(f"created {one['name']} ({one['id']})"))


@app.command()
@connected
def delete(session: Session, pipeline: Pipeline) -> None:
    """Delete a disabled pipeline. Its runs go on and stay."""
    path = pipeline_path(session, pipeline)
    session.client.call("DELETE", path)
    session.show({"deleted": path.rpartition("/")[2]}, lambda _: say(f"deleted {pipeline}"))


@app.command()
@connected
def process(
    session: Session,
    pipeline: Pipeline,
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
    path = pipeline_path(session, pipeline, "process")
    while True:
        page = session.client.call("POST", path, body=wish, patient=not again)
        session.show(page, _processed)
        counts.update(one["outcome"] for one in page["objects"])
        wish["cursor"] = page["cursor"]
        if page["cursor"] is None:
            break
    if not session.json:
        say(", ".join(f"{counts[outcome]} {outcome}" for outcome in ("started", "known", "skipped")))


def _processed(page: Any) -> None:
    for one in page["objects"]:
        note = one["run_id"] if one["outcome"] == "started" else one["reason"]
        say(f"{one['outcome']:8} {one['key']}  {note or ''}")


_STYLES = {"enabled": "green", "disabled": "dim"}


def _status(one: Any) -> None:
    say(f"{one['name']} ({one['id']}) is {one['status']}")


def _list(page: Any) -> None:
    table = plain_table("pipeline", "name", "status", "definition", "nodes", "trigger", "created (UTC)")
    for one in page["pipelines"]:
        table.add_row(
            one["id"],
            Text(one["name"]),
            Text(one["status"], style=_STYLES[one["status"]]),
            str(one["definition"]),
            str(one["nodes_count"]),
            Text(f"{one['bucket']}{one['dir']}"),
            moment(one["created_at"]),
        )
    out.print(table)
    if page["cursor"]:
        err.print(f"more: --cursor {page['cursor']}", markup=False, highlight=False, soft_wrap=True)


def _one(one: Any) -> None:
    document = one["document"]
    say(f"pipeline  {one['name']} ({one['id']})")
    out.print(Text.assemble("status    ", (one["status"], _STYLES[one["status"]])))
    say(f"saved     definition {one['definition']}, changed {moment(one['updated_at'])} UTC")
    formats = document["trigger"]["formats"]
    say(
        f"trigger   {one['bucket']}{one['dir']} ({one['region']}), {', '.join(formats) if formats else 'usual formats'}"
    )
    say(f"output    {one['output_bucket']}{one['output_dir'] or ' (directory of the input)'}")
    for told in document["subscriptions"]:
        where = (
            told["url"] or told["queue_name"] or told["topic_name"] or (told["aws_sqs"] or {}).get("queue_name") or ""
        )
        say(f"tells     {told['type'] or 'queue'} {where}")
    table = plain_table("node", "kind", "name", "then", "parameters")
    for index, node in enumerate(document["nodes"]):
        given = ", ".join(f"{name}={_short(value)}" for name, value in node["params"].items())
        then = ", ".join(document["nodes"][next_]["name"] or str(next_) for next_ in node["successors"])
        table.add_row(str(index), node["kind"], Text(node["name"] or ""), then, Text(given))
    out.print(table)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
