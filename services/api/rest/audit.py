"""The audit log: who changed what, from where, and what it was before."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from services.api.domain.problems import not_found
from services.api.domain.tasks import Mark
from services.api.rest.access import reads
from services.api.rest.authentication import Caller
from services.api.rest.parameters import created_range, read_mark
from shared.model.audit import AuditRecord, Face
from shared.model.base import Instant, instant_text
from shared.model.collections import AUDIT_SEARCH
from shared.model.credential import Role
from shared.ports.state import Order

router = APIRouter(prefix="/audit", tags=["audit"])
_NEWEST = [("at", Order.DESC), ("_id", Order.DESC)]


class Who(BaseModel):
    """Who called."""

    secret_id: str
    role: Role
    face: Face = Field(description="Through which interface.")
    address: str
    request_id: str


class ChangeLine(BaseModel):
    """One thing, as far as it changed; secrets are `***`."""

    kind: str
    id: str
    before: dict[str, Any] | None = Field(description="Null for what was made.")
    after: dict[str, Any] | None = Field(description="Null for what was deleted.")


class AuditLine(BaseModel):
    """A call that changed something."""

    id: str
    at: Instant
    actor: Who
    action: str = Field(description="Action of the MPS interface, or name of the REST call.")
    kind: str
    target: str = Field(description="What the caller named.")
    changes: list[ChangeLine]
    left_out: int = Field(description="How many more things it changed.")
    outcome: str = Field(
        description="`done`; `begun` if it is not over or the server died; or the code of a refusal after a part of it."
    )


class AuditPage(BaseModel):
    """Some records, newest first. `cursor` leads to those after them; null at the end."""

    records: list[AuditLine]
    cursor: str | None


class Wanted(BaseModel):
    """Which records."""

    model_config = ConfigDict(extra="forbid")

    actor: str | None = Field(default=None, max_length=256, description="SecretId of who did it.")
    action: str | None = Field(default=None, max_length=100)
    kind: str | None = Field(default=None, max_length=100, description="What it changes: `pipeline`, `run`, ...")
    object: str | None = Field(default=None, max_length=300, description="Id of a thing that was changed.")
    outcome: str | None = Field(default=None, max_length=100)
    created_from: Instant | None = Field(default=None, alias="from")
    created_to: Instant | None = Field(default=None, alias="to")
    limit: int = Field(default=50, ge=1, le=200)
    cursor: str | None = Field(default=None, max_length=1000)


@router.get("")
@reads(Role.ADMIN)
async def list_audit(caller: Caller, wanted: Annotated[Wanted, Query()]) -> AuditPage:
    """What was changed in the tenant."""
    after = read_mark(wanted.cursor)
    where: dict[str, Any] = {"tenant": caller.tenant}
    named = {
        "action": wanted.action,
        "kind": wanted.kind,
        "actor.secret_id": wanted.actor,
        "outcome": wanted.outcome,
        "objects": None if wanted.object is None else {"$contains": f":{wanted.object} "},
    }
    where |= {name: value for name, value in named.items() if value is not None}
    bounds: dict[str, Any] = created_range(wanted.created_from, wanted.created_to)
    most = wanted.limit + 1
    records = caller.deps.records.audit
    found: list[AuditRecord] = []
    if after is not None:
        twins = {**where, "at": {**bounds, "$eq": after.created_at}, "_id": {"$lt": after.run_id}}
        found = await records.find(twins, sort=_NEWEST, limit=most, by=AUDIT_SEARCH)
        bounds["$lt"] = min(bounds.get("$lt", after.created_at), after.created_at)
    if bounds:
        where["at"] = bounds
    if len(found) < most:
        found += await records.find(where, sort=_NEWEST, limit=most - len(found), by=AUDIT_SEARCH)
    page = found[: wanted.limit]
    more = len(found) > wanted.limit
    return AuditPage(
        records=[_line(one) for one in page],
        cursor=Mark(instant_text(page[-1].at), page[-1].id).token() if more else None,
    )


@router.get("/{record_id}")
@reads(Role.ADMIN)
async def show_audit_record(
    caller: Caller, record_id: Annotated[str, Path(max_length=256, description="The record's id.")]
) -> AuditLine:
    """One record."""
    found = await caller.deps.records.audit.get(record_id)
    if found is None or found.tenant != caller.tenant:
        raise not_found("audit record", record_id)
    return _line(found)


def _line(one: AuditRecord) -> AuditLine:
    return AuditLine.model_validate(one.model_dump(exclude={"tenant", "objects", "version"}))
