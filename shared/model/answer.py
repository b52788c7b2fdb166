"""The answer to a call that its caller may repeat: kept under the key that the caller gave (Idempotency-Key)."""

from __future__ import annotations

from pydantic import Field

from shared.model.base import Document, Instant


class KeptAnswer(Document):
    """A call that is being answered (`status` is None, until `expires_at` nobody else may answer it), or was.

    `fingerprint` tells it from another call with the same key. `owner` is the request that answers it: what another one
    has taken over is not its own any more.
    """

    tenant: str
    fingerprint: str
    owner: str
    expires_at: Instant
    status: int | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    body: str = Field(default="", repr=False)
