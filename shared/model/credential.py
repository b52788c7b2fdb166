"""Who may call the API, and what for."""

from __future__ import annotations

from enum import StrEnum

from pydantic import ConfigDict, Field

from shared.model.base import Document, Instant


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


class Credential(Document):
    """A key pair of a tenant; the document's id is the SecretId."""

    model_config = ConfigDict(hide_input_in_errors=True)

    secret_key: str = Field(repr=False)
    tenant: str
    created_at: Instant
    disabled: bool = False
    role: Role = Role.ADMIN
    """Those from before there were roles could do everything."""
