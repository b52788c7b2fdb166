"""Calls of the REST interface, with errors that people can read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from services.cli.connection import Connection

TIMEOUT = httpx.Timeout(70, connect=5)
"""The API gives up after 60 s."""
TRIES = 5
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class CallFailed(Exception):
    """A call was refused or not answered. `exit_code` is what the command ends with; `retryable` says that the same
    call may succeed in a moment."""

    def __init__(self, message: str, exit_code: int, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.retryable = retryable


class Client:
    """One API, one credential."""

    def __init__(self, connection: Connection, transport: httpx.BaseTransport | None = None) -> None:
        self._api = connection.api
        try:
            self._http = httpx.Client(
                base_url=f"{connection.api}/api/v1",
                auth=(connection.secret_id, connection.secret_key),
                timeout=TIMEOUT,
                # A proxy of the environment is no way to this machine itself.
                trust_env=urlsplit(connection.api).hostname not in LOOPBACK,
                transport=transport,
            )
        except (httpx.InvalidURL, ValueError) as error:
            raise CallFailed(f"{connection.api}: {error}", 2) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        patient: bool = False,
    ) -> Any:
        """The answer's JSON; `content` is a body that is no JSON of ours. A `patient` call, which must be harmless to
        repeat, is repeated while the API is busy. Raises CallFailed."""

        def call() -> Any:
            answer = self._answer(method, path, params, json=body, content=content, headers=headers)
            try:
                return answer.json() if answer.content else None
            except ValueError as error:
                raise CallFailed(f"{self._api} is no Reelway API: {error}", 1) from None

        return _retrying(patient)(call)

    def text(self, path: str, params: Mapping[str, Any] | None = None) -> str:
        """The answer of a GET as it stands. Raises CallFailed."""
        return _retrying(True)(lambda: self._answer("GET", path, params).text)

    @contextlib.contextmanager
    def stream(self, path: str, last_id: str | None = None) -> Iterator[Iterator[str] | None]:
        """The lines of a stream of events; None if there is nothing more to come. Raises CallFailed, also while the
        lines are read."""
        headers = {} if last_id is None else {"last-event-id": last_id}
        try:
            with self._http.stream("GET", path, headers=headers) as answer:
                if not answer.is_success:
                    answer.read()
                    raise _failure(answer)
                yield None if answer.status_code == httpx.codes.NO_CONTENT else answer.iter_lines()
        except httpx.TransportError as error:
            raise CallFailed(f"{self._api} cannot be reached: {error}", 1, retryable=True) from None

    def _answer(self, method: str, path: str, params: Mapping[str, Any] | None, **request: Any) -> httpx.Response:
        given = {name: value for name, value in (params or {}).items() if value is not None}
        try:
            answer = self._http.request(method, path, params=given, **request)
        except httpx.TransportError as error:
            raise CallFailed(f"{self._api} cannot be reached: {error}", 1, retryable=True) from None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise CallFailed(f"{self._api} is no Reelway API: {error}", 1) from None
        if answer.is_success:
            return answer
        raise _failure(answer)


def _retrying(patient: bool) -> Retrying:
    return Retrying(
        retry=retry_if_exception(lambda error: patient and isinstance(error, CallFailed) and error.retryable),
        wait=wait_exponential_jitter(multiplier=0.5, max=5),
        stop=stop_after_attempt(TRIES),
        reraise=True,
    )


_EXIT_CODES = {400: 2, 422: 2, 404: 3, 409: 4, 412: 4, 428: 4, 401: 5, 403: 5}


def _failure(answer: httpx.Response) -> CallFailed:
    exit_code = _EXIT_CODES.get(answer.status_code, 1)
    retryable = answer.status_code in (httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.TOO_MANY_REQUESTS)
    try:
        problem = answer.json()
        text = f"{problem['detail']} ({problem['code']})"
        for error in problem.get("errors", [])[1:]:
            text += f"\n{error['field']}: {error['rule']}"
    except (ValueError, KeyError, TypeError, AttributeError):
        text = f"HTTP {answer.status_code} {answer.reason_phrase}: is this a Reelway API?"
        exit_code = 1
    return CallFailed(text, exit_code, retryable=retryable)
