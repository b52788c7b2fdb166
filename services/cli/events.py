"""Reads server-sent events of the API, and comes back where it was when the connection breaks."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from services.cli.client import CallFailed, Client

AGAIN_S = 1.0
MOST_FAILURES = 30
"""In a row: half a minute without an API is enough."""


@dataclass(frozen=True, slots=True)
class Event:
    """What is told, with the id to go on behind."""

    kind: str
    data: dict[str, Any]
    id: str | None


def parsed(lines: Iterable[str]) -> Iterator[Event]:
    """The events of a stream (HTML standard, "Server-sent events")."""
    last_id: str | None = None
    kind, data = "message", ""
    for line in lines:
        if not line:
            if data:
                yield Event(kind, orjson.loads(data), last_id)
            kind, data = "message", ""
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            kind = value
        elif name == "data":
            data += value
        elif name == "id":
            last_id = value


def follow(client: Client, path: str) -> Iterator[Event]:
    """Events until one is an `end`, or the API says that there will be no more. Raises CallFailed."""
    last_id: str | None = None
    failures = 0
    while failures < MOST_FAILURES:
        try:
            with client.stream(path, last_id) as lines:
                if lines is None:
                    return
                for event in parsed(lines):
                    failures = 0
                    last_id = event.id or last_id
                    yield event
                    if event.kind == "end":
                        return
        except CallFailed as error:
            if not error.retryable:
                raise
        failures += 1
        time.sleep(AGAIN_S)
    raise CallFailed("the API does not come back", 1)
