"""Calls that may be repeated: the first one is done, the others are told the same (draft-ietf-httpapi-idempotency-key).

A crash between the work and its kept answer leaves a claim; when it has run out, a repeat is done again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from services.api.dependencies import Context
from services.api.domain.problems import Problem, conflict
from shared.model.answer import KeptAnswer
from shared.model.base import instant_text
from shared.ports.state import DuplicateKey, Order, StateError
from shared.state.repository import Contention

KEPT_FOR = timedelta(hours=24)
CLAIMED_FOR = timedelta(seconds=90)
"""Longer than any call may take."""
_SWEPT = 10
"""Answers that are over, taken away by each new one: so there are never many more than are wanted."""
_TRIES = 5

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Told:
    """What a caller is told. `repeated` says that it was told before."""

    status: int
    body: str
    headers: dict[str, str] = field(default_factory=dict)
    repeated: bool = False


def fingerprint(method: str, path: str, query: str, body: bytes) -> str:
    """Tells a call from another."""
    return hashlib.sha256(b"\n".join((method.encode(), path.encode(), query.encode(), body))).hexdigest()


async def told_once(key: str, mark: str, work: Callable[[], Awaitable[Told]], context: Context) -> Told:
    """The answer of `work`, which is done by one call with this key of this tenant. A refusal is not kept: nothing was
    changed, and the next call is a first one. Raises Problem 409 while another call is at it, 422 if the key was given
    with another call (`mark`)."""
    claim = await _claim(key, mark, context)
    if claim.status is not None:
        return Told(claim.status, claim.body, claim.headers, repeated=True)
    answers = context.deps.records.answers
    try:
        told = await work()
    except BaseException:
        await answers.delete(claim)
        raise
    if told.status >= 300:
        await answers.delete(claim)
        return told
    try:
        expires_at = await context.deps.records.now() + KEPT_FOR
        kept = {"status": told.status, "body": told.body, "headers": dict(told.headers), "expires_at": expires_at}
        await answers.replace(claim.with_changes(**kept))
    except StateError as error:
        # It is done, and the caller is told so; what is lost is that a repeat is told the same.
        log.warning("an answer could not be kept", error=str(error))
    return told


async def _claim(key: str, mark: str, context: Context) -> KeptAnswer:
    """This call's claim, or the answer that is there."""
    records = context.deps.records
    name = f"{context.tenant}:{hashlib.sha256(key.encode()).hexdigest()}"
    for _ in range(_TRIES):
        now = await records.now()
        fresh = KeptAnswer(
            id=name,
            tenant=context.tenant,
            fingerprint=mark,
            owner=context.request_id,
            expires_at=now + CLAIMED_FOR,
        )
        there = await records.answers.get(name)
        if there is None:
            try:
                await records.answers.insert(fresh)
            except DuplicateKey:
                continue
            await _sweep(context)
            return fresh
        if there.expires_at <= now:
            taken = await records.answers.replace(fresh.with_changes(version=there.version))
            if taken is None:
                continue
            return taken
        if there.fingerprint != mark:
            rule = "was given with another call; a new call needs a key of its own"
            error = {"field": "Idempotency-Key", "rule": rule}
            raise Problem(422, "idempotency_key_reused", f"Idempotency-Key: {rule}", more={"errors": [error]})
        if there.status is None:
            refused = conflict("in_progress", "the same call is being answered; try again for its answer")
            refused.headers["retry-after"] = "1"
            raise refused
        return there
    raise Contention("the claim of an Idempotency-Key changed again and again")


async def _sweep(context: Context) -> None:
    records = context.deps.records
    over = {"expires_at": {"$lt": instant_text(await records.now() - CLAIMED_FOR)}}
    for old in await records.answers.find(over, sort=[("expires_at", Order.ASC)], limit=_SWEPT):
        await records.answers.delete(old)
