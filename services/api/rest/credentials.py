"""Credentials: who of the tenant may call, and what for."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from services.api import keys
from services.api.rest.access import changes, reads
from services.api.rest.authentication import Caller
from services.api.rest.paging import Sort, page_of
from shared.model.base import Instant
from shared.model.credential import Credential, Role

# No Idempotency-Key here: the answers have secrets in them, and are kept by nobody.
router = APIRouter(prefix="/credentials", tags=["credentials"])
SecretId = Annotated[str, Path(min_length=1, max_length=256, description="The SecretId.")]
MAX_OVERLAP_S = 30 * 86_400


class CredentialWish(BaseModel):
    """A new credential."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(default="", max_length=128, description="What people call it.")
    role: Role = Role.VIEWER


class RotationWish(BaseModel):
    """A new key for a credential."""

    model_config = ConfigDict(extra="forbid")

    overlap_s: int = Field(
        default=86_400, ge=0, le=MAX_OVERLAP_S, description="For how many seconds the key before it stays good."
    )


class KeyLine(BaseModel):
    """A key of a credential; what it is is told when it is made, and never again."""

    created_at: Instant
    expires_at: Instant | None = Field(description="End of the overlap with the key after it; null for the newest.")


class CredentialLine(BaseModel):
    """A credential."""

    secret_id: str
    name: str
    role: Role
    disabled: bool
    created_at: Instant
    keys: list[KeyLine] = Field(description="Newest first.")


class NewKey(CredentialLine):
    """A credential with its new key, which is told this once."""

    secret_key: str


class CredentialPage(BaseModel):
    """Some of the tenant's credentials. `cursor` leads to those after them; null at the end."""

    credentials: list[CredentialLine]
    cursor: str | None


@router.get("")
@reads(Role.ADMIN)
async def list_credentials(
    caller: Caller,
    sort: Sort = Sort.NEWEST,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=1000)] = None,
) -> CredentialPage:
    """The credentials of the tenant, without their keys."""
    found, after = await page_of(
        caller.deps.records.credentials,
        lambda one: one.created_at,
        {"tenant": caller.tenant},
        sort=sort,
        limit=limit,
        cursor=cursor,
    )
    return CredentialPage(credentials=[CredentialLine(**_line(one)) for one in found], cursor=after)


@router.post("", status_code=201)
@changes("credential", by=Role.ADMIN)
async def create_credential(caller: Caller, response: Response, wish: CredentialWish) -> NewKey:
    """A new SecretId with its SecretKey."""
    made = await keys.create(wish.name, wish.role, caller)
    response.headers["location"] = f"/api/v1/credentials/{made.credential.id}"
    return _new(made, response)


@router.get("/{secret_id}")
@reads(Role.ADMIN)
async def show_credential(caller: Caller, secret_id: SecretId) -> CredentialLine:
    """One credential, without its keys."""
    return CredentialLine(**_line(await keys.own_credential(secret_id, caller)))


@router.post("/{secret_id}/rotate")
@changes("credential", by=Role.ADMIN)
async def rotate_credential(caller: Caller, response: Response, secret_id: SecretId, wish: RotationWish) -> NewKey:
    """A new SecretKey; the one before it stays good for the overlap, so that programs can be changed one by one."""
    return _new(await keys.rotate(secret_id, timedelta(seconds=wish.overlap_s), caller), response)


@router.post("/{secret_id}/disable")
@changes("credential", by=Role.ADMIN)
async def disable_credential(caller: Caller, secret_id: SecretId) -> CredentialLine:
    """It is good for nothing any more, within seconds, and its sessions end; 409 for the last admin."""
    return CredentialLine(**_line(await keys.set_disabled(secret_id, True, caller)))


@router.post("/{secret_id}/enable")
@changes("credential", by=Role.ADMIN)
async def enable_credential(caller: Caller, secret_id: SecretId) -> CredentialLine:
    """It is good again."""
    return CredentialLine(**_line(await keys.set_disabled(secret_id, False, caller)))


@router.delete("/{secret_id}", status_code=204)
@changes("credential", by=Role.ADMIN)
async def delete_credential(caller: Caller, secret_id: SecretId) -> None:
    """Takes it away; 409 for the last admin."""
    await keys.delete(secret_id, caller)


def _line(one: Credential) -> dict[str, object]:
    return {
        "secret_id": one.id,
        "name": one.name,
        "role": one.role,
        "disabled": one.disabled,
        "created_at": one.created_at,
        "keys": [KeyLine(created_at=key.created_at, expires_at=key.until) for key in one.keys],
    }


def _new(made: keys.Made, response: Response) -> NewKey:
    response.headers["cache-control"] = "no-store"
    return NewKey(**_line(made.credential), secret_key=made.secret_key)
