"""Login of the console: a session in a cookie that no script reads, and who one is."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from services.api.dependencies import Dependencies
from services.api.rest.authentication import COOKIE, Caller, check_keys, refuse_other_sites
from services.api.sessions import LASTS, csrf_token, end_session, find_session, open_session
from shared.model.base import Instant
from shared.model.credential import Role

router = APIRouter(prefix="/session", tags=["session"])
PATH = "/api/v1"


class Login(BaseModel):
    """A credential."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    secret_id: str = Field(min_length=1, max_length=256)
    secret_key: str = Field(min_length=1, max_length=256)


class Identity(BaseModel):
    """Who the caller is, and until when."""

    secret_id: str
    tenant: str
    role: Role
    expires_at: Instant | None = Field(description="End of the session; null without one.")
    csrf_token: str | None = Field(
        description="To be sent as `X-CSRF-Token` with every call of the session that is no GET; null without one."
    )


@router.post("", name="open_session")
async def log_in(request: Request, response: Response, login: Login) -> Identity:
    """Opens a session of 12 hours, in the cookie `reelway_session`. It ends earlier with its credential or key."""
    refuse_other_sites(request)
    deps: Dependencies = request.app.state.deps
    deps.rates.take(request.client.host if request.client else "", "open_session")
    known, key_at = await check_keys(login.secret_id, login.secret_key, deps)
    token, session = await open_session(known, key_at, deps)
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(LASTS.total_seconds()),
        path=PATH,
        secure=_encrypted(request),
        httponly=True,
        samesite="strict",
    )
    response.headers["cache-control"] = "no-store"
    return Identity(
        secret_id=known.id,
        tenant=known.tenant,
        role=known.role,
        expires_at=session.expires_at,
        csrf_token=csrf_token(token),
    )


@router.get("", name="show_session")
async def who_am_i(request: Request, response: Response, caller: Caller) -> Identity:
    """Who the caller is, by cookie or by SecretKey."""
    token = request.cookies.get(COOKIE)
    found = await find_session(token, caller.deps) if token and "authorization" not in request.headers else None
    response.headers["cache-control"] = "no-store"
    return Identity(
        secret_id=caller.actor.secret_id,
        tenant=caller.tenant,
        role=caller.actor.role,
        expires_at=found[0].expires_at if found else None,
        csrf_token=csrf_token(token) if found and token else None,
    )


@router.delete("", name="close_session", status_code=204)
async def log_out(request: Request, response: Response) -> None:
    """Ends the session; fine if there is none."""
    refuse_other_sites(request)
    if token := request.cookies.get(COOKIE):
        await end_session(token, request.app.state.deps)
    response.delete_cookie(COOKIE, path=PATH, secure=_encrypted(request), httponly=True, samesite="strict")


def _encrypted(request: Request) -> bool:
    """Whether the browser speaks TLS, to us or to a proxy before us."""
    return "https" in (request.url.scheme, request.headers.get("x-forwarded-proto", ""))
