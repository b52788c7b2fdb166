"""Replays: many deliveries sent again, chosen by a filter or a range of time."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.api.dependencies import Context
from services.api.domain.problems import Problem, conflict, invalid, not_found
from services.api.rest.access import changes
from services.api.rest.authentication import Caller
from services.api.rest.idempotency import HEADER, RepeatableRoute
from services.api.subscribers import DEFAULT, internal_name
from shared.ids import digest
from shared.model.base import Instant
from shared.model.collections import DELIVERY_SEARCH
from shared.model.delivery import DeliveryState
from shared.model.pipeline import SinkType
from shared.model.replay import Chosen, Replay, ReplayState
from shared.ports.state import DuplicateKey, Order

router = APIRouter(prefix="/replays", tags=["deliveries"], route_class=RepeatableRoute)

ReplayId = Annotated[str, Path(max_length=100, description="The replay's id.")]


class ReplayWish(BaseModel):
    """Which deliveries to send again: all that keep every condition. `{}` is every dead letter. Test events are never
    among them, nor what is made after the call."""

    model_config = ConfigDict(extra="forbid")

    state: DeliveryState = Field(default=DeliveryState.DEAD, description="`dead` or `delivered`.")
    run_id: str | None = Field(default=None, max_length=256)
    pipeline_id: str | None = Field(default=None, max_length=64)
    subscription: str | None = Field(default=None, max_length=64, description="Goes with `run_id` or `pipeline_id`.")
    sink: SinkType | None = None
    created_from: Instant | None = Field(default=None, alias="from", description="Made at this moment or later.")
    created_to: Instant | None = Field(default=None, alias="to", description="Made before this moment.")

    @model_validator(mode="after")
    def _makes_sense(self) -> ReplayWish:
        if self.created_from and self.created_to and self.created_from >= self.created_to:
            raise ValueError("`from` must be before `to`")
        return self


class ReplayView(BaseModel):
    """A replay. `done` says that all are put back; the counts, of those that no later replay has taken over, say what
    became of them."""

    id: str
    state: ReplayState
    created_at: Instant
    ended_at: Instant | None
    chosen: dict[str, str]
    pending: int
    delivered: int
    dead: int


class ReplayPage(BaseModel):
    """The newest replays."""

    replays: list[ReplayView]


@router.post("", status_code=202)
@changes("replay")
async def replay_deliveries(caller: Caller, wish: ReplayWish, request: Request) -> ReplayView:
    """Send again what the filter chooses: in the background, each once, those of a run in the order of its events."""
    if wish.state is DeliveryState.PENDING:
        raise invalid("state", "must be dead or delivered: what is pending is sent anyway")
    if wish.subscription is not None and wish.run_id is None and wish.pipeline_id is None:
        raise invalid("subscription", "goes with run_id or pipeline_id")
    records = caller.deps.records
    now = await records.now()
    # The key is in the id: also a call whose answer was lost in a crash makes no second replay.
    replay = Replay(
        id="replay-" + digest(caller.tenant, request.headers.get(HEADER) or caller.deps.new_id(), size=24),
        tenant=caller.tenant,
        chosen=_chosen(wish),
        created_at=now,
        due_at=now,
    )
    try:
        await records.replays.insert(replay)
    except DuplicateKey:
        there = await _own(replay.id, caller)
        if there.chosen != replay.chosen:
            raise Problem(422, "idempotency_key_reused", "this Idempotency-Key came with another body") from None
        replay = there
    return await _view(replay, caller)


@router.get("")
async def list_replays(caller: Caller, limit: Annotated[int, Query(ge=1, le=100)] = 20) -> ReplayPage:
    """The caller's replays, newest first."""
    found = await caller.deps.records.replays.find(
        {"tenant": caller.tenant}, sort=[("created_at", Order.DESC)], limit=limit
    )
    return ReplayPage(replays=[await _view(one, caller) for one in found])


@router.get("/{replay_id}")
async def show_replay(caller: Caller, replay_id: ReplayId) -> ReplayView:
    """How far a replay is."""
    return await _view(await _own(replay_id, caller), caller)


@router.post("/{replay_id}/cancel", status_code=202)
@changes("replay")
async def cancel_replay(caller: Caller, replay_id: ReplayId) -> ReplayView:
    """Put nothing more back; what was put back is sent."""
    records = caller.deps.records
    await _own(replay_id, caller)
    now = await records.now()

    def step(replay: Replay) -> Replay:
        if replay.state is not ReplayState.RUNNING:
            raise conflict("replay_ended", f"the replay is {replay.state.value}")
        return replay.with_changes(state=ReplayState.CANCELLED, due_at=None, ended_at=now)

    done = await records.replays.change(replay_id, step)
    if done is None:
        raise not_found("replay", replay_id)
    return await _view(done, caller)


def _chosen(wish: ReplayWish) -> Chosen:
    return Chosen(
        state=wish.state,
        run_id=wish.run_id,
        pipeline_id=wish.pipeline_id,
        of_default=wish.subscription == DEFAULT,
        subscription=None if wish.subscription is None else internal_name(wish.subscription),
        sink=wish.sink,
        since=wish.created_from,
        before=wish.created_to,
    )


async def _own(replay_id: str, context: Context) -> Replay:
    found = await context.deps.records.replays.get(replay_id)
    if found is None or found.tenant != context.tenant:
        raise not_found("replay", replay_id)
    return found


async def _view(replay: Replay, context: Context) -> ReplayView:
    counts = {}
    for state in DeliveryState:
        where = {"tenant": replay.tenant, "replay": replay.id, "state": state.value}
        counts[state.value] = await context.deps.records.deliveries.count(where, by=DELIVERY_SEARCH)
    chosen = replay.chosen.model_dump(mode="json", exclude_none=True, exclude={"of_default"})
    if replay.chosen.of_default:
        chosen["subscription"] = DEFAULT
    names = {"since": "from", "before": "to"}
    return ReplayView(
        id=replay.id,
        state=replay.state,
        created_at=replay.created_at,
        ended_at=replay.ended_at,
        chosen={names.get(name, name): str(value) for name, value in chosen.items()},
        **counts,
    )
