"""One attempt at one delivery: claim, send, record."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import orjson
import structlog
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_exponential_jitter

from services.notifier.domain.notice import Notice, QueueAccess, Report
from services.notifier.domain.retries import RetrySchedule
from services.notifier.gone import GoneSinks
from services.notifier.keys import Keys
from services.notifier.metrics import ATTEMPT_SECONDS, ATTEMPTS, DELIVERY_SECONDS
from services.notifier.sink_states import SinkStates
from services.notifier.sinks.base import Sink
from shared.clock import Clock
from shared.faults import fault_point
from shared.model.delivery import Delivery, DeliveryAttempt, DeliveryState
from shared.model.pipeline import SinkType
from shared.model.run import Run
from shared.mps.render import task_event
from shared.mps.signing import masked_headers, webhook_headers
from shared.ports.state import StateUnavailable
from shared.state.records import Records

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a claim holds and how long a delivery is tried."""

    lease: timedelta = timedelta(seconds=60)
    retries: RetrySchedule = field(default_factory=RetrySchedule)


class Attempts:
    """Makes attempts. While one is made its delivery carries our name and is due when the lease ends, so that a killed
    process costs a delay and perhaps a repetition, never a notification."""

    def __init__(
        self,
        records: Records,
        sinks: Mapping[SinkType, Sink],
        *,
        owner: str,
        clock: Clock,
        rng: random.Random,
        timing: Timing,
        states: SinkStates,
    ) -> None:
        self._records = records
        self._deliveries = records.deliveries
        self._gone = GoneSinks(records)
        self._sinks = sinks
        self._owner = owner
        self._clock = clock
        self._rng = rng
        self._timing = timing
        self._states = states
        self._keys = Keys(records)

    def lane(self, delivery: Delivery) -> str:
        """What shares a bound on concurrency with this delivery."""
        return self._sinks[delivery.sink].lane(delivery.target or delivery.tenant)

    async def attempt(self, run: Run, delivery: Delivery, heard: Callable[[bool], None]) -> Delivery | None:
        """Sends once and records what came of it; returns the delivery as it then stands, None if somebody else has it.
        `heard` is told whether the other side answered. Raises StateUnavailable."""
        refused = await self._gone.refusal(delivery)
        if refused is not None:
            return await self.give_up(delivery, refused)
        now = await self._records.now()
        claimed = await self._deliveries.replace(
            delivery.with_changes(lease_owner=self._owner, due_at=now + self._timing.lease)
        )
        if claimed is None:
            return None
        fault_point("notifier.before_send")
        at, began = self._clock.now(), time.perf_counter()
        report = await self._send(run, claimed, at)
        took = time.perf_counter() - began
        self._states.note(claimed, report, at)
        fault_point("notifier.after_send")
        heard(report.answered)
        attempt = DeliveryAttempt(
            at=at,
            latency_ms=round(took * 1000, 3),
            status=report.status,
            error=report.error,
            response=report.response,
            headers=None if report.sent is None else masked_headers(report.sent),
        )
        after = await self._record(claimed, attempt, report)
        fault_point("notifier.after_record")
        if after is not None:
            await self._gone.learn(claimed, report, await self._records.now())
        self._tell(claimed, attempt, report, after)
        return after

    async def give_up(self, delivery: Delivery, why: str) -> Delivery | None:
        """Ends a delivery without sending it, and records why; returns it as it then stands, None if somebody else has
        it. Raises StateUnavailable."""
        now = await self._records.now()
        attempt = DeliveryAttempt(at=self._clock.now(), latency_ms=0, error=why)
        report = Report(delivered=False, error=why, gone=True)
        after = await self._deliveries.replace(self._timing.retries.after(delivery, attempt, report, now, 0))
        if after is not None:
            ATTEMPTS.labels(delivery.sink.value, "dead").inc()
            log.warning("delivery given up", delivery=delivery.id, run=delivery.run_id, error=why)
        return after

    async def _send(self, run: Run, delivery: Delivery, at: datetime) -> Report:
        subscription = run.subscription(delivery.subscription)
        if subscription is None:
            return Report(delivered=False, error="the run's notification is gone", gone=True)
        try:
            keys = await self._keys.of(run, subscription, at)
            event = task_event(run, up_to=delivery.sequence, notify_key=keys[0] if keys else None, now=at)
            notice = Notice(
                id=delivery.id,
                run_id=delivery.run_id,
                target=delivery.target,
                body=orjson.dumps(event),
                key=keys,
                at=at,
                traceparent=run.traceparent,
                tenant=run.tenant,
                queue=QueueAccess.of(subscription),
            )
            report = await self._sinks[delivery.sink].send(notice)
            if report.sent is not None:
                return report
            return replace(report, sent=webhook_headers(notice.id, notice.at, notice.body, notice.key))
        except StateUnavailable as error:
            return Report(delivered=False, error=f"{error.code}: {error}")
        except Exception as error:
            # The sending loop is a boundary: one odd run must not stop the others.
            log.exception("sending failed", delivery=delivery.id)
            return Report(delivered=False, error=f"internal: {type(error).__name__}: {error}"[:500])

    async def _record(self, claimed: Delivery, attempt: DeliveryAttempt, report: Report) -> Delivery | None:
        """Writes the outcome, patiently: what is not recorded is sent again."""
        luck = self._rng.random()
        result: Delivery | None = None

        async for trial in AsyncRetrying(
            retry=retry_if_exception_type(StateUnavailable),
            wait=wait_exponential_jitter(multiplier=0.1, max=2),
            stop=stop_after_delay(self._timing.lease.total_seconds() / 2),
            reraise=True,
        ):
            with trial:
                now = await self._records.now()

                def step(current: Delivery, now: datetime = now) -> Delivery | None:
                    mine = current.lease_owner == self._owner and current.state is DeliveryState.PENDING
                    # Our lease may have run out: what was delivered was delivered, a failure is the other's to judge.
                    if not mine and not (report.delivered and current.state is DeliveryState.PENDING):
                        return None
                    return self._timing.retries.after(current, attempt, report, now, luck)

                result = await self._deliveries.change(claimed.id, step)
        return result

    def _tell(self, claimed: Delivery, attempt: DeliveryAttempt, report: Report, after: Delivery | None) -> None:
        sink = claimed.sink.value
        state = after.state if after is not None else None
        outcome = "delivered" if report.delivered else "dead" if state is DeliveryState.DEAD else "failed"
        ATTEMPTS.labels(sink, outcome).inc()
        ATTEMPT_SECONDS.labels(sink).observe(attempt.latency_ms / 1000)
        about = {
            "delivery": claimed.id,
            "run": claimed.run_id,
            "tenant": claimed.tenant,
            "attempt": claimed.tried + 1,
            "status": report.status,
            "latency_ms": attempt.latency_ms,
        }
        if after is not None and after.delivered_at is not None:
            DELIVERY_SECONDS.labels(sink).observe((after.delivered_at - after.created_at).total_seconds())
            log.info("delivered", **about)
        else:
            log.warning("delivery " + outcome, **about, error=report.error, due_at=str(after and after.due_at))
