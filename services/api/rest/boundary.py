"""The edge of REST: how many calls, how large, how slow; and no failure without the shape of a problem."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.domain.problems import Problem, busy
from services.api.metrics import REST_CALLS, REST_SECONDS
from services.api.rest.answers import problem_of, problem_response

PREFIX = "/api/v1/"
MAX_BODY_BYTES = 1024 * 1024
MAX_DEPTH = 100
"""Levels of JSON; pipelines have about fifteen."""
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]', re.DOTALL)
SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""With every answer: it is data for whoever asked, in no page of anybody else."""
_DRAIN_BYTES = 4 * MAX_BODY_BYTES
BODY_TIMEOUT_S = 30.0
"""For the whole body to arrive."""
CALL_TIMEOUT_S = 60.0
"""For the answer; the longest wait that a caller may ask for is 20 s."""
MAX_CALLS = 256
"""Calls at the same time, each with a body in memory; one more is refused."""

log = structlog.get_logger(__name__)


class _Gone(Exception):
    """The caller has hung up."""


class RestBoundary:
    """ASGI middleware around the REST paths; the rest of the application passes untouched."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        new_id: Callable[[], str],
        body_timeout_s: float = BODY_TIMEOUT_S,
        call_timeout_s: float = CALL_TIMEOUT_S,
        max_calls: int = MAX_CALLS,
    ) -> None:
        self._app = app
        self._new_id = new_id
        self._body_timeout_s = body_timeout_s
        self._call_timeout_s = call_timeout_s
        self._max_calls = max_calls
        self._calls = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self._app(scope, receive, send)
            return
        request_id = self._new_id()
        scope.setdefault("state", {})["request_id"] = request_id
        answer = _Answer(send, request_id)
        self._calls += 1
        began = time.monotonic()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._serve(scope, receive, answer)
            except _Gone:
                return
            except Exception as error:
                # The boundary: every failure has the shape of a problem.
                if answer.status:
                    raise
                problem = problem_of(error)
                log.info("call refused", code=problem.kind, detail=problem.detail)
                await problem_response(problem, request_id)(scope, receive, answer.send)
            finally:
                if not answer.streams:
                    self._over(began)
                REST_CALLS.labels(_name(scope), str(answer.status or "gone")).inc()

    def _over(self, began: float) -> None:
        self._calls -= 1
        REST_SECONDS.observe(time.monotonic() - began)

    async def _serve(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        began = time.monotonic()
        if self._calls > self._max_calls:
            answer.close = True
            raise busy(f"more than {self._max_calls} calls at the same time; try again")
        try:
            async with asyncio.timeout(self._body_timeout_s):
                body = await _read_body(receive)
        except TimeoutError:
            answer.close = True
            text = f"the body did not arrive within {self._body_timeout_s:g} s"
            raise Problem(408, "body_timeout", text) from None
        except Problem:
            answer.close = True
            raise
        if too_deep(body):
            raise Problem(422, "too_deep", f"the body is nested deeper than {MAX_DEPTH} levels")
        async with asyncio.timeout(self._call_timeout_s) as limit:

            def let_go() -> None:
                """What is a stream from here on is no call: it has a bound of its own, and all the time."""
                limit.reschedule(None)
                self._over(began)

            answer.on_stream = let_go
            await self._app(scope, _replayed(body, receive), answer.send)


class _Answer:
    """Sends, and remembers whether the answer has begun."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.status = 0
        self.close = False
        """Whatever of the body is still to come has no reader."""
        self.streams = False
        self.on_stream: Callable[[], None] | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [
                *message.get("headers", ()),
                (b"x-request-id", self._request_id.encode()),
                *SECURITY_HEADERS,
            ]
            if any(header == (b"content-type", b"text/event-stream; charset=utf-8") for header in message["headers"]):
                self.streams = True
                if self.on_stream:
                    self.on_stream()
            if self.close:
                message["headers"].append((b"connection", b"close"))
        await self._send(message)


async def _read_body(receive: Receive) -> bytes:
    """Raises Problem if the body is too large; what is too much is read and dropped, so that the answer arrives."""
    chunks: list[bytes] = []
    size = 0
    more = True
    while more and size <= _DRAIN_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        chunk = message.get("body", b"")
        size += len(chunk)
        if size <= MAX_BODY_BYTES:
            chunks.append(chunk)
        else:
            chunks.clear()
        more = message.get("more_body", False)
    if size > MAX_BODY_BYTES:
        raise Problem(413, "too_large", f"the body has more than {MAX_BODY_BYTES} bytes")
    return b"".join(chunks)


def too_deep(body: bytes) -> bool:
    """Whether JSON in the body is nested so deep that readers of it might fall over. Linear in the size."""
    depth = 0
    for token in _TOKENS.finditer(body):
        first = token[0][:1]
        if first in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif first in b"]}":
            depth -= 1
    return False


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Gives the body again, then whatever else comes."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _name(scope: Scope) -> str:
    """The handler that was found; its name, not the path, which has ids in it."""
    endpoint = scope.get("endpoint")
    return getattr(endpoint, "__name__", "none")
