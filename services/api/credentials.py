"""Key pairs by SecretId, kept in memory for a moment."""

from __future__ import annotations

from cachetools import TTLCache

from shared.clock import Clock
from shared.model.credential import Credential
from shared.ports.state import DuplicateKey
from shared.state.records import Records

KEEP_S = 30
"""How long a credential that was disabled may still be good."""
MAX_KEPT = 10_000
_MAX_SECRET_ID = 256


class CredentialBook:
    """Looks credentials up. Only those that exist are remembered, so a new one is good at once."""

    def __init__(self, records: Records, clock: Clock) -> None:
        self._records = records
        self._kept: TTLCache[str, Credential] = TTLCache(MAX_KEPT, KEEP_S, timer=lambda: clock.now().timestamp())

    async def find(self, secret_id: str) -> Credential | None:
        """The credential, or None if it is unknown or disabled."""
        if len(secret_id) > _MAX_SECRET_ID:
            return None
        found = self._kept.get(secret_id)
        if found is None:
            found = await self._records.credentials.get(secret_id)
            if found is None or found.disabled:
                return None
            self._kept[secret_id] = found
        return found

    async def ensure(self, secret_id: str, secret_key: str, tenant: str) -> bool:
        """Makes a credential unless there is one with this id; whether it was made."""
        made_at = await self._records.now()
        try:
            await self._records.credentials.insert(
                Credential(id=secret_id, secret_key=secret_key, tenant=tenant, created_at=made_at)
            )
        except DuplicateKey:
            return False
        return True
