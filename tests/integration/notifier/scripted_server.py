"""A real HTTP server on the loopback whose answers are given beforehand."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Request:
    line: str
    headers: dict[str, str]
    body: bytes


def answer(status: int, body: bytes = b"", **headers: str) -> bytes:
    """A whole answer; `_` in names of headers is `-`."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


OK = answer(200, b'{"code":0}')
HANG = "hang"
"""Takes the request and never says a word."""
RESET = "reset"
"""Takes the request and resets the connection."""
STALL_IN_BODY = "stall"
"""Answers 200 with a length, and never sends the body."""
DRIP = "drip"
"""Sends a byte of a header again and again: something always comes, and never an end."""
STALL_IN_HEADERS = "stall in headers"
"""Sends a status line and then nothing."""
HALF_WAY = "half way"
"""Sends half a header and resets the connection."""
FLOOD = "flood"
"""Answers 200 and sends body without end."""


@dataclass
class ScriptedServer:
    """Answers in turn; the last answer is repeated."""

    script: list[bytes | str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    flooded: int = 0
    port: int = 0
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    def url(self, host: str = "127.0.0.1", path: str = "/hook?a=b%20c") -> str:
        return f"http://{host}:{self.port}{path}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            self.requests.append(await _read(reader))
            await self._act(self.respond(self.requests[-1]), reader, writer)
        writer.close()

    def respond(self, request: Request) -> bytes | str:
        """The next act of the script."""
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]

    async def _act(self, act: bytes | str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        match act:
            case bytes():
                writer.write(act)
                await writer.drain()
            case "hang":
                await reader.read()
            case "stall":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab")
                await writer.drain()
                await reader.read()
            case "drip":
                writer.write(b"HTTP/1.1 200 OK\r\nX: ")
                while not writer.is_closing() and not reader.at_eof():
                    writer.write(b"x")
                    await writer.drain()
                    await asyncio.sleep(0.02)
            case "stall in headers":
                writer.write(b"HTTP/1.1 200 OK\r\n")
                await writer.drain()
                await reader.read()
            case "half way":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Le")
                await writer.drain()
                writer.transport.abort()
            case "flood":
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
                while not writer.is_closing():
                    writer.write(b"x" * 65536)
                    self.flooded += 65536
                    await writer.drain()
            case _:
                writer.transport.abort()

    async def close(self) -> None:
        for writer in self._writers:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:-2])}
    return Request(head[0], headers, await reader.readexactly(int(headers["content-length"])))


@asynccontextmanager
async def serving(
    *script: bytes | str,
    host: str = "127.0.0.1",
    tls: ssl.SSLContext | None = None,
    server: ScriptedServer | None = None,
) -> AsyncIterator[ScriptedServer]:
    """A server for the length of a block."""
    scripted = server or ScriptedServer(list(script) or [OK])
    listening = await asyncio.start_server(scripted._serve, host, 0, ssl=tls)
    scripted.port = listening.sockets[0].getsockname()[1]
    try:
        yield scripted
    finally:
        listening.close()
        await scripted.close()
        await listening.wait_closed()
