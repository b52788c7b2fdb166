"""The secrets of a subscription since it was last rotated: two are valid for a while."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from pydantic import Field

from shared.model.base import Document, Instant

MAX_REPLACED = 50


class KeyRing(Document):
    """The keys of one subscription of one pipeline. Runs carry the key of the time when they were made: those that are
    in `replaced_notify_keys`, by their digest, mean this ring."""

    tenant: str
    pipeline_id: str
    subscription: str | None
    notify_key: str = Field(repr=False)
    previous_notify_key: str | None = Field(default=None, repr=False)
    previous_until: Instant | None = None
    rotated_at: Instant
    replaced_notify_keys: tuple[str, ...] = Field(default=(), repr=False)


def ring_id(pipeline_id: str, subscription: str | None) -> str:
    """The id of the ring of a subscription; None is the contract's own."""
    return f"{pipeline_id}:{subscription or ''}"


def fingerprint(key: str) -> str:
    """A key as `replaced_notify_keys` has it."""
    return hashlib.sha256(key.encode()).hexdigest()


def valid_keys(key: str | None, ring: KeyRing | None, now: Instant) -> tuple[str, ...]:
    """The keys to sign with, the newest first, for a run that carries this key. A key that the ring does not know is
    somebody's own, as in a ProcessMedia with its own TaskNotifyConfig, or a newer one of the definition."""
    if not key:
        return ()
    if ring is None or (key != ring.notify_key and fingerprint(key) not in ring.replaced_notify_keys):
        return (key,)
    if ring.previous_notify_key is None or ring.previous_until is None or ring.previous_until <= now:
        return (ring.notify_key,)
    return (ring.notify_key, ring.previous_notify_key)


def rotated(
    ring: KeyRing | None, *, carried: str, new: str, now: Instant, previous_until: Instant, names: KeyRing
) -> KeyRing:
    """The ring after a rotation. `carried` is the key that the definition has, `names` a ring with the identity."""
    current = valid_keys(carried, ring, now)[0]
    known = _last((*(ring.replaced_notify_keys if ring else ()), fingerprint(carried), fingerprint(current)))
    return names.with_changes(
        version=ring.version if ring else 0,
        notify_key=new,
        previous_notify_key=current,
        previous_until=previous_until,
        rotated_at=now,
        replaced_notify_keys=known,
    )


def _last(digests: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(digests))[-MAX_REPLACED:]
