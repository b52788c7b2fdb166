"""`reelway pipelines versions|diff|rollback`: what was saved, what changed, and back."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.syntax import Syntax
from rich.text import Text

from services.cli.pipeline_names import Pipeline, pipeline_path
from services.cli.session import Session, connected
from services.cli.show import err, moment, out, plain_table, say

app = typer.Typer()


@app.command()
@connected
def versions(
    session: Session,
    pipeline: Pipeline,
    limit: Annotated[int, typer.Option(min=1, max=100)] = 20,
    cursor: Annotated[str | None, typer.Option(help="Where an earlier list ended.")] = None,
) -> None:
    """List the saved definitions of a pipeline, newest first."""
    params = {"limit": limit, "cursor": cursor}
    path = pipeline_path(session, pipeline, "versions")
    session.show(session.client.call("GET", path, params=params, patient=True), _versions)


@app.command()
@connected
def diff(
    session: Session,
    pipeline: Pipeline,
    before: Annotated[int, typer.Argument(min=1, max=2**31 - 1, help="A definition.")],
    after: Annotated[
        int | None, typer.Argument(min=1, max=2**31 - 1, help="Another. Default: the current one.")
    ] = None,
) -> None:
    """Show what changed from one definition to another."""
    params = {"before": before, "after": after}
    session.show(
        session.client.call("GET", pipeline_path(session, pipeline, "diff"), params=params, patient=True), _diff
    )


@app.command()
@connected
def rollback(
    session: Session,
    pipeline: Pipeline,
    definition: Annotated[int, typer.Argument(min=1, max=2**31 - 1, help="The definition that is to hold again.")],
) -> None:
    """Make a new definition that says what an old one said. The pipeline must be disabled."""
    path = pipeline_path(session, pipeline, "rollback")
    session.show(
        session.client.call("POST", path, body={"definition": definition}, patient=True),
        lambda one: say(f"{one['name']} ({one['id']}) is at definition {one['definition']}, as {definition} was"),
    )


def _versions(page: Any) -> None:
    table = plain_table("definition", "saved (UTC)", "nodes", "name", "")
    for one in page["versions"]:
        table.add_row(
            str(one["definition"]),
            moment(one["saved_at"]),
            str(one["nodes_count"]),
            Text(one["name"]),
            "current" if one["current"] else "",
        )
    out.print(table)
    if page["cursor"]:
        err.print(f"more: --cursor {page['cursor']}", markup=False, highlight=False, soft_wrap=True)


def _diff(answer: Any) -> None:
    if not answer["text"]:
        say("no difference")
    elif out.is_terminal:
        out.print(Syntax(answer["text"], "diff", background_color="default", word_wrap=True))
    else:
        say(answer["text"].rstrip("\n"))
