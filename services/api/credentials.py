"""Key pairs by SecretId: opened, and kept in memory for a moment."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from cachetools import TTLCache

from shared.clock import Clock
from shared.model.credential import Credential, Role, SealedKey
from shared.ports.state import DuplicateKey, Order
from shared.sealing import MasterKeys, SealError
from shared.state.records import Records

KEEP_S = 5
"""How long a credential that another process disabled may still be good."""
MAX_KEPT = 10_000
NO_KEY = "x" * 32
"""What is compared with if there is no such SecretId."""
_MAX_SECRET_ID = 256
_AT_ONCE = 500
_BY_ID = [("_id", Order.ASC)]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Known:
    """A credential that is good now."""

    id: str
    tenant: str
    role: Role
    secret_keys: tuple[str, ...] = field(repr=False)
    """All that are good now: during the overlap of a rotation there are two."""
    key_ids: tuple[str, ...]
    """Which they are, in the same order."""


@dataclass(frozen=True, slots=True)
class _Opened:
    credential: Credential
    secret_keys: tuple[str, ...] = field(repr=False)


class CredentialBook:
    """Looks credentials up. Only those that exist are remembered, so a new one is good at once."""

    def __init__(self, records: Records, clock: Clock, keys: MasterKeys) -> None:
        self._records = records
        self._clock = clock
        self._keys = keys
        self._kept: TTLCache[str, _Opened] = TTLCache(MAX_KEPT, KEEP_S, timer=lambda: clock.now().timestamp())

    async def find(self, secret_id: str) -> Known | None:
        """The credential, or None if it is unknown or disabled. One whose keys cannot be opened is unknown."""
        if not secret_id or len(secret_id) > _MAX_SECRET_ID:
            return None
        found = self._kept.get(secret_id)
        if found is None:
            credential = await self._records.credentials.get(secret_id)
            if credential is None or credential.disabled:
                return None
            try:
                found = self._open(await self._sealed(credential))
            except SealError as error:
                log.error("a credential cannot be opened", secret_id=secret_id, error=str(error))
                return None
            self._kept[secret_id] = found
        now = self._clock.now()
        good = [
            (secret, key.id)
            for secret, key in zip(found.secret_keys, found.credential.keys, strict=True)
            if key.until is None or key.until > now
        ]
        credential = found.credential
        return Known(
            credential.id,
            credential.tenant,
            credential.role,
            tuple(secret for secret, _ in good),
            tuple(name for _, name in good),
        )

    def forget(self, secret_id: str) -> None:
        """What was changed about it holds in this process at once."""
        self._kept.pop(secret_id, None)

    def sealed_key(self, secret_id: str, secret_key: str, now: datetime) -> SealedKey:
        """A key as it is stored."""
        return SealedKey(id=secrets.token_hex(8), sealed=self._keys.seal(secret_key, secret_id), created_at=now)

    async def ensure(self, secret_id: str, secret_key: str, tenant: str, role: Role = Role.ADMIN) -> bool:
        """Makes a credential unless there is one with this id; whether it was made."""
        made_at = await self._records.now()
        key = self.sealed_key(secret_id, secret_key, made_at)
        try:
            await self._records.credentials.insert(
                Credential(id=secret_id, keys=(key,), tenant=tenant, created_at=made_at, role=role)
            )
        except DuplicateKey:
            return False
        return True

    async def seal_all(self) -> None:
        """Seals what was stored in plain, and under the current master key what was sealed under another one. Raises
        StateError."""
        last = ""
        while found := await self._records.credentials.find({"_id": {"$gt": last}}, sort=_BY_ID, limit=_AT_ONCE):
            for credential in found:
                try:
                    await self._sealed(credential)
                except SealError as error:
                    log.error("a credential cannot be opened", secret_id=credential.id, error=str(error))
            last = found[-1].id

    def _open(self, credential: Credential) -> _Opened:
        opened = tuple(self._keys.open(key.sealed, credential.id) for key in credential.keys)
        return _Opened(credential, opened)

    async def _sealed(self, credential: Credential) -> Credential:
        """The credential with all of its keys sealed under the current master key, which is also how it is stored
        afterwards, unless somebody changes it meanwhile. Raises SealError."""
        if not credential.secret_key and all(self._keys.is_current(key.sealed) for key in credential.keys):
            return credential
        keys = [
            key.model_copy(
                update={"sealed": self._keys.seal(self._keys.open(key.sealed, credential.id), credential.id)}
            )
            for key in credential.keys
        ]
        if credential.secret_key:
            keys.append(self.sealed_key(credential.id, credential.secret_key, credential.created_at))
        sealed = credential.with_changes(secret_key="", keys=tuple(keys))
        if await self._records.credentials.replace(sealed) is not None:
            log.info("credential sealed", secret_id=credential.id)
        return sealed
