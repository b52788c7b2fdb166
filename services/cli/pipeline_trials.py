"""`reelway pipelines dry-run`: what a pipeline would do with a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
import yaml
from rich.text import Text

from services.cli.pipeline_files import read_file, refuse
from services.cli.pipeline_names import pipeline_path
from services.cli.session import Session, connected
from services.cli.show import out, plain_table, say

app = typer.Typer()


@app.command("dry-run")
@connected
def dry_run(
    session: Session,
    pipeline: Annotated[
        str | None, typer.Argument(help="The pipeline's id or name. Or give --file.", metavar="PIPELINE")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", help="A pipeline that is not saved: YAML or JSON, - is standard input."),
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", help="An object; a worker reads its metadata unless --metadata has it.")
    ] = None,
    bucket: Annotated[str | None, typer.Option(help="The object's bucket. Default: the trigger's.")] = None,
    metadata: Annotated[
        Path | None, typer.Option(help="The contract's MediaMetaData as JSON, instead of an object that is there.")
    ] = None,
) -> None:
    """Show what a pipeline would do with a file, without doing it: trigger, rules, names of outputs, costs. It need not
    be enabled."""
    if (pipeline is None) == (file is None):
        raise typer.BadParameter("give the pipeline's id or name, or --file")
    if bucket is not None and key is None:
        raise typer.BadParameter("--bucket goes with --key")
    wish: dict[str, Any] = {}
    if key is not None:
        wish["object"] = {"bucket": bucket, "key": key}
    if metadata is not None:
        wish["metadata"] = _json(metadata)
    if file is not None:
        wish["pipeline"] = _document(file)
    path = "/pipelines/dry-run" if pipeline is None else pipeline_path(session, pipeline, "dry-run")
    session.show(session.client.call("POST", path, body=wish, patient=True), _trial)


def _json(file: Path) -> Any:
    try:
        return orjson.loads(read_file(file))
    except orjson.JSONDecodeError as error:
        refuse(f"{file}: is not JSON: {error}")


def _document(file: Path) -> Any:
    """What the file says; whether that is a pipeline is for the API."""
    try:
        return orjson.loads(orjson.dumps(yaml.safe_load(read_file(file))))
    except (yaml.YAMLError, TypeError, ValueError) as error:
        refuse(f"{file}: is neither YAML nor JSON: {error}")


_STYLES = {"runs": "green", "may_run": "yellow", "skipped": "dim"}


def _trial(answer: Any) -> None:
    trigger = answer["trigger"]
    say(f"object    {answer['object']['bucket']}/{answer['object']['key']}")
    say(f"trigger   {'starts it' if trigger['starts'] else trigger['reason']}")
    say(f"output    {answer['output_bucket']}{answer['output_dir']}")
    if answer["cpu_s"] is not None:
        say(f"costs     {_range(answer, 'cpu_s')} CPU seconds, {_range(answer, 'output_bytes')} bytes")
    table = plain_table("node", "kind", "name", "", "CPU s", "bytes", "writes")
    for node in answer["nodes"]:
        shown = [one["path"] for one in node["outputs"][:3]]
        more = len(node["outputs"]) > len(shown) or node["outputs_at_most"] > len(node["outputs"])
        writes = node["rules"]["explanation"] if node["rules"] else ", ".join(shown) + (", …" if more else "")
        table.add_row(
            str(node["index"]),
            node["kind"],
            Text(node["name"] or ""),
            Text(node["fate"].replace("_", " "), style=_STYLES[node["fate"]]),
            "" if node["cpu_s"] is None else f"{node['cpu_s']:.1f}",
            "" if node["output_bytes"] is None else str(node["output_bytes"]),
            Text(writes),
        )
    out.print(table)


def _range(answer: Any, member: str) -> str:
    low, high = answer[member], answer[f"{member}_at_most"]
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
