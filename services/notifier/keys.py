"""The keys to sign with: the run's own, or those of the subscription's ring since its secret was rotated."""

from __future__ import annotations

import asyncio
from datetime import datetime

from shared.model.key_ring import KeyRing, ring_id, valid_keys
from shared.model.pipeline import Notification
from shared.model.run import Run
from shared.state.records import Records

REMEMBERED_S = 5.0
"""For how long a ring is not read again: so long a rotation may go unnoticed, and the old key is valid."""
MAX_REMEMBERED = 10_000


class Keys:
    """Rings as they were a few seconds ago."""

    def __init__(self, records: Records) -> None:
        self._rings = records.key_rings
        self._remembered: dict[str, tuple[float, KeyRing | None]] = {}

    async def of(self, run: Run, subscription: Notification, now: datetime) -> tuple[str, ...]:
        """The valid keys, the newest first; none if the subscription has no secret. Raises StateUnavailable."""
        if not subscription.key:
            return ()
        name = ring_id(run.pipeline_id, subscription.subscription)
        moment = asyncio.get_running_loop().time()
        read_at, ring = self._remembered.get(name, (-REMEMBERED_S, None))
        if moment - read_at >= REMEMBERED_S:
            ring = await self._rings.get(name)
            if len(self._remembered) >= MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[name] = (moment, ring)
        return valid_keys(subscription.key, ring, now)
