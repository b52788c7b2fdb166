"""Who is calling: HTTP Basic with SecretId and SecretKey, or the cookie of a session."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

import structlog
from fastapi import Depends, Request
from fastapi.security import APIKeyCookie, HTTPBasic, HTTPBasicCredentials

from services.api.credentials import NO_KEY, Known
from services.api.dependencies import Context, Dependencies
from services.api.domain.access import Access
from services.api.domain.problems import Problem
from services.api.entering import admit, entered
from services.api.rest.access import access_of
from services.api.sessions import csrf_token, find_session
from shared.model.audit import Actor

COOKIE = "reelway_session"
CSRF_HEADER = "x-csrf-token"
SAFE = frozenset({"GET", "HEAD"})

_basic = HTTPBasic(
    scheme_name="SecretKey", realm="reelway", description="SecretId and SecretKey of a credential.", auto_error=False
)
_cookie = APIKeyCookie(
    name=COOKIE,
    scheme_name="Session",
    description="A session of `POST /api/v1/session`. What changes something needs its `X-CSRF-Token` as well.",
    auto_error=False,
)


@dataclass(frozen=True, slots=True)
class _Admitted:
    tenant: str
    actor: Actor
    access: Access


async def _caller(
    request: Request,
    given: Annotated[HTTPBasicCredentials | None, Depends(_basic)],
    cookie: Annotated[str | None, Depends(_cookie)],
) -> AsyncIterator[Context]:
    """The tenant of the credential, with what the role allows on this route. Raises Problem 401, 403, RoleTooLow."""
    who = await _admitted(request, given, cookie)
    deps: Dependencies = request.app.state.deps
    name = request.scope["endpoint"].__name__
    with structlog.contextvars.bound_contextvars(tenant=who.tenant, actor=who.actor.secret_id):
        async with entered(deps, who.tenant, who.actor, who.access, name, request.url.path) as context:
            yield context


async def authenticate(request: Request) -> Context:
    """The caller, outside of FastAPI's dependencies and of the audit log. Raises Problem 401, 403, RoleTooLow."""
    who = await _admitted(request, await _basic(request), await _cookie(request))
    admit(who.actor, who.access)
    return Context(who.tenant, who.actor.request_id, request.app.state.deps, who.actor)


async def _admitted(request: Request, given: HTTPBasicCredentials | None, cookie: str | None) -> _Admitted:
    deps: Dependencies = request.app.state.deps
    if given is not None:
        known, _ = await check_keys(given.username, given.password, deps)
    elif cookie is not None:
        known = await _of_session(request, cookie, deps)
    else:
        raise unauthorized("SecretId and SecretKey are needed, as HTTP Basic authentication, or a session")
    access = access_of(request.scope["endpoint"], request.method)
    if access is None:
        raise Problem(403, "forbidden", "nobody has said yet who may do this")
    actor = Actor(
        secret_id=known.id,
        role=known.role,
        face="rest",
        address=request.client.host if request.client else "",
        request_id=request.state.request_id,
    )
    return _Admitted(known.tenant, actor, access)


async def check_keys(secret_id: str, secret_key: str, deps: Dependencies) -> tuple[Known, int]:
    """The credential, and which of its keys this is. Takes as long if there is none. Raises Problem 401."""
    known = await deps.credentials.find(secret_id)
    wanted = (NO_KEY,) if known is None else known.secret_keys
    same = [hmac.compare_digest(secret_key.encode(), key.encode()) for key in wanted]
    if known is None or not any(same):
        raise unauthorized("the SecretId is not known or the SecretKey is not the one that goes with it")
    return known, same.index(True)


async def _of_session(request: Request, token: str, deps: Dependencies) -> Known:
    found = await find_session(token, deps)
    if found is None:
        raise unauthorized("the session is over; open another one")
    if request.method not in SAFE:
        refuse_other_sites(request)
        given = request.headers.get(CSRF_HEADER, "").encode()
        if not hmac.compare_digest(given, csrf_token(token).encode()):
            raise Problem(403, "csrf", "X-CSRF-Token must be what the session said")
    return found[1]


def refuse_other_sites(request: Request) -> None:
    """A browser says which site's page it acts for. Raises Problem 403 if that is not ours."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin")
    foreign = origin is not None and urlsplit(origin).netloc != request.headers.get("host", "")
    if site not in ("same-origin", "none") or foreign:
        raise Problem(403, "cross_site", "only pages of this server may ask for this")


def unauthorized(detail: str) -> Problem:
    """401."""
    return Problem(401, "unauthorized", detail, headers={"www-authenticate": 'Basic realm="reelway", charset="UTF-8"'})


Caller = Annotated[Context, Depends(_caller, scope="function")]
"""What a handler takes to be for authenticated callers only."""
