"""The MPS face under callers that send slowly, or all at once."""

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from services.api.mps_face import MpsFace
from shared.clock import ManualClock

DEPS: Any = SimpleNamespace(new_id=lambda: "id-1", clock=ManualClock(datetime(2026, 11, 23, tzinfo=UTC)))
"""What a call needs that is refused before anybody's credential is looked up."""


class Caller:
    """Sends the first part of a body at once and the rest when it is told to."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.sent = asyncio.Event()

    @property
    def request(self) -> Request:
        """A call as the server sees it."""
        scope = {"type": "http", "method": "POST", "path": "/", "raw_path": b"/", "query_string": b"", "headers": []}
        return Request(scope, self._receive)

    async def _receive(self) -> dict[str, Any]:
        if not self.sent.is_set():
            self.sent.set()
            return {"type": "http.request", "body": b"{", "more_body": True}
        await self.go_on.wait()
        return {"type": "http.request", "body": b"}", "more_body": False}


def error_of(answer: Response) -> str:
    code: str = orjson.loads(bytes(answer.body))["Response"]["Error"]["Code"]
    return code


async def test_body_that_never_ends_is_answered_and_the_connection_closed() -> None:
    answer = await MpsFace(DEPS, body_timeout_s=0.01).handle(Caller().request)
    assert (answer.status_code, error_of(answer)) == (200, "InvalidRequest")
    assert answer.headers["connection"] == "close"


async def test_one_call_too_many_is_refused_and_the_others_go_on() -> None:
    face = MpsFace(DEPS, max_calls=2)
    slow = [Caller(), Caller()]
    answers = [asyncio.create_task(face.handle(caller.request)) for caller in slow]
    await asyncio.gather(*(caller.sent.wait() for caller in slow))

    assert error_of(await face.handle(Caller().request)) == "RequestLimitExceeded"
    for caller in slow:
        caller.go_on.set()
    for answer in await asyncio.gather(*answers):
        assert error_of(answer) == "AuthFailure.InvalidAuthorization"
        assert "connection" not in answer.headers

    later = Caller()
    later.go_on.set()
    assert error_of(await face.handle(later.request)) == "AuthFailure.InvalidAuthorization"
