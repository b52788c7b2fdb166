"""The plain connection that tells when the broker went away."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shared.bus.bus import Bus
from shared.clock import SystemClock
from shared.settings import ServiceSettings


class FakeWriter:
    """The writing end of a connection."""

    closed = False

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(("kafka", "first"), [("[::1]:9092", ("::1", 9092)), (" kafka:1 , other:2", ("kafka", 1))])
async def test_lifeline_is_tied_to_the_first_server_without_brackets(
    monkeypatch: pytest.MonkeyPatch, kafka: str, first: tuple[str, int]
) -> None:
    asked: list[tuple[Any, ...]] = []
    writer = FakeWriter()

    async def connect(*address: Any) -> tuple[asyncio.StreamReader, FakeWriter]:
        asked.append(address)
        reader = asyncio.StreamReader()
        reader.feed_eof()
        return reader, writer

    monkeypatch.setattr(asyncio, "open_connection", connect)
    lifeline = await Bus(ServiceSettings(kafka=kafka), "test", SystemClock())._lifeline()
    await lifeline
    assert asked == [first]
    assert writer.closed
