"""One HTTP POST to an address that was checked, within one deadline, with an answer of a bounded length.

NoAnswer    nobody was there, or nobody spoke, or what was said is not HTTP
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from types import TracebackType
from typing import ClassVar, Self

import httpcore
import httpx

from services.notifier.sinks.checked_network import AddressRefused, CheckedNetwork
from shared.addresses import Network
from shared.errors import ReelwayError

USER_AGENT = f"Reelway/{version('reelway')}"
MAX_RESPONSE_BYTES = 64 * 1024
"""How much of an answer is read; the connection is closed after that."""


class NoAnswer(ReelwayError):
    """No status came. What was sent may have arrived all the same."""

    code: ClassVar[str] = "no_answer"
    retryable: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; header names in lower case. `body` is empty if it broke off or came late: the status stands."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpCaller:
    """POSTs. Redirects are never followed, proxies and other environment variables never looked at, answers never
    decompressed. Each call has its own connection, so that each resolves and checks anew. httpcore is used without
    httpx's client because only it lets us say how to connect. At most `most_lookups` host names are looked up at once.
    """

    def __init__(
        self,
        allowed: Sequence[Network] = (),
        *,
        timeout_s: float = 10.0,
        most_lookups: int = 128,
        network: CheckedNetwork | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl_context or httpx.create_ssl_context(trust_env=False),
            max_connections=None,
            max_keepalive_connections=0,
            network_backend=network or CheckedNetwork(allowed, most_lookups=most_lookups),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes what is open."""
        await self._pool.aclose()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """POSTs once. Guarantees an end within the timeout, plus what closing takes. Raises NoAnswer."""
        answers: list[Answer] = []
        try:
            async with asyncio.timeout(self._timeout_s), self._stream(url, headers, body) as answer:
                answers.append(_read_head(answer))
                content = await _read_body(answer)
                answers.append(Answer(answer.status, answers[0].headers, content))
        except TimeoutError:
            error = f"no answer within {self._timeout_s:g} s"
        except AddressRefused as refused:
            error = str(refused)
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as failed:
            error = f"{type(failed).__name__}: {failed}".rstrip(": ")
        except (httpx.InvalidURL, httpcore.UnsupportedProtocol, ssl.SSLError, OSError, ValueError) as failed:
            error = f"{type(failed).__name__}: {failed}"
        # The status decides; an answer that breaks off in its body is still an answer.
        if not answers:
            raise NoAnswer(error)
        return answers[-1]

    @asynccontextmanager
    async def _stream(self, url: str, headers: Mapping[str, str], body: bytes) -> AsyncIterator[httpcore.Response]:
        to = httpx.URL(url)
        sent = {
            "Host": to.netloc.decode(),
            "User-Agent": USER_AGENT,
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "Connection": "close",
            "Content-Length": str(len(body)),
            **headers,
        }
        timeouts = dict.fromkeys(("connect", "read", "write", "pool"), self._timeout_s)
        async with self._pool.stream(
            "POST",
            httpcore.URL(scheme=to.raw_scheme, host=to.raw_host, port=to.port, target=to.raw_path),
            headers=list(sent.items()),
            content=body,
            extensions={"timeout": timeouts},
        ) as answer:
            yield answer


def _read_head(answer: httpcore.Response) -> Answer:
    headers = {name.decode(errors="replace").lower(): value.decode(errors="replace") for name, value in answer.headers}
    return Answer(answer.status, headers, b"")


async def _read_body(answer: httpcore.Response) -> bytes:
    body = b""
    async for chunk in answer.aiter_stream():
        body += chunk
        if len(body) >= MAX_RESPONSE_BYTES:
            break
    return body[:MAX_RESPONSE_BYTES]
