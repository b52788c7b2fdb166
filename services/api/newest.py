"""Pages of runs, newest first, whatever they are searched by."""

from __future__ import annotations

from services.api.dependencies import Context
from services.api.domain.tasks import TaskListing
from shared.model.collections import RUN_SEARCH
from shared.model.run import Run
from shared.ports.state import Order

_ORDER = (("created_at", Order.DESC), ("_id", Order.DESC))

_LAST = "\U0010ffff"
"""Sorts behind every character that a key has."""


def beginning_with(prefix: str) -> dict[str, str]:
    """The condition on a text that it begins so."""
    return {"$gte": prefix, "$lt": prefix + _LAST}


async def newest_first(listing: TaskListing, context: Context) -> list[Run]:
    """A page of runs, and one run more, to know whether there is another page."""
    runs = context.deps.records.runs
    wanted = listing.limit + 1
    created = dict(listing.created)
    found: list[Run] = []
    if listing.after is not None:
        mark = listing.after
        twins = {**listing.where, "created_at": mark.created_at, "_id": {"$lt": mark.run_id}}
        found = await runs.find(twins, sort=_ORDER, limit=wanted, by=RUN_SEARCH)
        created["$lt"] = min(mark.created_at, created.get("$lt", mark.created_at))
    if len(found) < wanted:
        where = {**listing.where, "created_at": created} if created else listing.where
        found += await runs.find(where, sort=_ORDER, limit=wanted - len(found), by=RUN_SEARCH)
    return found
