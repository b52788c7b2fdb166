"""`reelway deliveries`: the log of what was told to whom, sending again, test events."""

from __future__ import annotations

import secrets
from typing import Annotated, Any
from urllib.parse import quote

import orjson
import typer
from rich.text import Text

from services.cli.session import Session, connected
from services.cli.show import err, moment, out, plain_table, say, state
from shared.model.delivery import DeliveryState
from shared.model.pipeline import SinkType

app = typer.Typer(help="What was told to whom: look, send again, try out.", no_args_is_help=True)

DeliveryId = Annotated[str, typer.Argument(help="The delivery's id, which is its webhook-id.", metavar="DELIVERY")]
Run = Annotated[str | None, typer.Option("--run", help="Only about this run.")]
Pipeline = Annotated[str | None, typer.Option("--pipeline", help="Only about runs of this pipeline.")]
Subscription = Annotated[
    str | None, typer.Option("--subscription", help="Only to this subscription; `default` is TaskNotifyConfig.")
]
Sink = Annotated[SinkType | None, typer.Option("--sink", help="Only by this kind of sink.")]
From = Annotated[str | None, typer.Option("--from", help="Made at this moment or later: 2026-11-23T10:00:00Z.")]
To = Annotated[str | None, typer.Option("--to", help="Made before this moment.")]


@app.command("list")
@connected
def list_deliveries(
    session: Session,
    states: Annotated[list[DeliveryState] | None, typer.Option("--state", help="Only these; may be repeated.")] = None,
    run: Run = None,
    pipeline: Pipeline = None,
    subscription: Subscription = None,
    sink: Sink = None,
    created_from: From = None,
    created_to: To = None,
    limit: Annotated[int, typer.Option(min=1, max=100)] = 20,
    cursor: Annotated[str | None, typer.Option(help="Where an earlier list ended.")] = None,
) -> None:
    """List deliveries, newest first."""
    params = {
        "state": [one.value for one in states or ()],
        **_chosen(run, pipeline, subscription, sink, created_from, created_to),
        "limit": limit,
        "cursor": cursor,
    }
    session.show(session.client.call("GET", "/deliveries", params=params, patient=True), _show_page)


@app.command()
@connected
def show(
    session: Session,
    delivery: DeliveryId,
    body: Annotated[bool, typer.Option("--body", help="Also the body that was sent.")] = False,
) -> None:
    """Show a delivery with every attempt at it."""

    def render(found: Any) -> None:
        _show_delivery(found)
        if body:
            say(orjson.dumps(found["request"]["body"], option=orjson.OPT_INDENT_2).decode())

    session.show(session.client.call("GET", f"/deliveries/{quote(delivery, safe='')}", patient=True), render)


@app.command()
@connected
def replay(
    session: Session,
    delivery: Annotated[str | None, typer.Argument(help="One delivery.", metavar="DELIVERY")] = None,
    every: Annotated[bool, typer.Option("--all", help="All that the other options choose.")] = False,
    of_state: Annotated[
        DeliveryState, typer.Option("--state", help="With --all: dead ones, or delivered ones once more.")
    ] = DeliveryState.DEAD,
    run: Run = None,
    pipeline: Pipeline = None,
    subscription: Subscription = None,
    sink: Sink = None,
    created_from: From = None,
    created_to: To = None,
) -> None:
    """Send one again, or with --all many: each once, those of a run in the order of its events."""
    if (delivery is None) is not every:
        raise typer.BadParameter("name one delivery, or say --all and which ones")
    if delivery is not None:
        path = f"/deliveries/{quote(delivery, safe='')}/replay"
        session.show(session.client.call("POST", path), _show_delivery)
        return
    chosen = _chosen(run, pipeline, subscription, sink, created_from, created_to)
    wish = {name: value for name, value in chosen.items() if value is not None} | {"state": of_state.value}
    # Its key makes it safe to send it again while the API is busy.
    answer = session.client.call(
        "POST", "/replays", body=wish, headers={"Idempotency-Key": secrets.token_hex(16)}, patient=True
    )
    session.show(answer, _show_replay)


@app.command()
@connected
def progress(
    session: Session, replay_id: Annotated[str, typer.Argument(help="The replay's id.", metavar="REPLAY")]
) -> None:
    """Show how far a replay of many is."""
    session.show(session.client.call("GET", f"/replays/{quote(replay_id, safe='')}", patient=True), _show_replay)


