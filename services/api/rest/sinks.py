"""Sinks: how those do that notifications go to."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from services.api.dependencies import Context
from services.api.rest.authentication import Caller
from shared.model.base import Instant
from shared.model.closed_sink import closed_sink_id
from shared.model.collections import DELIVERY_SEARCH
from shared.model.delivery import DeliveryState
from shared.model.pipeline import SinkType
from shared.model.sink_health import SinkHealth, SinkState
from shared.ports.state import Order

router = APIRouter(prefix="/sinks", tags=["deliveries"])


class SinkView(BaseModel):
    """One place that notifications go to. `state` is what the newest attempt met; `silent` means that nobody answered,
    and that one delivery at a time is tried there until somebody does. It is some seconds late."""

    id: str
    sink: SinkType
    target: str
    state: SinkState
    since: Instant = Field(description="When it came into its state.")
    last_success_at: Instant | None
    last_failure_at: Instant | None
    last_status: int | None
    last_error: str | None
    failures: int = Field(description="Attempts since the last success.")
    disabled_at: Instant | None = Field(
        description="Since when nothing new is sent there: it answered 410. Saving or enabling its pipeline, or a "
        "replay or test event that is taken, ends that."
    )
    pending: int
    dead: int
    oldest_pending_at: Instant | None = Field(description="Since when the oldest delivery waits.")


class SinkList(BaseModel):
    """Sinks that anything was sent to; those that do not do well come first."""

    sinks: list[SinkView]


@router.get("")
async def list_sinks(
    caller: Caller,
    state: Annotated[SinkState | None, Query(description="Only in this state.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> SinkList:
    """The caller's sinks, by what their newest attempts met."""
    where = {"tenant": caller.tenant, **({} if state is None else {"state": state.value})}
    # By name, "silent" and "failing" enclose "healthy": the ill ones are asked for first.
    ill = {**where, "state": {"$ne": SinkState.HEALTHY.value}} if state is None else where
    sort = [("since", Order.ASC)]
    found = await caller.deps.records.sink_health.find(ill, sort=sort, limit=limit)
    if state is None and len(found) < limit:
        well = {**where, "state": SinkState.HEALTHY.value}
        found += await caller.deps.records.sink_health.find(well, sort=sort, limit=limit - len(found))
    return SinkList(sinks=[await _view(one, caller) for one in found])


async def _view(one: SinkHealth, context: Context) -> SinkView:
    deliveries = context.deps.records.deliveries
    here = {"tenant": one.tenant, "sink": one.sink.value, "target": one.target}
    pending = {**here, "state": DeliveryState.PENDING.value}
    closed = await context.deps.records.closed_sinks.get(closed_sink_id(one.tenant, one.sink, one.target))
    oldest = await deliveries.find(pending, sort=[("created_at", Order.ASC)], limit=1, by=DELIVERY_SEARCH)
    return SinkView(
        **one.model_dump(exclude={"tenant", "version"}),
        disabled_at=closed.closed_at if closed else None,
        pending=await deliveries.count(pending, by=DELIVERY_SEARCH),
        dead=await deliveries.count({**here, "state": DeliveryState.DEAD.value}, by=DELIVERY_SEARCH),
        oldest_pending_at=oldest[0].created_at if oldest else None,
    )
