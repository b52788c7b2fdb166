"""Sends what is due: finds deliveries, keeps the order per run, gives each a slot, puts off what has to wait."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from itertools import groupby

import structlog

from services.notifier.attempts import Attempts
from services.notifier.domain.deliveries import sequences
from services.notifier.handlers import Notifications
from services.notifier.lanes import Lanes
from services.notifier.metrics import DEFERRED
from shared.errors import ReelwayError
from shared.model.base import instant_text
from shared.model.delivery import Delivery, DeliveryState
from shared.model.run import Run
from shared.mps.trial import trial_run
from shared.ports.state import Order
from shared.state.records import Records
from shared.state.repository import BrokenDocument

log = structlog.get_logger(__name__)

PAGE = 128
"""How many due deliveries are read at once."""
MAX_PAGES = 16
"""How many pages one look reads: more than what can be in this process's memory."""
BUSY_S = (1.0, 3.0)
"""For how long a delivery is put off whose host answers but has a long queue here."""
SILENT_S = (10.0, 30.0)
"""For how long one is put off whose host did not answer last time and is being tried by another delivery."""

Chain = tuple[str, str]
"""Run and subscription: what is kept in order."""


class Sender:
    """Sends due deliveries until cancelled. Any number of senders may work on one store: a claim is compare-and-set.

    A delivery is sent only when all earlier ones of the same run and subscription are final (G8). What is blocked is
    put off to the time of what blocks it, and taken up at once when that is final. After a 410 the run's later
    deliveries to the same target are dead without being sent, except those that are replayed: that is
    somebody's wish.
    """

    def __init__(
        self,
        records: Records,
        notifications: Notifications,
        attempts: Attempts,
        lanes: Lanes,
        rng: random.Random,
    ) -> None:
        self._records = records
        self._deliveries = records.deliveries
        self._notifications = notifications
        self._attempts = attempts
        self._lanes = lanes
        self._rng = rng
        self._woken = asyncio.Event()
        self._chains: dict[Chain, asyncio.Task[None]] = {}
        self._passed_over: set[Chain] = set()
        self._more = False
        self._closing = False

    def wake(self) -> None:
        """Says that there may be something to send."""
        self._woken.set()

    @property
    def busy(self) -> int:
        """How many runs' notifications are being sent, or wait in memory for a slot."""
        return len(self._chains)

    async def run(self, interval_s: float) -> None:
        """Sends until cancelled; a store that is away is waited for."""
        async with asyncio.TaskGroup() as group:
            while not self._closing:
                self._woken.clear()
                try:
                    if self._lanes.room > 0:
                        await self.look(group)
                except ReelwayError as error:
                    log.warning("looking for deliveries failed", error=str(error), code=error.code)
                try:
                    async with asyncio.timeout(interval_s):
                        await self._woken.wait()
                except TimeoutError:
                    pass

    async def stop(self) -> None:
        """Begins nothing more and waits for what is being sent; the caller bounds the wait."""
        self._closing = True
        self.wake()
        while self._chains:
            await asyncio.wait(set(self._chains.values()))

    async def look(self, group: asyncio.TaskGroup) -> None:
        """Starts sending what is due, as far as there is room; what has to wait for its lane is put off."""
        now = await self._records.now()
        offset = 0
        for _ in range(MAX_PAGES):
            due = await self._deliveries.find(
                {"state": DeliveryState.PENDING.value, "due_at": {"$lte": instant_text(now)}},
                sort=[("due_at", Order.ASC)],
                limit=PAGE,
                offset=offset,
            )
            put_off = self._take(due, group)
            if put_off:
                await self._deliveries.replace_many([self._later(delivery, now) for delivery in put_off])
            self._more = len(due) == PAGE
            if not self._more or self._lanes.room == 0:
                return
            # What was put off has left the head of the list; what is being sent may still stand there.
            offset += len(due) - len(put_off)

    def _take(self, due: Sequence[Delivery], group: asyncio.TaskGroup) -> list[Delivery]:
        """Starts chains; returns the deliveries whose lane has no room."""
        ordered = sorted(due, key=lambda delivery: (*_chain(delivery), delivery.sequence))
        chains = [list(found) for _, found in groupby(ordered, key=_chain)]
        # Who has waited longest comes first.
        chains.sort(key=lambda chain: min(delivery.due_at or delivery.created_at for delivery in chain))
        put_off: list[Delivery] = []
        for chain in chains:
            key = _chain(chain[0])
            if key in self._chains:
                self._passed_over.add(key)
                continue
            if self._lanes.room == 0:
                break
            lane = self._attempts.lane(chain[0])
            if self._lanes.enter(lane):
                self._chains[key] = group.create_task(self._send_chain(key, lane, chain))
            else:
                put_off += chain
        return put_off

    def _later(self, delivery: Delivery, now: datetime) -> Delivery:
        silent = self._lanes.silent(self._attempts.lane(delivery))
        DEFERRED.labels("silent" if silent else "busy").inc()
        wait = timedelta(seconds=self._rng.uniform(*(SILENT_S if silent else BUSY_S)))
        return delivery.with_changes(due_at=now + wait)

    # -- one run and subscription ---------------------------------------------------------------------------------

    async def _send_chain(self, key: Chain, lane: str, chain: Sequence[Delivery]) -> None:
        try:
            async with self._lanes.slot(lane) as free:
                if self._closing:
                    return
                if free:
                    await self._in_order(lane, list(chain))
                else:
                    now = await self._records.now()
                    await self._deliveries.replace_many([self._later(delivery, now) for delivery in chain])
        except ReelwayError as error:
            log.warning("sending was broken off", run=key[0], error=str(error), code=error.code)
        finally:
            self._lanes.leave(lane)
            del self._chains[key]
            if key in self._passed_over or (self._more and self._lanes.room >= PAGE // 2):
                self._passed_over.discard(key)
                self.wake()

    async def _in_order(self, lane: str, queue: list[Delivery]) -> None:
        """Sends one after another until one has to wait."""
        run = await self._run_of(queue[0])
        gone: Delivery | None = None
        settled = 0
        while queue and not self._closing:
            delivery, *queue = queue
            if isinstance(run, Run) and run.sequence < delivery.sequence:
                run = await self._run_of(delivery)
            if isinstance(run, Run) and not await self._is_next(run, delivery, settled):
                await self._park(delivery, queue)
                return
            if isinstance(run, Run) and not settled:
                gone = await self._gone_before(run, delivery)
            if isinstance(run, str):
                after = await self._attempts.give_up(delivery, run)
            elif (
                gone is not None
                and gone.target == delivery.target
                and delivery.replayed_at is None
                and not delivery.attempts
            ):
                why = f"not sent: HTTP {HTTPStatus.GONE} for event {gone.sequence} of this run"
                after = await self._attempts.give_up(delivery, why)
            else:
                after = await self._attempts.attempt(run, delivery, lambda answered: self._lanes.heard(lane, answered))
                gone = after if after is not None and _is_gone(after) else None
            if after is None:
                return
            if after.state is DeliveryState.PENDING:
                await self._park_behind(after, queue)
                return
            settled = after.sequence
            queue = queue or await self._next(after)

    async def _run_of(self, delivery: Delivery) -> Run | str:
        """The run, or why there is none that could be told of."""
        try:
            if delivery.test:
                pipeline = await self._records.pipelines.get(delivery.pipeline_id or "")
                return trial_run(pipeline, delivery.run_id, delivery.created_at) if pipeline else "the pipeline is gone"
            run = await self._records.runs.get(delivery.run_id)
        except BrokenDocument as error:
            return f"the run cannot be read: {error}"
        return run or "the run is gone"

    async def _gone_before(self, run: Run, delivery: Delivery) -> Delivery | None:
        """The newest earlier delivery that was answered, if the answer was 410. Those given up for it were not."""
        if not _before(run, delivery):
            return None
        earlier = await self._deliveries.find(
            {"run_id": delivery.run_id, "subscription": delivery.subscription, "sequence": {"$lt": delivery.sequence}},
            sort=[("sequence", Order.DESC)],
            limit=PAGE,
        )
        heard = (found for found in earlier if found.delivered_at or (found.attempts and found.attempts[-1].status))
        newest = next(heard, None)
        return newest if newest is not None and _is_gone(newest) else None

    async def _is_next(self, run: Run, delivery: Delivery, settled: int) -> bool:
        """Whether all earlier deliveries are there and final."""
        earlier = [sequence for sequence in _before(run, delivery) if sequence > settled]
        if not earlier:
            return True
        same = {"run_id": delivery.run_id, "subscription": delivery.subscription}
        before = {"sequence": {"$lt": delivery.sequence, "$gt": settled}}
        if delivery.replayed_at is None and await self._deliveries.count({**same, **before}) < len(earlier):
            # An earlier event's message was lost or is on its way. Of what is replayed the log may have forgotten some.
            await self._notifications.make([(run, frozenset(earlier))], by="order")
            return False
        return await self._deliveries.count({**same, **before, "state": DeliveryState.PENDING.value}) == 0

    async def _blocker(self, delivery: Delivery) -> Delivery | None:
        found = await self._deliveries.find(
            {
                "run_id": delivery.run_id,
                "subscription": delivery.subscription,
                "state": DeliveryState.PENDING.value,
                "sequence": {"$lt": delivery.sequence},
            },
            sort=[("sequence", Order.ASC)],
            limit=1,
        )
        return found[0] if found else None

    async def _park(self, delivery: Delivery, rest: Sequence[Delivery]) -> None:
        """Puts off a blocked delivery, and those after it, to the time of what blocks it."""
        blocker = await self._blocker(delivery)
        if blocker is None:
            self.wake()
            return
        await self._park_behind(blocker, [delivery, *rest])
        # It may have become final before we wrote: then nobody else would take us up.
        if await self._blocker(delivery) is None:
            await self._take_up(delivery)

    async def _park_behind(self, blocker: Delivery, blocked: Sequence[Delivery]) -> None:
        parked = [
            delivery.with_changes(due_at=blocker.due_at)
            for delivery in blocked
            if blocker.due_at and (delivery.due_at is None or delivery.due_at < blocker.due_at)
        ]
        await self._deliveries.replace_many(parked)

    async def _next(self, final: Delivery) -> list[Delivery]:
        """The delivery after one that has become final, if nobody has it and it has not been tried: then it waited only
        for this one. Its time is set to now too, so that it is found whatever happens to us."""
        found = await self._deliveries.find(
            {
                "run_id": final.run_id,
                "subscription": final.subscription,
                "state": DeliveryState.PENDING.value,
                "sequence": {"$gt": final.sequence},
            },
            sort=[("sequence", Order.ASC)],
            limit=1,
        )
        return [delivery for delivery in found if delivery.lease_owner is None and not delivery.tried]

    async def _take_up(self, delivery: Delivery) -> None:
        now = await self._records.now()

        def step(current: Delivery) -> Delivery | None:
            if current.state is not DeliveryState.PENDING or current.lease_owner or current.tried:
                return None
            return current.with_changes(due_at=now)

        await self._deliveries.change(delivery.id, step)
        self.wake()


def _chain(delivery: Delivery) -> Chain:
    return delivery.run_id, delivery.subscription or ""


def _before(run: Run, delivery: Delivery) -> list[int]:
    """The sequence numbers of the earlier deliveries of the same run and subscription."""
    subscription = run.subscription(delivery.subscription)
    return [] if subscription is None else sequences(run, subscription, before=delivery.sequence)


def _is_gone(delivery: Delivery) -> bool:
    """Whether it is dead because the other side said that there is nobody any more."""
    return delivery.state is DeliveryState.DEAD and delivery.attempts[-1].status == HTTPStatus.GONE
