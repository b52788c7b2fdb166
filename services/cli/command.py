"""The `reelway` command: the processes of this machine, and the groups of commands that speak to an API."""

from __future__ import annotations

import asyncio
import importlib
import os
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console

from services.cli import (
    audit,
    buckets,
    credentials,
    deliveries,
    limits,
    operations,
    pipelines,
    runs,
    templates,
    uploads,
    workers,
)
from shared.errors import ReelwayError

app = typer.Typer(
    name="reelway",
    help="Self-hosted media orchestration: a file lands in a bucket, a graph of media tasks runs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(runs.app, name="runs")
app.add_typer(pipelines.app, name="pipelines")
app.add_typer(uploads.app, name="uploads")
app.add_typer(buckets.app, name="buckets")
app.add_typer(workers.app, name="workers")
app.add_typer(deliveries.app, name="deliveries")
app.add_typer(templates.app, name="templates")
app.add_typer(limits.app, name="limits")
app.command("upload")(buckets.upload)
app.command("queues")(operations.show_queues)
app.command("stuck")(operations.show_stuck)
app.add_typer(credentials.app, name="credentials")
app.add_typer(audit.app, name="audit")
_out = Console()
_err = Console(stderr=True)


def _show_version(wanted: bool) -> None:
    if wanted:
        version()
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    """Options of the command itself."""


@app.command()
def up(
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder that keeps credentials, state, objects and logs. "
            "Default: $XDG_DATA_HOME/reelway, or ~/.local/share/reelway.",
        ),
    ] = None,
    api_port: Annotated[int | None, typer.Option(help="Port of the API. Default: a free one.")] = None,
    ready_file: Annotated[
        Path | None,
        typer.Option(help="Write addresses and credentials here as JSON (mode 0600) while everything is ready."),
    ] = None,
    state_url: Annotated[
        str | None, typer.Option(help="sqlite:////path or mongodb://... Default: SQLite in the data folder.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="First part of the input bucket's name, <name>-<app id>. Default: media.")
    ] = None,
    s3_port: Annotated[int | None, typer.Option(help="Port of the S3 storage. Default: a free one.")] = None,
    kafka: Annotated[
        str | None,
        typer.Option(help="host:port,... of a Kafka cluster to use. Default: an embedded broker."),
    ] = None,
    kafka_port: Annotated[int | None, typer.Option(help="Port of the embedded broker. Default: a free one.")] = None,
) -> None:
    """Run everything on this machine: broker, storage and all services. Stop with Ctrl-C.

    All servers listen on 127.0.0.1 only. State and objects survive a restart.
    """
    from services.local.launcher import Launcher
    from services.local.service_specs import loopback_without_proxy
    from services.local.settings import LocalSettings

    given: dict[str, Any] = {
        "data": data,
        "api_port": api_port,
        "ready_file": ready_file,
        "state_url": state_url,
        "name": name,
        "s3_port": s3_port,
        "kafka": kafka,
        "kafka_port": kafka_port,
    }
    try:
        settings = LocalSettings(**{key: value for key, value in given.items() if value is not None})
        os.environ.update(loopback_without_proxy(os.environ))
        asyncio.run(Launcher(settings, _out).run())
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            option = "--" + "-".join(str(part) for part in problem["loc"]).replace("_", "-")
            _err.print(f"{option}: {problem['msg']}", style="bold red", markup=False)
        raise typer.Exit(2) from None
    except (ReelwayError, OSError) as error:
        _err.print(str(error), style="bold red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None


@app.command()
def trigger() -> None:
    """Run the trigger service, configured by REELWAY_* variables."""
    _run_service("trigger")


@app.command()
def scheduler() -> None:
    """Run the scheduler service, configured by REELWAY_* variables."""
    _run_service("scheduler")


@app.command()
def worker() -> None:
    """Run a worker, configured by REELWAY_* variables."""
    _run_service("workers")


@app.command()
def notifier() -> None:
    """Run the notifier service, configured by REELWAY_* variables."""
    _run_service("notifier")


@app.command()
def api() -> None:
    """Run the API service, configured by REELWAY_* variables."""
    _run_service("api")


@app.command()
def version() -> None:
    """Say which version this is."""
    _out.print(metadata.version("reelway"), highlight=False)


def _run_service(package: str) -> None:
    """Imports the service only now: a process loads one service, not all of them."""
    importlib.import_module(f"services.{package}.__main__").main()
