"""Who may call the API, and what for."""

from __future__ import annotations

from enum import StrEnum

from pydantic import ConfigDict, Field

from shared.model.base import Document, Instant, Value


class Role(StrEnum):
    """What a credential may do; each may do what the one before it may."""

    VIEWER = "viewer"
    """Look at everything of its tenant but credentials and the audit log."""
    EDITOR = "editor"
    """Make, change, delete and run pipelines and what belongs to them."""
    ADMIN = "admin"
    """Credentials, limits and the audit log as well."""

    def covers(self, needed: Role) -> bool:
        """Whether it is enough for what needs the other."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


class SealedKey(Value):
    """A SecretKey as it is stored. `id` tells the keys of a credential apart; `until` is the end of its overlap with
    the key after it, None for the newest."""

    id: str
    sealed: str = Field(repr=False)
    created_at: Instant
    until: Instant | None = None


class Credential(Document):
    """A SecretId (the document's id) of a tenant with its keys, the newest first."""

    model_config = ConfigDict(hide_input_in_errors=True)

    secret_key: str = Field(default="", repr=False)
    """In plain, as versions before wrote it; it is sealed when it is met."""
    keys: tuple[SealedKey, ...] = ()
    tenant: str
    name: str = ""
    """What people call it."""
    created_at: Instant
    disabled: bool = False
    role: Role = Role.ADMIN
    """Those from before there were roles could do everything."""
