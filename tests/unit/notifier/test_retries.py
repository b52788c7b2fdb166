"""When a delivery is tried again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.notifier.domain.notice import Report
from services.notifier.domain.retries import JITTER, MAX_KEPT_ATTEMPTS, RetrySchedule
from services.notifier.sinks.http import read_retry_after
from shared.model.delivery import Delivery, DeliveryAttempt, DeliveryState
from tests.unit.notifier.builders import START, delivery

FAILED = Report(delivered=False, status=500, error="HTTP 500")
ATTEMPT = DeliveryAttempt(at=START, latency_ms=1)


def tried(before: Delivery, report: Report = FAILED, *, after: timedelta = timedelta(), luck: float = 0) -> Delivery:
    return RetrySchedule().after(before, ATTEMPT, report, START + after, luck)


def test_waits_grow_as_the_contract_says() -> None:
    current, waits = delivery(), []
    for _ in range(8):
        current = tried(current)
        assert current.due_at is not None
        waits.append((current.due_at - START).total_seconds())
    assert waits == [10, 60, 300, 1800, 7200, 21600, 21600, 21600]


def test_jitter_only_lengthens() -> None:
    assert tried(delivery(), luck=0).due_at == START + timedelta(seconds=10)
    assert tried(delivery(), luck=1).due_at == START + timedelta(seconds=10 * (1 + JITTER))


def test_delivered_is_final() -> None:
    done = tried(delivery(lease_owner="me"), Report(delivered=True, status=204))
    assert (done.state, done.due_at, done.delivered_at) == (DeliveryState.DELIVERED, None, START)
    assert done.lease_owner is None
    assert done.attempts == (ATTEMPT,)


def test_gone_is_dead_at_once() -> None:
    dead = tried(delivery(), Report(delivered=False, status=410, gone=True))
    assert (dead.state, dead.due_at) == (DeliveryState.DEAD, None)


def test_dead_when_the_next_attempt_would_be_too_late() -> None:
    old = delivery(attempts=(ATTEMPT,) * 9)
    assert tried(old, after=timedelta(hours=65)).state is DeliveryState.PENDING
    assert tried(old, after=timedelta(hours=67)).state is DeliveryState.DEAD


@pytest.mark.parametrize(("asked", "waited"), [(30, 30), (2, 10), (10**8, 21600)])
def test_retry_after_lengthens_within_the_cap(asked: int, waited: int) -> None:
    busy = Report(delivered=False, status=429, retry_after=timedelta(seconds=asked))
    assert tried(delivery(), busy).due_at == START + timedelta(seconds=waited)


def test_own_sink_is_retried_soon_however_often_it_failed() -> None:
    down = Report(delivered=False, retry_within=timedelta(minutes=5))
    assert tried(delivery(attempts=(ATTEMPT,) * 9), down).due_at == START + timedelta(minutes=5)


def test_attempts_are_bounded() -> None:
    assert len(tried(delivery(attempts=(ATTEMPT,) * 200)).attempts) == MAX_KEPT_ATTEMPTS


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7),
        (" 120 ", 120),
        ("Mon, 23 Nov 2026 10:00:30 GMT", 30),
        ("Mon, 23 Nov 2026 09:00:00 GMT", 0),
        ("", None),
        ("soon", None),
        ("-5", None),
    ],
)
def test_retry_after_header(text: str, seconds: int | None) -> None:
    found = read_retry_after(text, START)
    assert found == (None if seconds is None else timedelta(seconds=seconds))
