"""Sinks that have said that they are gone (HTTP 410): closed, and asked no more."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus

import structlog

from services.notifier.domain.notice import Report
from services.notifier.metrics import CLOSED
from shared.model.base import instant_text
from shared.model.closed_sink import ClosedSink, closed_sink_id
from shared.model.delivery import Delivery
from shared.ports.state import DuplicateKey
from shared.state.records import Records

log = structlog.get_logger(__name__)


class GoneSinks:
    """Remembers in the store, so that all processes and all pipelines of the tenant know. Raises StateUnavailable."""

    def __init__(self, records: Records) -> None:
        self._closed = records.closed_sinks

    async def refusal(self, delivery: Delivery) -> str | None:
        """Why this delivery is not to be sent; None if it is. A test is, and one that was tried before: it is a retry
        from before the closing, or a replay, which is somebody's wish."""
        if delivery.attempts or delivery.test:
            return None
        closed = await self._closed.get(_id(delivery))
        if closed is None:
            return None
        return (
            f"not sent: this sink answered HTTP {HTTPStatus.GONE} at {instant_text(closed.closed_at)} and is disabled "
            "until its pipeline is saved or enabled again, or a replay or a test is taken"
        )

    async def learn(self, delivery: Delivery, report: Report, now: datetime) -> None:
        """Closes a sink that answered 410, opens one that took a delivery after all."""
        if report.status == HTTPStatus.GONE and report.gone:
            await self._close(delivery, now)
        elif report.delivered and (delivery.attempts or delivery.test):
            closed = await self._closed.get(_id(delivery))
            if closed is not None and await self._closed.delete(closed):
                log.info("sink enabled again: it took a delivery", sink=delivery.sink.value, delivery=delivery.id)

    async def _close(self, delivery: Delivery, now: datetime) -> None:
        closed = ClosedSink(
            id=_id(delivery),
            tenant=delivery.tenant,
            sink=delivery.sink,
            target=delivery.target,
            closed_at=now,
            delivery_id=delivery.id,
            run_id=delivery.run_id,
        )
        try:
            await self._closed.insert(closed)
        except DuplicateKey:
            return
        CLOSED.labels(delivery.sink.value).inc()
        log.warning(
            "sink disabled: it answered HTTP 410 (Gone)",
            sink=delivery.sink.value,
            tenant=delivery.tenant,
            delivery=delivery.id,
        )


def _id(delivery: Delivery) -> str:
    return closed_sink_id(delivery.tenant, delivery.sink, delivery.target)
