"""Who is told, seen from the API: whether this installation can, and sinks that were disabled by their own answer."""

from __future__ import annotations

from collections.abc import Iterable

from services.api.dependencies import Context
from services.api.domain import sink_rules
from shared.model.closed_sink import closed_sink_id
from shared.model.pipeline import Notification


def check_sinks(subscriptions: Iterable[Notification], context: Context) -> None:
    """Returns if all can be told. Raises ApiError naming the member."""
    sink_rules.check_sinks(subscriptions, context.deps.sinks, context.tenant)


async def reopen(subscriptions: Iterable[Notification], context: Context) -> None:
    """Takes back that a sink was disabled by a 410: somebody saved or enabled a pipeline that tells it."""
    closed_sinks = context.deps.records.closed_sinks
    for one in subscriptions:
        closed = await closed_sinks.get(closed_sink_id(context.tenant, one.sink, one.target))
        if closed is not None:
            await closed_sinks.delete(closed)
