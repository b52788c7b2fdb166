"""Pages of a collection by creation time, in either direction. A cursor names the last document of a page, so that what
is made while somebody turns pages moves nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from services.api.domain.tasks import Mark
from services.api.rest.parameters import read_mark
from shared.model.base import Document, instant_text
from shared.ports.state import Order
from shared.state.repository import Repository


class Sort(StrEnum):
    """The order of a list."""

    NEWEST = "-created_at"
    """Newest first."""
    OLDEST = "created_at"
    """Oldest first."""


D = TypeVar("D", bound=Document)


async def page_of(
    collection: Repository[D],
    created_at: Callable[[D], datetime],
    where: Mapping[str, Any],
    *,
    sort: Sort,
    limit: int,
    cursor: str | None,
) -> tuple[list[D], str | None]:
    """Up to `limit` documents, and the cursor that leads to those after them; None at the end. Raises Problem 422 for
    a cursor that none of our answers had."""
    after = read_mark(cursor)
    newest = sort is Sort.NEWEST
    direction, beyond = (Order.DESC, "$lt") if newest else (Order.ASC, "$gt")
    order = [("created_at", direction), ("_id", direction)]
    wanted = limit + 1
    found: list[D] = []
    rest: Mapping[str, Any] = where
    if after is not None:
        twins = {**where, "created_at": after.created_at, "_id": {beyond: after.run_id}}
        found = await collection.find(twins, sort=order, limit=wanted)
        rest = {**where, "created_at": {beyond: after.created_at}}
    if len(found) < wanted:
        found += await collection.find(rest, sort=order, limit=wanted - len(found))
    page = found[:limit]
    if len(found) <= limit:
        return page, None
    return page, Mark(instant_text(created_at(page[-1])), page[-1].id).token()
