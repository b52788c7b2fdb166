"""What a call needs: a role, and whether it changes anything. Every action and every route declares it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from shared.errors import ReelwayError
from shared.model.credential import Role


@dataclass(frozen=True, slots=True)
class Access:
    """The least role, and the kind of thing that changes; None for a call that changes nothing, which then cannot."""

    role: Role
    changes: str | None = None


READS = Access(Role.VIEWER)
"""For everybody of the tenant; the call gets a store that refuses writes."""


def changing(kind: str, by: Role = Role.EDITOR) -> Access:
    """Changes something of this kind, and the audit log says so."""
    return Access(by, kind)


class RoleTooLow(ReelwayError):
    """The caller's role is not enough for the call."""

    code: ClassVar[str] = "role_too_low"

    def __init__(self, has: Role, access: Access) -> None:
        super().__init__(f"the credential's role is {has.value}, and this needs {access.role.value}")


class WritesUndeclared(ReelwayError):
    """A call that is declared to read only wanted to change a document: a mistake of ours, and nothing was changed."""

    code: ClassVar[str] = "writes_undeclared"
