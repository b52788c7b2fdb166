"""Credentials of a tenant: made, rotated, disabled, deleted. A SecretKey is told once, when it is made."""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass, field
from datetime import timedelta

from services.api.dependencies import Context
from services.api.domain.problems import conflict, not_found
from shared.model.credential import Credential, Role, SealedKey

MOST_KEYS = 2
"""Of one credential at once: the newest, and the one before it until its overlap is over."""
_LETTERS = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class Made:
    """A credential with a key that nobody will be told again."""

    credential: Credential
    secret_key: str = field(repr=False)


async def own_credential(secret_id: str, context: Context) -> Credential:
    """Raises Problem 404, also for another tenant's."""
    found = await context.deps.records.credentials.get(secret_id)
    if found is None or found.tenant != context.tenant:
        raise not_found("credential", secret_id)
    return found


async def create(name: str, role: Role, context: Context) -> Made:
    """A new SecretId with its SecretKey, in the shapes that MPS has."""
    now = await context.deps.records.now()
    secret_id, secret_key = f"AKID{_random(32)}", _random(32)
    key = context.deps.credentials.sealed_key(secret_id, secret_key, now)
    made = Credential(id=secret_id, keys=(key,), tenant=context.tenant, name=name, role=role, created_at=now)
    await context.deps.records.credentials.insert(made)
    return Made(made, secret_key)


async def rotate(secret_id: str, overlap: timedelta, context: Context) -> Made:
    """A new SecretKey for a SecretId. The newest of those before it is good for the time of the overlap, all others end
    at once. Raises Problem 404."""
    await own_credential(secret_id, context)
    now = await context.deps.records.now()
    secret_key = _random(32)
    fresh = context.deps.credentials.sealed_key(secret_id, secret_key, now)

    def step(credential: Credential) -> Credential:
        return credential.with_changes(keys=(fresh, *_kept(credential.keys, overlap, now=fresh)))

    changed = await context.deps.records.credentials.change(secret_id, step)
    context.deps.credentials.forget(secret_id)
    if changed is None:
        raise not_found("credential", secret_id)
    return Made(changed, secret_key)


def _kept(keys: tuple[SealedKey, ...], overlap: timedelta, *, now: SealedKey) -> tuple[SealedKey, ...]:
    if not overlap:
        return ()
    until = now.created_at + overlap
    return tuple(
        key.model_copy(update={"until": until if key.until is None else min(key.until, until)})
        for key in keys[: MOST_KEYS - 1]
    )


async def set_disabled(secret_id: str, disabled: bool, context: Context) -> Credential:
    """Raises Problem 404, or 409 for the last admin."""
    found = await own_credential(secret_id, context)
    if disabled:
        await _spare_last_admin(found, context)
    changed = await context.deps.records.credentials.change(
        secret_id, lambda credential: credential.with_changes(disabled=disabled)
    )
    context.deps.credentials.forget(secret_id)
    if changed is None:
        raise not_found("credential", secret_id)
    return changed


async def delete(secret_id: str, context: Context) -> None:
    """Raises Problem 404, or 409 for the last admin."""
    found = await own_credential(secret_id, context)
    await _spare_last_admin(found, context)
    while not await context.deps.records.credentials.delete(found):
        found = await own_credential(secret_id, context)
    context.deps.credentials.forget(secret_id)


async def _spare_last_admin(credential: Credential, context: Context) -> None:
    """Somebody must be left who can let others in."""
    if credential.role is not Role.ADMIN or credential.disabled:
        return
    theirs = await context.deps.records.credentials.find({"tenant": context.tenant, "disabled": False}, limit=10_000)
    if not any(one.id != credential.id and one.role is Role.ADMIN for one in theirs):
        raise conflict("last_admin", "this is the last admin of the tenant; make another one first")


def _random(length: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(length))
