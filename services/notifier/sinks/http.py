"""The HTTP callback: POST of the event as JSON, signed, to an address that was checked, once, within one deadline."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from types import TracebackType
from typing import TYPE_CHECKING, Self

import httpcore
import httpx

from services.notifier.domain.addresses import Network
from services.notifier.domain.notice import Notice, Report, clipped
from services.notifier.sinks.checked_network import AddressRefused, CheckedNetwork
from shared.mps.signing import webhook_headers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

USER_AGENT = f"Reelway/{version('reelway')}"
MAX_RESPONSE_BYTES = 64 * 1024
"""How much of an answer is read; the connection is closed after that."""


class HttpSink:
    """Delivers by HTTP.

    2xx is delivered as soon as the header is there; 410 ends the delivery for good; everything else is a failure.
    Redirects are never followed, proxies and other environment variables never looked at, answers never decompressed.
    Each attempt has its own connection, so that each resolves and checks anew. httpcore is used without httpx's client
    because only it lets us say how to connect. At most `most_lookups` host names are looked up at once.

    A 410 also ends the run's later deliveries to the same URL. That it disables the subscription of the pipeline, so
    that the next run does not ask again, has to wait for subscriptions that are documents of their own.
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

    def lane(self, target: str) -> str:
        """Host and port."""
        try:
            return httpx.URL(target).netloc.decode().lower()
        except httpx.InvalidURL:
            return "?"

    async def send(self, notice: Notice) -> Report:
        """POSTs once. Guarantees an answer within the timeout, plus what closing takes."""
        report: list[Report] = []
        try:
            async with asyncio.timeout(self._timeout_s):
                async with self._post(notice) as answer:
                    report.append(_judge(answer, b"", notice.at))
                    report.append(_judge(answer, await _read(answer), notice.at))
        except TimeoutError:
            return report[-1] if report else _silence(f"no answer within {self._timeout_s:g} s")
        except AddressRefused as error:
            return _silence(str(error))
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            # The status decides; an answer that breaks off in its body is still an answer.
            return report[-1] if report else _silence(f"{type(error).__name__}: {error}".rstrip(": "))
        except (httpx.InvalidURL, httpcore.UnsupportedProtocol, ssl.SSLError, OSError, ValueError) as error:
            return report[-1] if report else _silence(f"{type(error).__name__}: {error}")
        return report[-1]

    @asynccontextmanager
    async def _post(self, notice: Notice) -> AsyncIterator[httpcore.Response]:
        url = httpx.URL(notice.target)
        headers = {
            "Host": url.netloc.decode(),
            "User-Agent": USER_AGENT,
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "Connection": "close",
            "Content-Type": "application/json",
            "Content-Length": str(len(notice.body)),
            **webhook_headers(notice.id, notice.at, notice.body, notice.key),
        }
        if notice.traceparent:
            headers["traceparent"] = notice.traceparent
        timeouts = dict.fromkeys(("connect", "read", "write", "pool"), self._timeout_s)
        async with self._pool.stream(
            "POST",
            httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=list(headers.items()),
            content=notice.body,
            extensions={"timeout": timeouts},
        ) as answer:
            yield answer


async def _read(answer: httpcore.Response) -> bytes:
    body = b""
    async for chunk in answer.aiter_stream():
        body += chunk
        if len(body) >= MAX_RESPONSE_BYTES:
            break
    return body[:MAX_RESPONSE_BYTES]


def _silence(error: str) -> Report:
    return Report(delivered=False, error=error, answered=False)


def _judge(answer: httpcore.Response, body: bytes, now: datetime) -> Report:
    status = answer.status
    headers = {name.lower(): value for name, value in answer.headers}
    if 200 <= status < 300:
        return Report(delivered=True, status=status, response=clipped(body))
    error = f"HTTP {status}"
    if 300 <= status < 400 and b"location" in headers:
        error = f"HTTP {status}: redirects are not followed (to {headers[b'location'][:200].decode(errors='replace')})"
    return Report(
        delivered=False,
        status=status,
        error=error,
        response=clipped(body),
        gone=status == 410,
        retry_after=read_retry_after(headers.get(b"retry-after", b"").decode(errors="replace"), now),
    )


def read_retry_after(value: str, now: datetime) -> timedelta | None:
    """A `Retry-After` header, seconds or date (RFC 9110 §10.2.3); None for none, or one that means nothing."""
    text = value.strip()
    if text.isascii() and text.isdigit():
        return timedelta(seconds=min(int(text[:12]), 10**9))
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(moment.replace(tzinfo=moment.tzinfo or UTC) - now, timedelta())
