"""How refusals look on the wire: `application/problem+json` with field names (RFC 9457)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from services.api.domain.access import RoleTooLow
from services.api.domain.problems import Problem, busy, invalid_fields
from services.api.rates import RateExceeded
from shared.errors import ReelwayError
from shared.ports.objects import ObjectError
from shared.ports.state import StateError

MEDIA_TYPE = "application/problem+json"
log = structlog.get_logger(__name__)


class FieldError(BaseModel):
    """One thing that is wrong with a request."""

    field: str = Field(description="Path of the member, `body` for the body as a whole.")
    rule: str


class ProblemDetails(BaseModel):
    """A refusal (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="`urn:reelway:problem:<code>`")
    title: str
    status: int
    detail: str
    code: str = Field(description="Stable, for programs.")
    request_id: str
    errors: list[FieldError] | None = Field(default=None, description="With code `invalid`: every field at fault.")
    run_id: str | None = Field(default=None, description="With code `already_rerun`: the run that is there.")


def problem_response(problem: Problem, request_id: str) -> Response:
    """The answer to a refused call."""
    body = {
        "type": f"urn:reelway:problem:{problem.kind}",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.kind,
        "request_id": request_id,
        **problem.more,
    }
    return Response(orjson.dumps(body), problem.status, problem.headers, MEDIA_TYPE)


def problem_of(error: Exception) -> Problem:
    """Any failure as a refusal. What is not the caller's business is logged and not told."""
    match error:
        case Problem():
            return error
        case RequestValidationError():
            return invalid_fields([_field_error(item) for item in error.errors()])
        case HTTPException():
            return _of_framework(error)
        case RateExceeded():
            return Problem(429, "rate_limited", str(error), headers={"retry-after": error.retry_after})
        case RoleTooLow():
            return Problem(403, "forbidden", str(error))
        case StateError():
            log.warning("state store failed", error=str(error))
            return busy("the state store cannot be used now; try again")
        case ObjectError():
            log.warning("object storage failed", error=str(error))
            return busy("the object storage cannot be used now; try again")
        case ReelwayError():
            log.error("call failed", error=repr(error))
            return busy("the call could not be completed; try again")
        case TimeoutError():
            log.error("call took too long")
            return Problem(504, "timeout", "the call took too long; it may have been done in part")
        case _:
            log.error("call failed", exc_info=error)
            return Problem(500, "internal", "an internal error; the request id is in the server's log")


_CODES = {401: "unauthorized", 404: "not_found", 405: "method_not_allowed"}


def _of_framework(error: HTTPException) -> Problem:
    kind = _CODES.get(error.status_code, "refused")
    return Problem(error.status_code, kind, str(error.detail), headers=error.headers)


def field_errors(items: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """pydantic's complaints about a document that is the body."""
    return [_field_error({**item, "loc": ("body", *item["loc"])}) for item in items]


def _field_error(item: Mapping[str, Any]) -> dict[str, str]:
    rule = str(item["msg"]).removeprefix("Value error, ")
    return {"field": _path(item["loc"]), "rule": rule[:1].lower() + rule[1:]}


def _path(parts: Iterable[int | str]) -> str:
    """`("body", "nodes", 2)` as `nodes[2]`: names do not repeat between query, path and body."""
    where, *rest = parts
    path = ""
    for part in rest:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path or str(where)


async def on_refusal(request: Request, error: Exception) -> Response:
    """FastAPI's own refusals in the same shape."""
    return problem_response(problem_of(error), getattr(request.state, "request_id", ""))
