"""Calls, and what becomes of them when they fail."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from services.cli.client import TRIES, CallFailed, Client
from services.cli.connection import Connection

Answer = Callable[[httpx.Request], httpx.Response]
CONNECTION = Connection("http://127.0.0.1:9", "id", "key")


def client(answer: Answer) -> Client:
    return Client(CONNECTION, httpx.MockTransport(answer))


def failure(answer: Answer, **how: object) -> CallFailed:
    with client(answer) as api, pytest.raises(CallFailed) as caught:
        api.call("GET", "/runs", **how)  # type: ignore[arg-type]
    return caught.value


def problem(status: int, **members: object) -> Answer:
    body = {"detail": "it does not fit", "code": "some_code"} | members
    return lambda _: httpx.Response(status, json=body)


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)


def test_call_carries_the_credential_and_leaves_out_what_is_not_given() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"a": 1})

    with client(answer) as api:
        found = api.call("POST", "/runs/x%2Fy/cancel", params={"wait": 3, "cursor": None}, body={"b": None})
    assert found == {"a": 1}
    assert str(seen[0].url) == "http://127.0.0.1:9/api/v1/runs/x%2Fy/cancel?wait=3"
    assert seen[0].headers["authorization"] == httpx.BasicAuth("id", "key")._auth_header
    assert seen[0].content == b'{"b":null}'


def test_answer_without_content_is_none() -> None:
    with client(lambda _: httpx.Response(204)) as api:
        assert api.call("DELETE", "/limits/tenant") is None


@pytest.mark.parametrize(
    ("status", "exit_code"), [(400, 2), (401, 5), (404, 3), (409, 4), (422, 2), (500, 1), (503, 1), (504, 1)]
)
def test_refusals_have_exit_codes_and_say_why(status: int, exit_code: int) -> None:
    failed = failure(problem(status))
    assert (failed.exit_code, str(failed)) == (exit_code, "it does not fit (some_code)")


def test_every_field_at_fault_is_said() -> None:
    errors = [{"field": "a", "rule": "one"}, {"field": "b", "rule": "two"}]
    assert str(failure(problem(422, errors=errors, detail="a: one", code="invalid"))) == "a: one (invalid)\nb: two"


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b"null"])
def test_answer_of_something_else_is_told_apart(body: bytes) -> None:
    failed = failure(lambda _: httpx.Response(404, content=body))
    assert (failed.exit_code, str(failed)) == (1, "HTTP 404 Not Found: is this a Reelway API?")
    assert failure(lambda _: httpx.Response(200, content=b"<html>")).exit_code == 1


def test_api_that_cannot_be_reached() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    failed = failure(answer)
    assert (failed.exit_code, str(failed)) == (1, "http://127.0.0.1:9 cannot be reached: refused")


def test_patient_call_is_repeated_while_the_api_is_busy() -> None:
    answers = iter([httpx.Response(503, json={"detail": "d", "code": "busy"}), httpx.Response(200, json={})])
    with client(lambda _: next(answers)) as api:
        assert api.call("GET", "/runs", patient=True) == {}


def test_patience_ends_and_is_not_spent_on_refusals() -> None:
    calls: list[int] = []

    def counted(status: int) -> Answer:
        def answer(request: httpx.Request) -> httpx.Response:
            calls.append(status)
            return problem(status)(request)

        return answer

    failure(counted(503), patient=True)
    failure(counted(409), patient=True)
    failure(counted(503))
    assert (calls.count(503), calls.count(409)) == (TRIES + 1, 1)
