"""What a caller of the REST interface is told when a call is refused (RFC 9457).

Problem
└── every refusal, with its HTTP status and a stable code; made by the functions below
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from shared.errors import ReelwayError


class Problem(ReelwayError):
    """A refused call. `kind` is stable and for programs, `detail` for people; `more` are further members of the answer,
    `headers` belong to it as well."""

    code: ClassVar[str] = "problem"

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        more: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.more = dict(more or {})
        self.headers = dict(headers or {})


def not_found(what: str, name: str) -> Problem:
    """404, also for what belongs to somebody else."""
    return Problem(404, "not_found", f"there is no {what} {name[:200]!r}")


def conflict(kind: str, detail: str, **more: Any) -> Problem:
    """409: the call does not fit the state of things; nothing was changed."""
    return Problem(409, kind, detail, more=more)


def invalid(field: str, rule: str) -> Problem:
    """422 that names the field and the rule."""
    return invalid_fields([{"field": field, "rule": rule}])


def invalid_fields(errors: list[dict[str, str]]) -> Problem:
    """422 for several fields at once."""
    first = errors[0]
    return Problem(422, "invalid", f"{first['field']}: {first['rule']}", more={"errors": errors})


def busy(detail: str) -> Problem:
    """503: the same call may succeed in a moment."""
    return Problem(503, "busy", detail, headers={"retry-after": "1"})
