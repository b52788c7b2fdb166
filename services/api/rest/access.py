"""What routes of REST need. A GET is for every role of the tenant unless it says otherwise; whatever is no GET has to
say what it changes, and by whom, or nobody may call it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from services.api.domain.access import READS, Access, changing
from shared.model.credential import Role

F = TypeVar("F", bound=Callable[..., Any])
_MEMBER = "__reelway_access__"


def changes(kind: str, by: Role = Role.EDITOR) -> Callable[[F], F]:
    """The handler (below `@router...`) changes something of this kind: needs the role, leaves an audit record."""
    return _declare(changing(kind, by))


def reads(by: Role = Role.VIEWER) -> Callable[[F], F]:
    """The handler changes nothing, whatever its method is, and needs the role."""
    return _declare(Access(by))


def access_of(handler: Callable[..., Any], method: str) -> Access | None:
    """What is declared, None if nothing is."""
    found: Access | None = vars(handler).get(_MEMBER)
    return READS if found is None and method in {"GET", "HEAD"} else found


def _declare(access: Access) -> Callable[[F], F]:
    def declare(handler: F) -> F:
        vars(handler)[_MEMBER] = access
        return handler

    return declare
