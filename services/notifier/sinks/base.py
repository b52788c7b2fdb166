"""What every sink can do."""

from __future__ import annotations

from typing import Protocol

from services.notifier.domain.notice import Notice, Report


class Sink(Protocol):
    """One way to tell somebody."""

    def lane(self, target: str) -> str:
        """What targets have in common that would be slow together: a host. Concurrency is bounded per lane."""
        ...

    async def send(self, notice: Notice) -> Report:
        """Tries once, within a bounded time. Never raises for anything that the other side or the network does."""
        ...
