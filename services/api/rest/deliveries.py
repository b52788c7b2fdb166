"""Deliveries: the log of what was told to whom, with every attempt, and sending again."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from services.api.deliveries import DeliveryListing, body_of, mark_of, newest_deliveries, own_delivery, put_back
from services.api.dependencies import Context
from services.api.rest.access import changes
from services.api.rest.authentication import Caller
from services.api.rest.idempotency import RepeatableRoute
from services.api.rest.parameters import created_range, read_mark
from services.api.subscribers import DEFAULT, internal_name
from shared.model.base import Instant
from shared.model.delivery import Delivery, DeliveryAttempt, DeliveryState
from shared.model.pipeline import SinkType

router = APIRouter(prefix="/deliveries", tags=["deliveries"], route_class=RepeatableRoute)

DeliveryId = Annotated[str, Path(max_length=512, description="The delivery's id, which is also its `webhook-id`.")]


class DeliveryLine(BaseModel):
    """A delivery in a list. `attempts` counts those that are kept; `last_*` are of the newest one."""

    id: str
    run_id: str
    pipeline_id: str | None
    sequence: int = Field(description="Of the run's event; those of one run and subscription arrive in this order.")
    subscription: str = Field(description=f"Its name; `{DEFAULT}` is the contract's TaskNotifyConfig.")
    sink: SinkType
    target: str
    state: DeliveryState
    test: bool
    created_at: Instant
    delivered_at: Instant | None
    next_attempt_at: Instant | None = Field(description="Null when nothing more is tried.")
    sending: bool = Field(description="An attempt is being made now.")
    replayed_at: Instant | None
    attempts: int
    last_attempt_at: Instant | None
    last_status: int | None
    last_error: str | None
    last_latency_ms: float | None


class DeliveryPage(BaseModel):
    """Some deliveries. `cursor` leads to those after them; null at the end."""

    deliveries: list[DeliveryLine]
    cursor: str | None


class SentRequest(BaseModel):
    """What was sent. Signatures are masked; `body` is null if the run is gone."""

    target: str
    headers: dict[str, str] | None = Field(description="Null where nothing was sent.")
    body: dict[str, Any] | None


class AttemptView(BaseModel):
    """One attempt. `response` is clipped to 2 KB; `status` is HTTP's, where there is one."""

    number: int
    at: Instant
    latency_ms: float
    status: int | None
    error: str | None
    response: str | None
    headers: dict[str, str] | None


class DeliveryDetail(DeliveryLine):
    """A delivery with its attempts, the oldest first, and what the newest one sent, or the next one will."""

    request: SentRequest
    tried: list[AttemptView]


class DeliveryFilter(BaseModel):
    """Which deliveries."""

    model_config = ConfigDict(extra="forbid")

    state: list[DeliveryState] = Field(default_factory=list, description="One of these; any if absent.")
    run_id: str | None = Field(default=None, max_length=256)
    pipeline_id: str | None = Field(default=None, max_length=64)
    subscription: str | None = Field(default=None, max_length=64)
    sink: SinkType | None = None
    target: str | None = Field(default=None, max_length=2048, description="The whole URL, or the queue's name.")
    test: bool | None = Field(default=None, description="Only test events, or none of them.")
    replay_id: str | None = Field(default=None, max_length=100, description="Last put back by this replay.")
    created_from: Instant | None = Field(default=None, alias="from", description="Made at this moment or later.")
    created_to: Instant | None = Field(default=None, alias="to", description="Made before this moment.")
    limit: int = Field(default=20, ge=1, le=100)
    cursor: str | None = Field(default=None, max_length=1000)

    def where(self) -> dict[str, Any]:
        """The condition, apart from tenant and time."""
        where: dict[str, Any] = {}
        if self.state:
            where["state"] = {"$in": [state.value for state in self.state]}
        if self.subscription is not None:
            where["subscription"] = internal_name(self.subscription)
        if self.test is not None:
            where["test"] = True if self.test else {"$ne": True}
        if self.sink is not None:
            where["sink"] = self.sink.value
        others = {
            "run_id": self.run_id,
            "pipeline_id": self.pipeline_id,
            "target": self.target,
            "replay": self.replay_id,
        }
        return where | {name: value for name, value in others.items() if value is not None}


@router.get("")
async def list_deliveries(caller: Caller, wanted: Annotated[DeliveryFilter, Query()]) -> DeliveryPage:
    """The caller's deliveries, newest first."""
    listing = DeliveryListing(
        wanted.where(), created_range(wanted.created_from, wanted.created_to), wanted.limit, read_mark(wanted.cursor)
    )
    found = await newest_deliveries(listing, caller)
    page, more = found[: wanted.limit], len(found) > wanted.limit
    return DeliveryPage(
        deliveries=[DeliveryLine(**line(one)) for one in page], cursor=mark_of(page[-1]).token() if more else None
    )


@router.get("/{delivery_id}")
async def show_delivery(caller: Caller, delivery_id: DeliveryId) -> DeliveryDetail:
    """One delivery: what was sent, every attempt with its answer, and when it is tried next."""
    return await detail(await own_delivery(delivery_id, caller), caller)


@router.post("/{delivery_id}/replay", status_code=202)
@changes("delivery")
async def replay_delivery(caller: Caller, delivery_id: DeliveryId) -> DeliveryDetail:
    """Send it again, with the same `webhook-id`, whatever became of it; a waiting one is tried at once. Earlier events
    of its run that are not final go first."""
    return await detail(await put_back(delivery_id, caller), caller)


def line(delivery: Delivery) -> dict[str, Any]:
    """The members of a list's line."""
    last = delivery.attempts[-1] if delivery.attempts else None
    return {
        "id": delivery.id,
        "run_id": delivery.run_id,
        "pipeline_id": delivery.pipeline_id,
        "sequence": delivery.sequence,
        "subscription": delivery.subscription or DEFAULT,
        "sink": delivery.sink,
        "target": delivery.target,
        "state": delivery.state,
        "test": delivery.test,
        "created_at": delivery.created_at,
        "delivered_at": delivery.delivered_at,
        "next_attempt_at": delivery.due_at if delivery.state is DeliveryState.PENDING else None,
        "sending": delivery.lease_owner is not None,
        "replayed_at": delivery.replayed_at,
        "attempts": len(delivery.attempts),
        "last_attempt_at": last and last.at,
        "last_status": last and last.status,
        "last_error": last and last.error,
        "last_latency_ms": last and last.latency_ms,
    }


async def detail(delivery: Delivery, context: Context) -> DeliveryDetail:
    """One delivery in full."""
    last: DeliveryAttempt | None = delivery.attempts[-1] if delivery.attempts else None
    body = await body_of(delivery, last.at if last else context.deps.clock.now(), context)
    return DeliveryDetail(
        **line(delivery),
        request=SentRequest(target=delivery.target, headers=last.headers if last else None, body=body),
        tried=[
            AttemptView(number=number, **attempt.model_dump())
            for number, attempt in enumerate(delivery.attempts, start=1)
        ],
    )
