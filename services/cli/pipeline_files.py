"""`reelway pipelines create|apply|import|validate|export`: pipelines as YAML or JSON files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer

from services.cli.client import CallFailed
from services.cli.pipeline_names import Pipeline, once, pipeline_path
from services.cli.session import Session, connected
from services.cli.show import err, say

app = typer.Typer()
MAX_BYTES = 1024 * 1024
_TYPE = {"content-type": "application/yaml"}  # JSON is YAML

File = Annotated[Path, typer.Option("--file", "-f", help="YAML or JSON; - reads standard input.")]
Files = Annotated[list[Path], typer.Argument(help="YAML or JSON files; - is standard input.", metavar="FILE...")]


@app.command()
@connected
def create(session: Session, file: File) -> None:
    """Make a pipeline of a file; it is disabled. A name that is taken is refused."""
    session.show(_import(session, file, "refuse"), _done)


@app.command()
@connected
def apply(session: Session, file: File) -> None:
    """Make the pipeline of this name be what the file says; again, and nothing changes. An enabled one is not changed:
    disable it first."""
    session.show(_import(session, file, "replace"), _done)


@app.command("import")
@connected
def import_(
    session: Session,
    files: Files,
    replace: Annotated[bool, typer.Option("--replace", help="Also change pipelines that are there.")] = False,
) -> None:
    """Make pipelines of files. All are tried; ends with the exit code of the first that was refused."""
    failed: CallFailed | None = None
    for file in files:
        try:
            session.show(_import(session, file, "replace" if replace else "refuse"), _done)
        except CallFailed as error:
            err.print(f"{file}: {error}", style="bold red", markup=False, highlight=False, soft_wrap=True)
            failed = failed or error
    if failed is not None:
        raise typer.Exit(failed.exit_code)


@app.command()
@connected
def validate(
    session: Session,
    file: File,
    instead_of: Annotated[str | None, typer.Option(help="Id or name of the pipeline that it would replace.")] = None,
) -> None:
    """Check a file as a save would, without saving. Ends with 2 if it could not be saved."""
    old = pipeline_path(session, instead_of).rpartition("/")[2] if instead_of else None
    verdict = session.client.call(
        "POST",
        "/pipelines/validate",
        params={"instead_of": old},
        content=read_file(file),
        headers=_TYPE,
        patient=True,
    )
    session.show(verdict, _verdict)
    if not verdict["valid"]:
        raise typer.Exit(2)


@app.command()
@connected
def export(
    session: Session,
    pipeline: Pipeline,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write. Default: standard output.")
    ] = None,
    form: Annotated[Literal["yaml", "json"], typer.Option("--format", help="How it is written.")] = "yaml",
    secrets: Annotated[
        bool, typer.Option("--secrets", help="Write secrets out, which another installation needs; keep the file safe.")
    ] = False,
) -> None:
    """Write a pipeline as a file for `apply`, here or elsewhere."""
    params = {"format": "json" if session.json else form, "secrets": str(secrets).lower()}
    text = session.client.text(pipeline_path(session, pipeline, "export"), params)
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        # Whoever may not read secrets here shall not read them in the file.
        output.touch(mode=0o600 if secrets else 0o666)
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        refuse(f"{output}: {error.strerror}")


def _import(session: Session, file: Path, if_exists: str) -> Any:
    return session.client.call(
        "POST",
        "/pipelines/import",
        params={"if_exists": if_exists},
        content=read_file(file),
        headers=_TYPE | once(),
        patient=True,
    )


def read_file(file: Path) -> bytes:
    """What is in the file, or on standard input. Ends the command if that cannot be read."""
    try:
        found = sys.stdin.buffer.read(MAX_BYTES + 1) if str(file) == "-" else file.read_bytes()
    except OSError as error:
        refuse(f"{file}: {error.strerror}")
    if len(found) > MAX_BYTES:
        refuse(f"{file}: has more than {MAX_BYTES} bytes")
    return found


def refuse(text: str) -> NoReturn:
    """Ends the command as one with wrong options."""
    err.print(text, style="bold red", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(2)


def _done(answer: Any) -> None:
    pipeline = answer["pipeline"]
    say(f"{answer['outcome']} {pipeline['name']} ({pipeline['id']}), definition {pipeline['definition']}")


def _verdict(verdict: Any) -> None:
    if verdict["valid"]:
        say("good: it could be saved")
    for error in verdict["errors"]:
        say(f"{error['field']}: {error['rule']}")
