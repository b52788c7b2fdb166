"""`reelway runs`: look at runs and act on them."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from services.cli.logs import show_log, show_outputs
from services.cli.session import Session, connected
from services.cli.show import out, plain_table, say, show_history, show_run, show_runs, state
from services.cli.watching import print_events, watch_run
from shared.model.run import RunState

app = typer.Typer(help="Look at runs; cancel, pause, resume, retry, rerun them.", no_args_is_help=True)

RunId = Annotated[str, typer.Argument(help="The run's id.", metavar="RUN")]
Wait = Annotated[
    float, typer.Option(min=0, max=20, help="Seconds to wait at most until the scheduler has taken the command in.")
]
Pipeline = Annotated[str, typer.Option("--pipeline", help="The pipeline's id.")]
From = Annotated[str | None, typer.Option("--from", help="Created at this moment or later: 2026-11-23T10:00:00Z.")]
To = Annotated[str | None, typer.Option("--to", help="Created before this moment.")]
Latest = Annotated[bool, typer.Option("--latest", help="By the pipeline's latest definition, not the run's own.")]


@app.command("list")
@connected
def list_runs(
    session: Session,
    states: Annotated[list[RunState] | None, typer.Option("--state", help="Only these; may be repeated.")] = None,
    pipeline: Annotated[str | None, typer.Option("--pipeline", help="Only of this pipeline.")] = None,
    name: Annotated[str | None, typer.Option(help="A piece of the pipeline's name.")] = None,
    bucket: Annotated[str | None, typer.Option(help="Of the input.")] = None,
    key: Annotated[str | None, typer.Option("--key", help="How the input's key begins.")] = None,
    created_from: From = None,
    created_to: To = None,
    limit: Annotated[int, typer.Option(min=1, max=100)] = 20,
    cursor: Annotated[str | None, typer.Option(help="Where an earlier list ended.")] = None,
) -> None:
    """List runs, newest first."""
    params = {
        "state": [state.value for state in states or ()],
        "pipeline_id": pipeline,
        "name": name,
        "bucket": bucket,
        "key_prefix": key,
        "from": created_from,
        "to": created_to,
        "limit": limit,
        "cursor": cursor,
    }
    session.show(session.client.call("GET", "/runs", params=params, patient=True), show_runs)


@app.command()
@connected
def show(
    session: Session,
    run: RunId,
    history: Annotated[bool, typer.Option("--history", help="Also what happened in it.")] = False,
) -> None:
    """Show a run with its nodes."""

    def render(answer: Any) -> None:
        show_run(answer)
        if history:
            out.print()
            show_history(answer)

    session.show(session.client.call("GET", _path(run), patient=True), render)


@app.command()
@connected
def watch(session: Session, run: RunId) -> None:
    """Follow a run until it ends. Exit code 6 if it does not succeed."""
    ended = print_events(session.client, run) if session.json else watch_run(session.client, run)
    if ended != RunState.SUCCEEDED.value:
        raise typer.Exit(6)


@app.command()
@connected
def logs(
    session: Session,
    run: RunId,
    node: Annotated[int | None, typer.Argument(min=0, help="The node's index. Default: all.")] = None,
    attempt: Annotated[int | None, typer.Option(min=1, help="Default: the last.")] = None,
    tail: Annotated[int, typer.Option(min=0, max=4000, help="Characters of each program's output at most.")] = 4000,
) -> None:
    """Show the programs that attempts ran, with their arguments and the end of what they said."""
    detail = session.client.call("GET", _path(run), patient=True)
    for one in detail["nodes"]:
        attempts = [each["attempt"] for each in one["attempts"]]
        if (node is not None and one["index"] != node) or not attempts:
            continue
        wanted = attempts[-1] if attempt is None else attempt
        path = _path(run, "nodes", str(one["index"]), "attempts", str(wanted), "log")
        if node is not None or wanted in attempts:
            answer = session.client.call("GET", path, params={"tail": tail}, patient=True)
            session.show({"node": one["index"], "attempt": wanted, **answer}, show_log)


@app.command()
@connected
def outputs(
    session: Session,
    run: RunId,
    node: Annotated[int | None, typer.Option(min=0, help="Only of this node.")] = None,
    expires: Annotated[int, typer.Option(min=1, max=86_400, help="Seconds that the links are good for.")] = 3600,
) -> None:
    """List what a run wrote, with links to read it."""
    params: dict[str, Any] = {"node": node, "expires_s": expires, "limit": 500}
    while True:
        page = session.client.call("GET", _path(run, "outputs"), params=params, patient=True)
        session.show(page, show_outputs)
        if page["cursor"] is None:
            return
        params["cursor"] = page["cursor"]


@app.command()
@connected
def cancel(session: Session, run: RunId, wait: Wait = 10) -> None:
    """End a run: nothing more starts, what runs is stopped within seconds."""
    _command(session, _path(run, "cancel"), wait)


@app.command()
@connected
def pause(session: Session, run: RunId, wait: Wait = 10) -> None:
    """Start nothing new in a run; what a worker is at goes on."""
    _command(session, _path(run, "pause"), wait)


@app.command()
@connected
def resume(session: Session, run: RunId, wait: Wait = 10) -> None:
    """Let a paused run go on."""
    _command(session, _path(run, "resume"), wait)


@app.command()
@connected
def retry(
    session: Session, run: RunId, node: Annotated[int, typer.Argument(min=0, help="The node's index.")], wait: Wait = 10
) -> None:
    """Try a failed node again while its run goes on, or a waiting one at once."""
    _command(session, _path(run, "nodes", str(node), "retry"), wait)


def _path(run: str, *parts: str) -> str:
    return "/".join(("/runs", quote(run, safe=""), *parts))


def _command(session: Session, path: str, wait: float) -> None:
    def render(run: Any) -> None:
        say(f"{run['id']} {'not taken in yet' if run['commands'] else run['state']}")

    session.show(session.client.call("POST", path, params={"wait": wait}), render)


@app.command()
@connected
def rerun(
    session: Session,
    run: RunId,
    whole: Annotated[bool, typer.Option("--all", help="Do everything again.")] = False,
    node: Annotated[int | None, typer.Option(min=0, help="Do this node again, and what follows it.")] = None,
    latest: Latest = False,
) -> None:
    """Make a new run of an ended one. Without options: from its failed nodes, everything else is reused."""
    if whole and node is not None:
        raise typer.BadParameter("--all and --node do not go together")
    wish: dict[str, Any] = {"scope": "all" if whole else "failed", "definition": "latest" if latest else "same"}
    if node is not None:
        wish |= {"scope": "node", "node": node}
    session.show(session.client.call("POST", _path(run, "rerun"), body=wish), _show_rerun)


def _show_rerun(made: Any) -> None:
    say(f"started {made['run']['id']}")
    table = plain_table("node", "kind", "", "why")
    for fate in made["nodes"]:
        kind = made["run"]["nodes"][fate["node"]]["kind"]
        table.add_row(str(fate["node"]), kind, state(fate["action"]), fate["reason"])
    out.print(table)


@app.command("rerun-failed")
@connected
def rerun_failed(
    session: Session,
    pipeline: Pipeline,
    created_from: From = None,
    created_to: To = None,
    whole: Annotated[bool, typer.Option("--all", help="Do everything again, not only from failed nodes.")] = False,
    latest: Latest = False,
) -> None:
    """Rerun all failed runs of a pipeline that were not rerun yet. Calling it again makes nothing twice."""
    wish: dict[str, Any] = {
        "pipeline_id": pipeline,
        "from": created_from,
        "to": created_to,
        "scope": "all" if whole else "failed",
        "definition": "latest" if latest else "same",
    }
    refused = started = 0
    while True:
        page = session.client.call("POST", "/runs/rerun-failed", body=wish, patient=True)
        session.show(page, _show_reruns)
        started += sum(one["rerun_id"] is not None for one in page["results"])
        refused += sum(one["rerun_id"] is None for one in page["results"])
        wish["cursor"] = page["cursor"]
        if page["cursor"] is None:
            break
    if not session.json:
        say(f"{started} started, {refused} refused")
    if refused:
        raise typer.Exit(4)


def _show_reruns(page: Any) -> None:
    for one in page["results"]:
        if one["rerun_id"]:
            say(f"{one['run_id']} -> {one['rerun_id']} ({one['reused']} reused, {one['redone']} redone)")
        else:
            say(f"{one['run_id']} not rerun: {one['detail']} ({one['code']})")
