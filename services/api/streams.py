"""How many may follow what happens at the same time, and that all of them end when the service does."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter

from services.api.domain.problems import Problem

PER_TENANT = 32
IN_ALL = 512


class Streams:
    """The open streams of this process. Each costs a question to the store a second."""

    def __init__(self, per_tenant: int = PER_TENANT, in_all: int = IN_ALL) -> None:
        self._per_tenant = per_tenant
        self._in_all = in_all
        self._open: Counter[str] = Counter()
        self._ending = asyncio.Event()

    def open(self, tenant: str) -> None:
        """One more. Raises Problem 429."""
        if self._open[tenant] >= self._per_tenant or self._open.total() >= self._in_all:
            text = f"at most {self._per_tenant} streams of a tenant at the same time, {self._in_all} in all"
            raise Problem(429, "too_many_streams", text, headers={"retry-after": "5"})
        self._open[tenant] += 1

    def close(self, tenant: str) -> None:
        """One less."""
        self._open[tenant] -= 1
        if not self._open[tenant]:
            del self._open[tenant]

    @property
    def count(self) -> int:
        """How many there are."""
        return self._open.total()

    @property
    def ending(self) -> bool:
        """Whether the service stops."""
        return self._ending.is_set()

    async def end(self) -> None:
        """Lets every stream end; their followers come back to whoever serves then."""
        self._ending.set()

    async def pause(self, seconds: float) -> None:
        """Waits for so long, or until the service stops."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ending.wait()
