"""Sending messages, as services see it. Adapter: `shared.bus.bus.Bus`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from shared.messages.messages import Message


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message and the topic it goes to."""

    topic: str
    message: Message


class Publisher(Protocol):
    """Sends messages."""

    async def publish(self, *outgoing: Outgoing) -> None:
        """Returns when every message is acknowledged. Raises a retryable ReelwayError otherwise; then any number of
        them may have arrived."""
        ...
