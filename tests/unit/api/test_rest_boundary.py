"""The edge of REST: sizes, times, how many at once, and callers who hang up."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from starlette.types import Message, Receive, Scope, Send

from services.api.rest import boundary
from services.api.rest.boundary import MAX_BODY_BYTES, RestBoundary


class Inner:
    """An application that answers with the body's length; `gate` makes it wait."""

    def __init__(self) -> None:
        self.calls = 0
        self.gate: asyncio.Event | None = None
        self.fails_after_start = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls += 1
        body = (await receive())["body"] if scope["type"] == "http" else b""
        if self.gate is not None:
            await self.gate.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if self.fails_after_start:
            raise ValueError("broke in the middle")
        await send({"type": "http.response.body", "body": str(len(body)).encode()})


class Call:
    """One call, as a server would make it. Without `parts` nothing of the body ever comes."""

    def __init__(self, *parts: bytes, path: str = "/api/v1/runs", ends: bool = True, hangs_up: bool = False) -> None:
        more = [True] * (len(parts) - 1) + [not ends]
        self._messages: list[Message] = [
            {"type": "http.request", "body": part, "more_body": rest} for part, rest in zip(parts, more, strict=False)
        ]
        if hangs_up:
            self._messages.append({"type": "http.disconnect"})
        self.path = path
        self.sent: list[Message] = []
        self.taken = 0

    async def receive(self) -> Message:
        if not self._messages:
            await asyncio.Event().wait()
        message = self._messages.pop(0)
        self.taken += len(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    async def through(self, app: RestBoundary) -> None:
        scope: dict[str, Any] = {"type": "http", "path": self.path, "headers": []}
        await app(scope, self.receive, self.send)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.sent[1:])

    @property
    def code(self) -> str:
        return str(orjson.loads(self.body)["code"])


@pytest.fixture
def inner() -> Inner:
    return Inner()


def bounded(inner: Inner, **bounds: Any) -> RestBoundary:
    return RestBoundary(inner, new_id=lambda: "id-1", **bounds)


async def test_body_arrives_whole_and_the_answer_has_the_request_id(inner: Inner) -> None:
    call = Call(b"abc", b"", b"de")
    await call.through(bounded(inner))
    assert (call.status, call.body, call.headers[b"x-request-id"]) == (200, b"5", b"id-1")


async def test_other_paths_pass_untouched(inner: Inner) -> None:
    call = Call(b"x" * (MAX_BODY_BYTES + 1), path="/")
    await call.through(bounded(inner, max_calls=0))
    assert call.status == 200
    assert b"x-request-id" not in call.headers


async def test_largest_body_passes_and_one_byte_more_does_not(inner: Inner) -> None:
    fits = Call(b"x" * MAX_BODY_BYTES)
    await fits.through(bounded(inner))
    assert fits.body == str(MAX_BODY_BYTES).encode()
    too_large = Call(b"x" * MAX_BODY_BYTES, b"y")
    await too_large.through(bounded(inner))
    assert (too_large.status, too_large.code, too_large.headers[b"connection"]) == (413, "too_large", b"close")
    assert inner.calls == 1


async def test_endless_body_is_not_read_for_ever(inner: Inner) -> None:
    call = Call(*[b"x" * MAX_BODY_BYTES] * 50)
    await call.through(bounded(inner))
    assert call.code == "too_large"
    assert call.taken <= 6 * MAX_BODY_BYTES


async def test_body_that_does_not_come_is_given_up(inner: Inner) -> None:
    for call in (Call(), Call(b"ab", ends=False)):
        await call.through(bounded(inner, body_timeout_s=0.05))
        assert (call.status, call.code, call.headers[b"connection"]) == (408, "body_timeout", b"close")
    assert inner.calls == 0


async def test_answer_that_does_not_come_is_given_up(inner: Inner) -> None:
    inner.gate = asyncio.Event()
    call = Call(b"")
    await call.through(bounded(inner, call_timeout_s=0.05))
    assert (call.status, call.code) == (504, "timeout")


async def test_one_call_too_many_is_refused_and_room_is_given_back(inner: Inner) -> None:
    inner.gate = asyncio.Event()
    app = bounded(inner, max_calls=2)
    held = [Call(b""), Call(b"")]
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        tasks = [group.create_task(call.through(app)) for call in held]
        while inner.calls < len(tasks):
            await asyncio.sleep(0)
        refused = Call(b"")
        await refused.through(app)
        assert (refused.status, refused.code, refused.headers[b"retry-after"]) == (503, "busy", b"1")
        inner.gate.set()
    after = Call(b"")
    await after.through(app)
    assert [call.status for call in (*held, after)] == [200, 200, 200]


async def test_caller_who_hangs_up_gets_no_answer_and_holds_no_room(inner: Inner) -> None:
    app = bounded(inner, max_calls=1)
    for _ in range(3):
        gone = Call(b"ab", ends=False, hangs_up=True)
        await gone.through(app)
        assert gone.sent == []
    assert inner.calls == 0
    here = Call(b"")
    await here.through(app)
    assert here.status == 200


async def test_failure_after_the_answer_began_is_not_answered_twice(inner: Inner) -> None:
    inner.fails_after_start = True
    call = Call(b"")
    with pytest.raises(ValueError, match="broke in the middle"):
        await call.through(bounded(inner))
    assert len(call.sent) == 1


async def test_cancelled_call_gives_its_room_back(inner: Inner) -> None:
    inner.gate = asyncio.Event()
    app = bounded(inner, max_calls=1)
    task = asyncio.create_task(Call(b"").through(app))
    while inner.calls == 0:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    inner.gate.set()
    call = Call(b"")
    await call.through(app)
    assert call.status == 200


def test_the_longest_wait_and_the_bulk_budget_fit_into_a_call() -> None:
    from services.api.rerunning import BUDGET_S

    assert BUDGET_S + 20 < boundary.CALL_TIMEOUT_S


async def test_a_stream_is_no_call_and_has_all_the_time() -> None:
    async def streaming(_: Scope, receive: Receive, send: Send) -> None:
        await receive()
        headers = [(b"content-type", b"text/event-stream; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await going_on.wait()
        await send({"type": "http.response.body", "body": b"data: 1"})

    going_on = asyncio.Event()
    app = RestBoundary(streaming, new_id=lambda: "id", call_timeout_s=0.05, max_calls=1)
    calls = [Call(b"", path="/api/v1/events") for _ in range(3)]
    following = [asyncio.create_task(call.through(app)) for call in calls]
    await asyncio.sleep(0.15)
    assert [call.status for call in calls] == [200, 200, 200]
    going_on.set()
    await asyncio.gather(*following)
    assert [call.body for call in calls] == [b"data: 1"] * 3


@pytest.mark.parametrize(
    ("body", "deep"),
    [
        (b"[" * 100 + b"]" * 100, False),
        (b"[" * 101 + b"]" * 101, True),
        (b'{"a":' * 200_000, True),
        (b'["' + b"[" * 5000 + b'"]', False),
        (b'["\\"' + b"[" * 5000 + b'"]', False),
        (b"[]" * 5000, False),
        (b'"' + b"\\" * 1_000_000, False),
        (b"", False),
    ],
)
async def test_what_is_nested_too_deep_is_refused_before_anybody_reads_it(
    inner: Inner, body: bytes, deep: bool
) -> None:
    call = Call(body)
    await call.through(bounded(inner))
    assert (call.status, inner.calls) == ((422, 0) if deep else (200, 1))
    assert call.headers[b"x-content-type-options"] == b"nosniff"
    assert call.headers[b"x-frame-options"] == b"DENY"
