"""A pipeline on the command line: its id, or its name."""

from __future__ import annotations

import uuid
from typing import Annotated
from urllib.parse import quote

import typer

from services.cli.client import CallFailed
from services.cli.session import Session

Pipeline = Annotated[str, typer.Argument(help="The pipeline's id or name.", metavar="PIPELINE")]
_NOT_FOUND = 3


def pipeline_path(session: Session, pipeline: str, *more: str) -> str:
    """The path of a pipeline, or of something of it. A number is an id. Raises CallFailed."""
    found = pipeline if pipeline.isdecimal() else _named(session, pipeline)
    return "/".join(("/pipelines", quote(found, safe=""), *more))


def _named(session: Session, name: str) -> str:
    params: dict[str, str | int] = {"name": name[:128], "limit": 100}
    while True:
        page = session.client.call("GET", "/pipelines", params=params, patient=True)
        for one in page["pipelines"]:
            if one["name"] == name:
                return str(one["id"])
        if page["cursor"] is None:
            raise CallFailed(f"there is no pipeline named {name!r} (not_found)", _NOT_FOUND)
        params["cursor"] = page["cursor"]


def once() -> dict[str, str]:
    """Headers of a call that makes something: repeated, it is done once."""
    return {"Idempotency-Key": str(uuid.uuid4())}
