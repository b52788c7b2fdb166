"""What a run read and wrote, as links, and what its attempts did."""

from __future__ import annotations

import base64
import binascii
from datetime import timedelta
from typing import Annotated

import orjson
from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from services.api.attempts import attempt_logs, results_of
from services.api.dependencies import Context
from services.api.domain.problems import invalid
from services.api.lookup import own_run
from services.api.rest.authentication import Caller
from services.api.rest.parameters import Expires, NodeIndex, RunId
from shared.model.attempt_log import Call
from shared.model.base import Instant
from shared.model.task import MediaObject

router = APIRouter(prefix="/runs", tags=["runs"])
Attempt = Annotated[int, Path(ge=1, le=100_000, description="The number of the attempt, from 1.")]


class Link(BaseModel):
    """An object, and where anybody can read it until `expires_at`. Where the bucket keeps no versions it is what lies
    there now."""

    object: MediaObject
    url: str
    expires_at: Instant


class OutputLink(Link):
    """An object that a node wrote."""

    node: int
    reused: bool = Field(description="Written by an earlier run, whose result was taken over.")


class OutputPage(BaseModel):
    """Some outputs, by node and in the order of their upload. `cursor` leads to those after them; null at the end."""

    outputs: list[OutputLink]
    cursor: str | None


class OutputFilter(BaseModel):
    """Which outputs, and for how long their links are good."""

    model_config = ConfigDict(extra="forbid")

    node: int | None = Field(default=None, ge=0, le=100_000)
    expires_s: int = Field(default=3600, ge=1, le=86_400, description="How many seconds the links are good for.")
    limit: int = Field(default=100, ge=1, le=500)
    cursor: str | None = Field(default=None, max_length=200)


@router.get("/{run_id}/outputs")
async def list_outputs(caller: Caller, run_id: RunId, wanted: Annotated[OutputFilter, Query()]) -> OutputPage:
    """What the nodes that have succeeded wrote, with links to read it."""
    run = await own_run(run_id, caller)
    begin = _read_cursor(wanted.cursor)
    places = [
        (node, index, written)
        for node, task in sorted((await results_of(run, caller)).items())
        if wanted.node in (None, node) and task.result is not None
        for index, written in enumerate(task.result.outputs)
        if (node, index) >= begin
    ]
    page, behind = places[: wanted.limit], places[wanted.limit :]
    outputs = []
    for node, _, written in page:
        link = await _link(written, wanted.expires_s, caller)
        outputs.append(OutputLink(node=node, reused=run.node_runs[node].reused is not None, **dict(link)))
    return OutputPage(outputs=outputs, cursor=_cursor(behind[0][0], behind[0][1]) if behind else None)


@router.get("/{run_id}/input")
async def show_input(caller: Caller, run_id: RunId, expires_s: Expires = 3600) -> Link:
    """The object that the run was started for, with a link to read it."""
    run = await own_run(run_id, caller)
    return await _link(run.input, expires_s, caller)


async def _link(item: MediaObject, expires_s: int, context: Context) -> Link:
    url = await context.deps.buckets.link_to_read(
        item.bucket, item.key, expires_s=expires_s, version_id=item.version_id
    )
    return Link(object=item, url=url, expires_at=context.deps.clock.now() + timedelta(seconds=expires_s))


def _cursor(node: int, index: int) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([node, index])).decode()


def _read_cursor(cursor: str | None) -> tuple[int, int]:
    if cursor is None:
        return (0, 0)
    try:
        found = orjson.loads(base64.b64decode(cursor.encode(), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        found = None
    match found:
        case [int(node), int(index)]:
            return (node, index)
        case _:
            raise invalid("cursor", "is not a cursor of an earlier answer")


class ClaimLog(BaseModel):
    """What one worker did for an attempt."""

    claim: int
    worker: str | None
    calls: list[Call] = Field(
        description="The programs that were run, with their arguments and the end of what they said."
    )
    left_out: int = Field(description="How many calls between the first and the last are not kept.")


class LogOfAttempt(BaseModel):
    """What an attempt did. Written every few seconds while it goes on, and when it ends. Attempts that run no program
    (a rule, a node without work) have none."""

    claims: list[ClaimLog]


@router.get("/{run_id}/nodes/{node}/attempts/{attempt}/log")
async def show_log(
    caller: Caller,
    run_id: RunId,
    node: NodeIndex,
    attempt: Attempt,
    tail: Annotated[int, Query(ge=0, le=4000, description="Characters of each program's output at most.")] = 4000,
) -> LogOfAttempt:
    """The programs that an attempt ran. Secrets and the queries of addresses are written as `***`."""
    logs = await attempt_logs(await own_run(run_id, caller), node, attempt, caller)
    return LogOfAttempt(
        claims=[
            ClaimLog(
                claim=log.fence,
                worker=log.worker,
                calls=[_clipped(call, tail) for call in log.calls],
                left_out=log.left_out,
            )
            for log in logs
        ]
    )


def _clipped(call: Call, tail: int) -> Call:
    return call.model_copy(update={"said": call.said[-tail:] if tail else ""})
