"""The HTTP callback: POST of the event as JSON, signed, to an address that was checked, once, within one deadline."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self

import httpx

from services.notifier.domain.notice import Notice, Report, clipped
from services.notifier.sinks.calls import MAX_RESPONSE_BYTES, USER_AGENT, Answer, HttpCaller, NoAnswer
from services.notifier.sinks.checked_network import CheckedNetwork
from shared.addresses import Network
from shared.mps.signing import webhook_headers

__all__ = ["MAX_RESPONSE_BYTES", "USER_AGENT", "HttpSink", "judge", "read_retry_after"]


class HttpSink:
    """Delivers by HTTP.

    2xx is delivered as soon as the header is there; 410 ends the delivery for good, and nothing new is sent to that URL
    (`services.notifier.gone`); everything else is a failure.
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
        self._caller = HttpCaller(
            allowed, timeout_s=timeout_s, most_lookups=most_lookups, network=network, ssl_context=ssl_context
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes what is open."""
        await self._caller.close()

    def lane(self, target: str) -> str:
        """Host and port."""
        try:
            return httpx.URL(target).netloc.decode().lower()
        except httpx.InvalidURL:
            return "?"

    async def send(self, notice: Notice) -> Report:
        """POSTs once. Guarantees an answer within the timeout, plus what closing takes."""
        headers = {
            "Content-Type": "application/json",
            **webhook_headers(notice.id, notice.at, notice.body, notice.key),
        }
        if notice.traceparent:
            headers["traceparent"] = notice.traceparent
        try:
            answer = await self._caller.post(notice.target, headers, notice.body)
        except NoAnswer as error:
            return Report(delivered=False, error=str(error), answered=False)
        return judge(answer, notice.at)


def judge(answer: Answer, now: datetime) -> Report:
    """What an answer means for whoever speaks HTTP."""
    if 200 <= answer.status < 300:
        return Report(delivered=True, status=answer.status, response=clipped(answer.body))
    error = f"HTTP {answer.status}"
    location = answer.headers.get("location")
    if 300 <= answer.status < 400 and location is not None:
        error = f"HTTP {answer.status}: redirects are not followed (to {location[:200]})"
    return Report(
        delivered=False,
        status=answer.status,
        error=error,
        response=clipped(answer.body),
        gone=answer.status == 410,
        retry_after=read_retry_after(answer.headers.get("retry-after", ""), now),
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
