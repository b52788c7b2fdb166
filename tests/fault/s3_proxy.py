"""An HTTP proxy in front of the object storage that fails as networks and storages do, and keeps a log.

Requests pass byte by byte, so signatures stay good and no body is held in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import aiohttp
from aiohttp import web
from yarl import URL

from tests.fault.background import Background

CHUNK = 64 * 1024
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "expect", "upgrade", "proxy-connection", "te"}


@dataclass(frozen=True, slots=True)
class Refuse:
    """The storage answers with an error and does nothing."""

    status: int
    code: str


@dataclass(frozen=True, slots=True)
class CutRequest:
    """The connection breaks after so many bytes of the request's body; the storage never sees it whole."""

    after_bytes: int = 0


@dataclass(frozen=True, slots=True)
class LoseAnswer:
    """The storage does what it is asked, and the connection breaks before it can say so."""


@dataclass(frozen=True, slots=True)
class CutAnswer:
    """The connection breaks after so many bytes of the answer's body."""

    after_bytes: int


@dataclass(frozen=True, slots=True)
class Slow:
    """Both bodies pass at this rate."""

    bytes_per_s: int


Fault = Refuse | CutRequest | LoseAnswer | CutAnswer | Slow


@dataclass(frozen=True, slots=True)
class Request:
    """What a plan decides by, and what the log keeps. `path` is as it was sent, with its query."""

    method: str
    path: str
    body_bytes: int

    @property
    def writes(self) -> bool:
        """Whether it may change an object."""
        return self.method in ("PUT", "POST", "DELETE")


Plan = Callable[[Request], Fault | None]


def no_faults(_: Request) -> Fault | None:
    """Everything passes."""
    return None


class S3Proxy:
    """Listens on a free port from `start` to `stop`. `plan` may be changed at any time and says what each request
    meets; `log` has every request, `met` those that met a fault."""

    def __init__(self, background: Background, target: str) -> None:
        self.plan: Plan = no_faults
        self.log: list[Request] = []
        self.met: list[tuple[Request, Fault]] = []
        self.url = ""
        self._background = background
        self._target = target
        self._session: aiohttp.ClientSession | None = None
        self._runner: web.ServerRunner | None = None

    def start(self) -> None:
        self._background.do(self._start())

    def stop(self) -> None:
        self._background.do(self._stop())

    async def _start(self) -> None:
        self._session = aiohttp.ClientSession(
            # A connection per request: one that the storage closed meanwhile would look like a fault of ours.
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),
            skip_auto_headers=("User-Agent", "Content-Type", "Accept", "Accept-Encoding"),
        )
        self._runner = web.ServerRunner(web.Server(self._serve), shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        if self._session is not None:
            await self._session.close()
            await asyncio.sleep(0.1)  # aiohttp's connections close a moment later

    async def _serve(self, asked: web.BaseRequest) -> web.StreamResponse:
        request = Request(asked.method, asked.raw_path, asked.content_length or 0)
        self.log.append(request)
        fault = self.plan(request)
        if fault is not None:
            self.met.append((request, fault))
        if asked.headers.get("Expect", "").lower() == "100-continue":
            await asked.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            asked.writer.output_size = 0
        match fault:
            case Refuse(status, code):
                async for _ in asked.content.iter_chunked(CHUNK):
                    pass
                body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>told to</Message></Error>"
                return web.Response(status=status, text=body, content_type="application/xml")
            case CutRequest(after_bytes):
                seen = 0
                async for chunk in asked.content.iter_chunked(CHUNK):
                    seen += len(chunk)
                    if seen >= after_bytes:
                        break
                return _cut(asked)
        try:
            return await self._forward(asked, fault)
        except (aiohttp.ClientError, OSError):
            return _cut(asked)  # the storage is away, or the client: for who still listens it is a broken connection

    async def _forward(self, asked: web.BaseRequest, fault: Fault | None) -> web.StreamResponse:
        assert self._session is not None
        async with self._session.request(
            asked.method,
            URL(self._target + asked.raw_path, encoded=True),
            headers=[(name, value) for name, value in asked.headers.items() if name.lower() not in _HOP_BY_HOP],
            data=_paced(asked.content, fault) if asked.can_read_body else None,
            allow_redirects=False,
        ) as answer:
            if isinstance(fault, LoseAnswer):
                return _cut(asked)
            response = web.StreamResponse(
                status=answer.status,
                headers=[(name, value) for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP],
            )
            await response.prepare(asked)
            seen = 0
            async for chunk in _paced(answer.content, fault):
                if isinstance(fault, CutAnswer) and seen + len(chunk) >= fault.after_bytes:
                    await response.write(chunk[: fault.after_bytes - seen])
                    return _cut(asked, response)
                seen += len(chunk)
                await response.write(chunk)
            await response.write_eof()
            return response


async def _paced(content: aiohttp.StreamReader, fault: Fault | None) -> AsyncIterator[bytes]:
    async for chunk in content.iter_chunked(CHUNK):
        if isinstance(fault, Slow):
            await asyncio.sleep(len(chunk) / fault.bytes_per_s)
        yield chunk


def _cut(asked: web.BaseRequest, begun: web.StreamResponse | None = None) -> web.StreamResponse:
    """Resets the connection. What is returned reaches nobody."""
    if asked.transport is not None:
        asked.transport.abort()
    return begun or web.Response()
