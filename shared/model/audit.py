"""Who changed what: one record for each call of the API that changes something."""

from __future__ import annotations

from typing import Any, Literal

from shared.model.base import Document, Instant, Value
from shared.model.credential import Role

BEGUN = "begun"
"""Outcome of a call that is not over, or whose process died before it was."""
DONE = "done"
Face = Literal["mps", "rest", "internal"]


class Actor(Value):
    """Who calls, through which face, from where."""

    secret_id: str
    role: Role
    face: Face
    address: str = ""
    """IP address of the peer; of a proxy, if one is in between."""
    request_id: str = ""


ITSELF = Actor(secret_id="", role=Role.ADMIN, face="internal")
"""Reelway, without anybody who called."""


class Change(Value):
    """One document, as far as it changed; secrets are masked, and what is very long is only measured. `before` is None
    for what was made, `after` for what was deleted."""

    kind: str
    """Name of the collection: `pipelines`, `runs`, `templates`, ..."""
    id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class AuditRecord(Document):
    """A call that changes. It is written before the first change is, and completed after the last."""

    tenant: str
    at: Instant
    actor: Actor
    action: str
    """Action of the MPS face, or `operationId` of REST."""
    kind: str
    """What the action is declared to change: `pipeline`, `run`, `bucket`, ..."""
    target: str = ""
    """What the caller named: a path of REST, or an id."""
    objects: str = ""
    """`kind:id` of every changed document, between spaces: what the log is searched by."""
    changes: tuple[Change, ...] = ()
    left_out: int = 0
    """How many more documents changed than `changes` tells of."""
    outcome: str = BEGUN
    """`begun`, `done`, or the code of the refusal that came after a part was changed."""
