"""Secrets that are rotated: which keys sign, for which runs, until when."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import datetime, timedelta

from services.notifier.keys import Keys
from shared.adapters.memory import MemoryStateStore
from shared.model import collections
from shared.model.key_ring import KeyRing, ring_id, rotated, valid_keys
from shared.mps.signing import masked_headers, sign, webhook_headers
from shared.state.records import Records
from tests.unit.notifier.builders import KEY, START, notification, requested, until
from tests.unit.notifier.test_service import Bench, finished_run, start

DAY = timedelta(days=1)


def rotate(ring: KeyRing | None, new: str, now: datetime = START, carried: str = KEY) -> KeyRing:
    names = KeyRing(
        id=ring_id("7", None), tenant="t", pipeline_id="7", subscription=None, notify_key="", rotated_at=now
    )
    return rotated(ring, carried=carried, new=new, now=now, previous_until=now + DAY, names=names)


def test_both_keys_are_valid_for_the_time_that_was_asked_for() -> None:
    ring = rotate(None, "second")
    assert valid_keys(KEY, ring, START) == ("second", KEY)
    assert valid_keys(KEY, ring, START + DAY - timedelta(seconds=1)) == ("second", KEY)
    assert valid_keys(KEY, ring, START + DAY) == ("second",)


def test_of_two_rotations_the_last_two_keys_are_valid_for_every_run() -> None:
    ring = rotate(rotate(None, "second"), "third", START + timedelta(hours=1))
    later = START + timedelta(hours=2)
    for carried in (KEY, "second", "third"):
        assert valid_keys(carried, ring, later) == ("third", "second")


def test_key_of_somebody_elses_choice_is_signed_with_itself() -> None:
    ring = rotate(None, "second")
    assert valid_keys("own-key-of-a-request", ring, START) == ("own-key-of-a-request",)
    assert valid_keys(None, ring, START) == ()
    assert valid_keys(KEY, None, START) == (KEY,)


def test_signatures_of_both_keys_stand_side_by_side() -> None:
    headers = webhook_headers("id", START, b"{}", ("new", "old"))
    signed = f"id.{headers['webhook-timestamp']}.{{}}".encode()
    wanted = [
        "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in (b"new", b"old")
    ]
    assert headers["webhook-signature"].split(" ") == wanted
    assert masked_headers(headers)["webhook-signature"] == "v1,*** v1,***"


async def test_runs_that_exist_already_are_told_of_with_the_new_key() -> None:
    bench = Bench()
    await bench.records.key_rings.insert(rotate(None, "second"))
    async with bench.running():
        await start(bench, [finished_run()])
        await until(lambda: bench.all_delivered(6), "sent")
    notice = bench.sink.notices[0]
    assert notice.key == ("second", KEY)
    body = json.loads(notice.body)
    assert body["Sign"] == sign(body["Timestamp"], "second")
    (attempt,) = (await bench.deliveries())[0].attempts
    assert attempt.headers is not None
    assert attempt.headers["webhook-signature"] == "v1,*** v1,***"


async def test_ring_is_read_again_after_a_while_only() -> None:
    records = Records(MemoryStateStore(collections.ALL, lambda: START))
    keys = Keys(records)
    run, told = requested(notification()), notification()
    assert await keys.of(run, told, START) == (KEY,)
    await records.key_rings.insert(rotate(None, "second"))
    assert await keys.of(run, told, START) == (KEY,), "remembered"
    assert await Keys(records).of(run, told, START) == ("second", KEY)
