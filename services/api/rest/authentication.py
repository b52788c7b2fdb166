"""Who is calling: HTTP Basic with SecretId and SecretKey."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator
from typing import Annotated

import structlog
from fastapi import Depends, Request
from fastapi.security import HTTPBasic, HTTPBasicCredentials

from services.api.dependencies import Context, Dependencies
from services.api.domain.problems import Problem
from services.api.entering import entered
from services.api.rest.access import access_of
from shared.model.audit import Actor

_basic = HTTPBasic(
    scheme_name="SecretKey", realm="reelway", description="SecretId and SecretKey of a credential.", auto_error=False
)
_NOBODY = "x" * 64
"""Compared with if there is no such credential, so that the answer takes as long."""


async def _caller(
    request: Request, given: Annotated[HTTPBasicCredentials | None, Depends(_basic)]
) -> AsyncIterator[Context]:
    """The tenant of the credential, with what the role allows on this route. Raises Problem 401, RoleTooLow."""
    deps: Dependencies = request.app.state.deps
    if given is None:
        raise _unauthorized("SecretId and SecretKey are needed, as HTTP Basic authentication")
    credential = await deps.credentials.find(given.username)
    wanted = _NOBODY if credential is None else credential.secret_key
    same = hmac.compare_digest(given.password.encode(), wanted.encode())
    if credential is None or not same:
        raise _unauthorized("the SecretId is not known or the SecretKey is not the one that goes with it")
    handler = request.scope["endpoint"]
    access = access_of(handler, request.method)
    if access is None:
        raise Problem(403, "forbidden", "nobody has said yet who may do this")
    actor = Actor(
        secret_id=credential.id,
        role=credential.role,
        face="rest",
        address=request.client.host if request.client else "",
        request_id=request.state.request_id,
    )
    with structlog.contextvars.bound_contextvars(tenant=credential.tenant, actor=actor.secret_id):
        async with entered(deps, credential.tenant, actor, access, handler.__name__, request.url.path) as context:
            yield context


async def authenticate(request: Request) -> Context:
    """The caller, outside of FastAPI's dependencies. Raises Problem 401."""
    return await _caller(request, await _basic(request))


def _unauthorized(detail: str) -> Problem:
    return Problem(401, "unauthorized", detail, headers={"www-authenticate": 'Basic realm="reelway", charset="UTF-8"'})


Caller = Annotated[Context, Depends(_caller, scope="function")]
"""What a handler takes to be for authenticated callers only."""
