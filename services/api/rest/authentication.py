"""Who is calling: HTTP Basic with SecretId and SecretKey."""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPBasic, HTTPBasicCredentials

from services.api.dependencies import Context, Dependencies
from services.api.domain.problems import Problem

_basic = HTTPBasic(
    scheme_name="SecretKey", realm="reelway", description="SecretId and SecretKey of a credential.", auto_error=False
)
_NOBODY = "x" * 64
"""Compared with if there is no such credential, so that the answer takes as long."""


async def _caller(request: Request, given: Annotated[HTTPBasicCredentials | None, Depends(_basic)]) -> Context:
    """The tenant of the credential. Raises Problem 401."""
    deps: Dependencies = request.app.state.deps
    if given is None:
        raise _unauthorized("SecretId and SecretKey are needed, as HTTP Basic authentication")
    credential = await deps.credentials.find(given.username)
    wanted = _NOBODY if credential is None else credential.secret_key
    same = hmac.compare_digest(given.password.encode(), wanted.encode())
    if credential is None or not same:
        raise _unauthorized("the SecretId is not known or the SecretKey is not the one that goes with it")
    return Context(credential.tenant, request.state.request_id, deps)


async def authenticate(request: Request) -> Context:
    """The caller, outside of FastAPI's dependencies. Raises Problem 401."""
    return await _caller(request, await _basic(request))


def _unauthorized(detail: str) -> Problem:
    return Problem(401, "unauthorized", detail, headers={"www-authenticate": 'Basic realm="reelway", charset="UTF-8"'})


Caller = Annotated[Context, Depends(_caller)]
"""What a handler takes to be for authenticated callers only."""
