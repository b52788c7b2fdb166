"""Carries out replays: puts the chosen deliveries back, each once, those of a run in the order of their events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import structlog

from services.notifier.metrics import REPLAYED
from shared.errors import ReelwayError
from shared.faults import fault_point
from shared.model.base import instant_text
from shared.model.collections import DELIVERY_SEARCH
from shared.model.delivery import Delivery
from shared.model.replay import Replay, ReplayState
from shared.ports.state import Filter, Order
from shared.state.records import Records

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=30)
PAGE = 100
MOST_OF_A_RUN = 10_000
"""More events than a run's history has."""
_ORDER = (("created_at", Order.ASC), ("_id", Order.ASC))


class Replayer:
    """Works at replays until cancelled. Any number may run: a replay is worked at by one, and another goes on where a
    killed one ended. `wake` is called when there is something to send."""

    def __init__(self, records: Records, wake: Callable[[], None]) -> None:
        self._records = records
        self._deliveries = records.deliveries
        self._wake = wake

    async def run(self, interval_s: float) -> None:
        """Looks for replays; a store that is away is waited for."""
        while True:
            try:
                await self.work()
            except ReelwayError as error:
                log.warning("a replay was broken off", error=str(error), code=error.code)
            await asyncio.sleep(interval_s)

    async def work(self) -> None:
        """Carries out what is due."""
        now = await self._records.now()
        due = await self._records.replays.find(
            {"state": ReplayState.RUNNING.value, "due_at": {"$lte": instant_text(now)}},
            sort=[("due_at", Order.ASC)],
            limit=10,
        )
        for replay in due:
            claimed = await self._records.replays.replace(replay.with_changes(due_at=now + LEASE))
            if claimed is not None:
                await self._carry_out(claimed)

    async def _carry_out(self, replay: Replay) -> None:
        current: Replay | None = replay
        while current is not None and current.state is ReplayState.RUNNING:
            page = await self._page(current)
            now = await self._records.now()
            for chain in dict.fromkeys((one.run_id, one.subscription) for one in page):
                await self._put_back(current, *chain)
            fault_point("notifier.after_put_back")
            if page:
                self._wake()
                last = page[-1]
                step = current.with_changes(mark=(instant_text(last.created_at), last.id), due_at=now + LEASE)
            else:
                step = current.with_changes(state=ReplayState.DONE, due_at=None, ended_at=now)
                log.info("replay done", replay=current.id, tenant=current.tenant)
            # None: it was cancelled, or our lease ran out and somebody else has it.
            current = await self._records.replays.replace(step)

    async def _page(self, replay: Replay) -> list[Delivery]:
        """The next that are chosen, the oldest first."""
        where = replay.chosen.filter(replay.tenant)
        created = replay.chosen.created(replay.created_at)
        found: list[Delivery] = []
        if replay.mark is not None:
            moment, last = replay.mark
            found = await self._find({**where, "created_at": moment, "_id": {"$gt": last}}, PAGE)
            after = {"$gt": moment, "$lt": created["$lt"]}
            created = after if after["$gt"] < after["$lt"] else {"$lt": ""}
        if len(found) < PAGE:
            found += await self._find({**where, "created_at": created}, PAGE - len(found))
        return found

    async def _find(self, where: Filter, limit: int) -> list[Delivery]:
        by = None if "run_id" in where else DELIVERY_SEARCH
        return await self._deliveries.find(where, sort=_ORDER, limit=limit, by=by)

    async def _put_back(self, replay: Replay, run_id: str, subscription: str | None) -> None:
        """All that is chosen of one run and subscription, the first event first: what is put back later cannot be sent
        before what is put back earlier is final."""
        where = {
            **replay.chosen.filter(replay.tenant),
            "run_id": run_id,
            "subscription": subscription,
            "created_at": replay.chosen.created(replay.created_at),
        }
        chosen = await self._deliveries.find(where, sort=[("sequence", Order.ASC)], limit=MOST_OF_A_RUN)
        for delivery in chosen:
            step = partial(_wanted, replay, await self._records.now())
            await self._deliveries.change(delivery.id, step)


def _wanted(replay: Replay, now: datetime, delivery: Delivery) -> Delivery | None:
    """The delivery put back; None if it was already, or is being sent anyway."""
    if delivery.replayed_at is not None and delivery.replayed_at >= replay.created_at:
        return None
    if delivery.state is not replay.chosen.state:
        return None
    REPLAYED.labels(delivery.sink.value).inc()
    return delivery.put_back(now, replay.id)
