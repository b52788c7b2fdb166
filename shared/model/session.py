"""A person's login at the console."""

from __future__ import annotations

from shared.model.base import Document, Instant


class Session(Document):
    """Stands for a credential until it ends. The id is a digest: who reads the store cannot log in with it."""

    tenant: str
    secret_id: str
    key_id: str
    """Which of the credential's keys was given: the session ends with it."""
    created_at: Instant
    expires_at: Instant
