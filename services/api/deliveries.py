"""The log of deliveries as one tenant may see it: pages, what an attempt sent, putting back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.api.dependencies import Context
from services.api.domain.problems import conflict, not_found
from services.api.domain.tasks import Mark
from shared.model.base import instant_text
from shared.model.collections import DELIVERY_SEARCH
from shared.model.delivery import Delivery, DeliveryState
from shared.model.run import Run
from shared.mps.render import task_event
from shared.mps.trial import trial_run
from shared.ports.state import Filter, Order
from shared.state.repository import BrokenDocument

HIDDEN = "***"
_ORDER = (("created_at", Order.DESC), ("_id", Order.DESC))


@dataclass(frozen=True, slots=True)
class DeliveryListing:
    """Which deliveries. `created` is the range of `created_at`."""

    where: Filter
    created: dict[str, str]
    limit: int
    after: Mark | None


async def newest_deliveries(listing: DeliveryListing, context: Context) -> list[Delivery]:
    """A page, newest first, and one more to know whether there is another page."""
    deliveries, wanted = context.deps.records.deliveries, listing.limit + 1
    where: dict[str, Any] = {"tenant": context.tenant, **listing.where}
    by = None if "run_id" in where else DELIVERY_SEARCH
    created = dict(listing.created)
    found: list[Delivery] = []
    if (mark := listing.after) is not None:
        twins = {**where, "created_at": mark.created_at, "_id": {"$lt": mark.run_id}}
        found = await deliveries.find(twins, sort=_ORDER, limit=wanted, by=by)
        created["$lt"] = min(mark.created_at, created.get("$lt", mark.created_at))
    if len(found) < wanted:
        rest = {**where, "created_at": created} if created else where
        found += await deliveries.find(rest, sort=_ORDER, limit=wanted - len(found), by=by)
    return found


def mark_of(delivery: Delivery) -> Mark:
    """The mark of a page that ends with this delivery."""
    return Mark(instant_text(delivery.created_at), delivery.id)


async def own_delivery(delivery_id: str, context: Context) -> Delivery:
    """Raises Problem 404."""
    found = await context.deps.records.deliveries.get(delivery_id)
    if found is None or found.tenant != context.tenant:
        raise not_found("delivery", delivery_id)
    return found


async def body_of(delivery: Delivery, at: datetime, context: Context) -> dict[str, Any] | None:
    """What an attempt at this moment sends, or sent, its signature hidden; None if what it tells of is gone. An event
    is rendered from the history of its run, the same however late."""
    run = await _told_of(delivery, context)
    if run is None or run.sequence < delivery.sequence:
        return None
    subscription = run.subscription(delivery.subscription)
    key = subscription.key if subscription else None
    event = task_event(run, up_to=delivery.sequence, notify_key=key, now=at)
    return {**event, "Sign": HIDDEN} if "Sign" in event else event


async def _told_of(delivery: Delivery, context: Context) -> Run | None:
    records = context.deps.records
    try:
        if delivery.test:
            pipeline = await records.pipelines.get(delivery.pipeline_id or "")
            return None if pipeline is None else trial_run(pipeline, delivery.run_id, delivery.created_at)
        return await records.runs.get(delivery.run_id)
    except BrokenDocument:
        return None


async def put_back(delivery_id: str, context: Context) -> Delivery:
    """Has one sent again, whatever became of it; one that is pending already is tried at once. Raises Problem 404, and
    409 for one that is being sent now."""
    delivery = await own_delivery(delivery_id, context)
    now = await context.deps.records.now()

    def step(current: Delivery) -> Delivery:
        if current.state is DeliveryState.PENDING and current.lease_owner is not None and not _over(current, now):
            raise conflict("being_sent", "the delivery is being sent at this moment", delivery_id=current.id)
        return current.put_back(now)

    done = await context.deps.records.deliveries.change(delivery.id, step)
    if done is None:
        raise not_found("delivery", delivery_id)
    return done


def _over(delivery: Delivery, now: datetime) -> bool:
    return delivery.due_at is not None and delivery.due_at <= now
