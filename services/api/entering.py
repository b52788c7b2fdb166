"""The one door of both faces: every call passes it, gets what its role allows, and leaves a trace in the audit log."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from dataclasses import replace

from services.api.dependencies import Context, Dependencies
from services.api.domain.access import Access, RoleTooLow
from services.api.domain.errors import ApiError
from services.api.domain.problems import Problem
from services.api.journal import Journal
from services.api.watched import WatchedStore
from shared.errors import ReelwayError
from shared.model.audit import Actor
from shared.state.records import Records


def admit(actor: Actor, access: Access) -> None:
    """Raises RoleTooLow."""
    if not actor.role.covers(access.role):
        raise RoleTooLow(actor.role, access)


@contextlib.asynccontextmanager
async def entered(
    deps: Dependencies, tenant: str, actor: Actor, access: Access, action: str, target: str = ""
) -> AsyncGenerator[Context, None]:
    """The context of a call, until it is over. Its records are watched: writes of a call that is declared to read are
    refused, those of others are in the audit log. Raises RateExceeded, RoleTooLow."""
    deps.rates.take(tenant, action)
    admit(actor, access)
    if access.changes is None:
        yield _context(deps, tenant, actor, None)
        return
    journal = Journal(
        deps.records,
        tenant=tenant,
        actor=actor,
        action=action,
        kind=access.changes,
        target=target,
        number=f"audit-{deps.new_id()}",
    )
    refused: str | None = "cancelled"
    try:
        yield _context(deps, tenant, actor, journal)
        refused = None
    except Exception as error:
        refused = _code(error)
        raise
    finally:
        await journal.end(refused)


def _context(deps: Dependencies, tenant: str, actor: Actor, journal: Journal | None) -> Context:
    records = Records(WatchedStore(deps.records.store, journal))
    return Context(tenant, actor.request_id, replace(deps, records=records), actor)


def _code(error: Exception) -> str:
    match error:
        case ApiError():
            return error.wire_code
        case Problem():
            return error.kind
        case ReelwayError():
            return error.code
        case _:
            return "internal"
