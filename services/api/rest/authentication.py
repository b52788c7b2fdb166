"""Who is calling: HTTP Basic with SecretId and SecretKey."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator
from typing import Annotated

import structlog
from fastapi import Depends, Request
from fastapi.security import HTTPBasic, HTTPBasicCredentials

from services.api.dependencies import Context, Dependencies
from services.api.domain.access import Access
from services.api.domain.problems import Problem
from services.api.entering import admit, entered
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
    tenant, actor, access = await _admitted(request, given)
    deps: Dependencies = request.app.state.deps
    name = request.scope["endpoint"].__name__
    with structlog.contextvars.bound_contextvars(tenant=tenant, actor=actor.secret_id):
        async with entered(deps, tenant, actor, access, name, request.url.path) as context:
            yield context


async def authenticate(request: Request) -> Context:
    """The caller, outside of FastAPI's dependencies and of the audit log. Raises Problem 401, RoleTooLow."""
    tenant, actor, access = await _admitted(request, await _basic(request))
    admit(actor, access)
    return Context(tenant, actor.request_id, request.app.state.deps, actor)


async def _admitted(request: Request, given: HTTPBasicCredentials | None) -> tuple[str, Actor, Access]:
    """Tenant, who it is, and what the route needs. Raises Problem 401."""
    deps: Dependencies = request.app.state.deps
    if given is None:
        raise _unauthorized("SecretId and SecretKey are needed, as HTTP Basic authentication")
    credential = await deps.credentials.find(given.username)
    wanted = _NOBODY if credential is None else credential.secret_key
    same = hmac.compare_digest(given.password.encode(), wanted.encode())
    if credential is None or not same:
        raise _unauthorized("the SecretId is not known or the SecretKey is not the one that goes with it")
    access = access_of(request.scope["endpoint"], request.method)
    if access is None:
        raise Problem(403, "forbidden", "nobody has said yet who may do this")
    actor = Actor(
        secret_id=credential.id,
        role=credential.role,
        face="rest",
        address=request.client.host if request.client else "",
        request_id=request.state.request_id,
    )
    return credential.tenant, actor, access


def _unauthorized(detail: str) -> Problem:
    return Problem(401, "unauthorized", detail, headers={"www-authenticate": 'Basic realm="reelway", charset="UTF-8"'})


Caller = Annotated[Context, Depends(_caller, scope="function")]
"""What a handler takes to be for authenticated callers only."""
