"""What every command that speaks to an API has: options of the connection, `--json`, errors and exit codes.

Exit codes: 0 done, 1 the API cannot be reached or failed, 2 wrong options or members, 3 not found, 4 it does not fit
the state of things, 5 not authorised, 6 a run that was watched did not succeed, 130 interrupted.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Concatenate, NoReturn, ParamSpec

import orjson
import typer

from services.cli.client import CallFailed, Client
from services.cli.connection import READY_FILE, VARIABLES, Given, NotConnected, connection
from services.cli.show import err

P = ParamSpec("P")

_Api = Annotated[
    str | None, typer.Option("--api", help=f"Address of the API, http://host:port. Variable: {VARIABLES['api']}.")
]
_SecretId = Annotated[str | None, typer.Option("--secret-id", help=f"Variable: {VARIABLES['secret_id']}.")]
_SecretKey = Annotated[
    str | None,
    typer.Option(help=f"Variable: {VARIABLES['secret_key']}, which others on this machine do not see."),
]
_ReadyFile = Annotated[
    Path | None,
    typer.Option("--ready-file", help=f"Ready file of `reelway up`, for what is not given. Variable: {READY_FILE}."),
]
_Json = Annotated[bool, typer.Option("--json", help="Print the API's answers as JSON, one a line.")]

_OPTIONS: Mapping[str, Any] = {
    "api": _Api,
    "secret_id": _SecretId,
    "secret_key": _SecretKey,
    "ready_file": _ReadyFile,
    "json": _Json,
}


@dataclass(frozen=True, slots=True)
class Session:
    """One run of a command: a client, and how answers are shown."""

    client: Client
    json: bool

    def show(self, answer: Any, render: Callable[[Any], None]) -> None:
        """Prints an answer as JSON or as people like it."""
        if self.json:
            typer.echo(orjson.dumps(answer))
        else:
            render(answer)


def connected(command: Callable[Concatenate[Session, P], None]) -> Callable[..., None]:
    """A command with the options of a connection added; it gets a Session as its first argument."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        options: dict[str, Any] = {name: kwargs.pop(name) for name in _OPTIONS}
        as_json = options.pop("json")
        try:
            with Client(connection(Given(**options), os.environ, _default_ready_file)) as client:
                command(Session(client, as_json), *args, **kwargs)
        except NotConnected as error:
            _end(str(error), 2)
        except CallFailed as error:
            _end(str(error), error.exit_code)
        except KeyboardInterrupt:
            raise typer.Exit(130) from None

    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
    added = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=False if name == "json" else None, annotation=annotation
        )
        for name, annotation in _OPTIONS.items()
    ]
    run.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *added)}
    del run.__wrapped__
    return run


def _default_ready_file() -> Path:
    from services.local.data_folder import DataFolder
    from services.local.settings import LocalSettings

    return DataFolder(LocalSettings().data).ready


def _end(message: str, exit_code: int) -> NoReturn:
    err.print(message, style="bold red", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(exit_code)
