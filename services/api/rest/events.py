"""Live state as server-sent events: one run, or all of the caller's."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Header, Query
from fastapi.sse import format_sse_event
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from services.api.dependencies import Context
from services.api.domain.problems import invalid
from services.api.following import Told, follow_run, follow_tenant
from services.api.lookup import own_run
from services.api.rest.authentication import Caller
from services.api.rest.parameters import RunId

router = APIRouter(tags=["events"])
HEARTBEAT_S = 10.0
LONGEST_S = 3600.0
"""Then a stream ends, and its follower comes back with a credential that is looked at anew."""

_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events, until the run has ended or the connection does.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
    204: {"description": "The run has ended and everything about it was told: do not come back."},
}
LastEventId = Annotated[
    str | None, Header(alias="Last-Event-ID", max_length=100, description="From where to go on; browsers send it.")
]
After = Annotated[
    str | None, Query(max_length=100, description="The same for a first connection; the header goes before it.")
]


@router.get("/runs/{run_id}/events", responses=_STREAM, response_class=StreamingResponse)
async def follow_one_run(
    caller: Caller, run_id: RunId, last_event_id: LastEventId = None, after: After = None
) -> Response:
    """What happens in a run, from its beginning. `history` has an entry of its history and that entry's number as id;
    `progress` (no id) has the nodes that wait or work, when that changes; `end` comes last."""
    run = await own_run(run_id, caller)
    mark = last_event_id if last_event_id is not None else after
    sequence = -1 if mark is None else _sequence(mark)
    if run.state.final and sequence >= run.sequence:
        return Response(status_code=204)
    return _stream(follow_run(run, sequence, caller), caller)


@router.get("/events", responses={200: _STREAM[200]}, response_class=StreamingResponse)
async def follow_all_runs(caller: Caller, last_event_id: LastEventId = None, after: After = None) -> Response:
    """What happens in all of the caller's runs: `history` has a run and an entry of its history, at least once and in
    order within a run; number 0 is the making of the run. The minute before the beginning, or before the pause, is told
    as well: drop what run and sequence say you know. `reset` says that the pause was longer than a day: read the list
    anew. Connect first and read the list then, and nothing is missed in between."""
    mark = last_event_id if last_event_id is not None else after
    return _stream(follow_tenant(None if mark is None else _moment(mark), caller), caller)


def _sequence(mark: str) -> int:
    if not mark.isascii() or not mark.isdigit():
        raise invalid("Last-Event-ID", "is not an id of an earlier event")
    return int(mark)


def _moment(mark: str) -> datetime:
    try:
        found = datetime.fromisoformat(mark)
    except ValueError:
        found = None
    if found is None or found.utcoffset() != timedelta():
        raise invalid("Last-Event-ID", "is not an id of an earlier event")
    return found


def _stream(told: AsyncIterator[Told], context: Context) -> Response:
    """Raises Problem 429."""
    context.deps.streams.open(context.tenant)
    return _CountedStream(_frames(told), context)


class _CountedStream(StreamingResponse):
    """A stream that is counted until it is over, also if nobody ever reads of it."""

    def __init__(self, frames: AsyncIterator[bytes], context: Context) -> None:
        # Proxies must pass on what there is, and keep nothing of it.
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        super().__init__(frames, headers=headers, media_type="text/event-stream")
        self._context = context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._context.deps.streams.close(self._context.tenant)


async def _frames(told: AsyncIterator[Told]) -> AsyncIterator[bytes]:
    began = said = time.monotonic()
    unmarked = True
    yield format_sse_event(retry=2000)
    async for one in told:
        now = time.monotonic()
        if one.event is not None:
            yield format_sse_event(event=one.event, id=one.mark, data_str=orjson.dumps(one.data).decode())
            said, unmarked = now, True
        elif now - said >= HEARTBEAT_S or (unmarked and one.mark is not None):
            # An id without data is remembered by its reader, and is no event.
            yield format_sse_event(comment="still here", id=one.mark)
            said, unmarked = now, False
        if now - began > LONGEST_S:
            return
