"""Sessions: a SecretId and its SecretKey exchanged for a token that a browser keeps in a cookie."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import timedelta

from services.api.credentials import Known
from services.api.dependencies import Dependencies
from shared.model.base import instant_text
from shared.model.session import Session

LASTS = timedelta(hours=12)
_SWEPT = 10
"""Sessions that are over, taken away by each new one."""
_TOKEN_BYTES = 32


async def open_session(known: Known, key_at: int, deps: Dependencies) -> tuple[str, Session]:
    """A new token, and the session behind it; `key_at` says which of the credential's keys was given."""
    records = deps.records
    now = await records.now()
    for over in await records.sessions.find({"expires_at": {"$lt": instant_text(now)}}, limit=_SWEPT):
        await records.sessions.delete(over)
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    session = Session(
        id=_digest(token),
        tenant=known.tenant,
        secret_id=known.id,
        key_id=known.key_ids[key_at],
        created_at=now,
        expires_at=now + LASTS,
    )
    await records.sessions.insert(session)
    return token, session


async def find_session(token: str, deps: Dependencies) -> tuple[Session, Known] | None:
    """The session and its credential as it is now. None if it is over: it was ended, its time is up, or its credential
    was disabled, deleted or given another key."""
    session = await deps.records.sessions.get(_digest(token))
    if session is None or session.expires_at <= await deps.records.now():
        return None
    known = await deps.credentials.find(session.secret_id)
    if known is None or session.key_id not in known.key_ids:
        return None
    return session, known


async def end_session(token: str, deps: Dependencies) -> None:
    """Ends it; fine if there is none."""
    session = await deps.records.sessions.get(_digest(token))
    if session is not None:
        await deps.records.sessions.delete(session)


def csrf_token(token: str) -> str:
    """What a page has to say with every change: other sites' pages can neither read nor guess it."""
    return hmac.new(token.encode(), b"csrf", hashlib.sha256).hexdigest()


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
