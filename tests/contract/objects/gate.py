"""A TCP proxy with a gate, to stop a transfer in the middle without a mock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit


class Gate:
    """Forwards bytes to `target`. `close_after(n)` lets n more bytes through and then holds all until `open()`;
    `cut()` breaks the connections there are."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        assert parts.hostname
        assert parts.port
        self._target = (parts.hostname, parts.port)
        self._budget: int | None = None
        self._opened = asyncio.Event()
        self._opened.set()
        self.held = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self.url = ""

    def close_after(self, count: int) -> None:
        self._budget = count
        self.held.clear()

    def open(self) -> None:
        self._budget = None
        self._opened.set()

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            self._writers.add(sink)
            pump = asyncio.create_task(self._pump(source, sink))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while chunk := await source.read(16 * 1024):
                if self._budget is not None:
                    self._budget -= len(chunk)
                    if self._budget <= 0:
                        self._opened.clear()
                        self.held.set()
                await self._opened.wait()
                sink.write(chunk)
                await sink.drain()
        except ConnectionError:
            pass
        finally:
            self._writers.discard(sink)
            sink.close()

    async def aclose(self) -> None:
        for pump in list(self._pumps):
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)


@asynccontextmanager
async def gate_to(target: str) -> AsyncIterator[Gate]:
    gate = Gate(target)
    server = await asyncio.start_server(gate._serve, "127.0.0.1", 0)
    gate.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield gate
    finally:
        server.close()
        await gate.aclose()
        await server.wait_closed()