@app.command("test")
@connected
def try_out(
    session: Session,
    pipeline: Annotated[str, typer.Argument(help="The pipeline's id.", metavar="PIPELINE")],
    subscription: Annotated[str, typer.Option(help="Its name; `default` is TaskNotifyConfig.")] = "default",
    wait: Annotated[float, typer.Option(min=0, max=20, help="Seconds to wait for the attempt's end.")] = 15,
) -> None:
    """Send a test event to a pipeline's subscription, once, and show what came of it."""
    path = f"/pipelines/{quote(pipeline, safe='')}/subscriptions/{quote(subscription, safe='')}/test"
    answer = session.client.call("POST", path, params={"wait": wait})
    session.show(answer, _show_delivery)
    if answer["state"] != DeliveryState.DELIVERED.value:
        raise typer.Exit(1)


@app.command()
@connected
def sinks(session: Session) -> None:
    """Show how the places do that notifications go to; the ill ones first."""
    session.show(session.client.call("GET", "/sinks", patient=True), _show_sinks)


@app.command("rotate-secret")
@connected
def rotate_secret(
    session: Session,
    pipeline: Annotated[str, typer.Argument(help="The pipeline's id.", metavar="PIPELINE")],
    subscription: Annotated[str, typer.Option(help="Its name; `default` is TaskNotifyConfig.")] = "default",
    keep_s: Annotated[
        float, typer.Option(min=0, max=30 * 86_400, help="Seconds for which the old secret is valid too.")
    ] = 86_400,
) -> None:
    """Sign with a new, random secret, and show it: this is the only time."""
    path = f"/pipelines/{quote(pipeline, safe='')}/subscriptions/{quote(subscription, safe='')}/rotate-secret"
    answer = session.client.call("POST", path, body={"keep_previous_s": keep_s})
    session.show(
        answer,
        lambda found: say(f"{found['secret']}\nthe old one is valid until {moment(found['previous_valid_until'])} UTC"),
    )


def _chosen(
    run: str | None,
    pipeline: str | None,
    subscription: str | None,
    sink: SinkType | None,
    created_from: str | None,
    created_to: str | None,
) -> dict[str, Any]:
    return {
        "run_id": run,
        "pipeline_id": pipeline,
        "subscription": subscription,
        "sink": None if sink is None else sink.value,
        "from": created_from,
        "to": created_to,
    }


def _show_page(page: Any) -> None:
    table = plain_table("delivery", "state", "tries", "made (UTC)", "next (UTC)", "target", "note")
    for one in page["deliveries"]:
        table.add_row(
            Text(one["id"]),
            state(one["state"]),
            str(one["attempts"]),
            moment(one["created_at"]),
            moment(one["next_attempt_at"]),
            Text(f"{one['sink']} {one['target']}"),
            Text(one["last_error"] or ""),
        )
    out.print(table)
    if page["cursor"]:
        err.print(f"more: --cursor {page['cursor']}", markup=False, highlight=False, soft_wrap=True)


def _show_delivery(one: Any) -> None:
    say(f"delivery  {one['id']}{'  (test event)' if one['test'] else ''}")
    out.print(Text.assemble("state     ", state(one["state"])))
    say(f"run       {one['run_id']}, event {one['sequence']}")
    say(f"to        {one['sink']} {one['target']} ({one['subscription']})")
    if one["next_attempt_at"]:
        say(f"next try  {moment(one['next_attempt_at'])} UTC")
    table = plain_table("#", "at (UTC)", "ms", "status", "error", "response")
    for attempt in one["tried"]:
        table.add_row(
            str(attempt["number"]),
            moment(attempt["at"]),
            f"{attempt['latency_ms']:.0f}",
            str(attempt["status"] or ""),
            Text(attempt["error"] or ""),
            Text((attempt["response"] or "")[:200]),
        )
    out.print(table)


def _show_replay(replay: Any) -> None:
    counts = ", ".join(f"{replay[name]} {name}" for name in ("pending", "delivered", "dead"))
    say(f"{replay['id']} {replay['state']}: {counts}")


def _show_sinks(answer: Any) -> None:
    table = plain_table("state", "since (UTC)", "pending", "dead", "sink", "last error")
    for one in answer["sinks"]:
        table.add_row(
            state(one["state"]),
            moment(one["since"]),
            str(one["pending"]),
            str(one["dead"]),
            Text(f"{one['sink']} {one['target']}"),
            Text(one["last_error"] or ""),
        )
    out.print(table)
