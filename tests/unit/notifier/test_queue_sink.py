"""Events that are longer than the bus takes still reach their queue."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import warnings
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from tencentcloud.mps.v20190612 import models

from services.notifier.domain.notice import Notice
from services.notifier.domain.short import TOO_LONG as TOO_LONG_FOR
from services.notifier.sinks.kafka import MAX_BODY_BYTES, QueueSink
from shared.messages.topics import Topics
from shared.mps.render import task_event
from tests.unit.notifier.builders import DAMAGED, KEY, RUN_ID, START, Story, requested, whole_story

TOO_LONG = TOO_LONG_FOR.format(sink="queue")
IMAGES = {"ImagePathSet": [f"/out/clip_sampleSnapshot_10_{number}.jpg" for number in range(40_000)]}


class OneMegabyteBus:
    """Takes what a broker takes."""

    def __init__(self) -> None:
        self.published: list[tuple[bytes, Mapping[str, str]]] = []

    async def declare(self, topic: str) -> None:
        pass

    async def publish_json(self, topic: str, key: str, body: bytes, message_headers: Mapping[str, str]) -> None:
        assert len(body) < 1_000_000
        self.published.append((body, message_headers))


async def sent(event: dict[str, Any]) -> tuple[dict[str, Any], bytes, Mapping[str, str]]:
    bus = OneMegabyteBus()
    body = json.dumps(event).encode()
    report = await QueueSink(bus, Topics()).send(Notice("id", RUN_ID, "q", body, KEY, START))
    assert report.delivered
    ((message, headers),) = bus.published
    return json.loads(message), message, headers


def long_event() -> dict[str, Any]:
    run = whole_story(requested()).run
    event: dict[str, Any] = deepcopy(task_event(run, up_to=run.sequence, notify_key=KEY, now=START))
    event["ScheduleTaskEvent"]["ActivityResultSet"][1]["ActivityResItem"]["SampleSnapshotTask"]["Output"] |= IMAGES
    assert len(json.dumps(event)) > MAX_BODY_BYTES
    return event


async def test_too_long_event_is_sent_without_its_results_and_says_so() -> None:
    whole = long_event()
    short, _, _ = await sent(whole)
    task = {**whole["ScheduleTaskEvent"], "Message": TOO_LONG, "ActivityResultSet": []}
    assert short == {**whole, "ScheduleTaskEvent": task}
    assert "DescribeTaskDetail" in TOO_LONG
    assert task["MetaData"]["Duration"] == 10.56
    assert task["InputInfo"]["CosInputInfo"]["Object"] == "/in/clip 片.mp4"


async def test_shortened_event_goes_through_the_official_sdk() -> None:
    _, message, _ = await sent(long_event())
    parsed: Any = models.ParseNotificationResponse()  # type: ignore[no-untyped-call]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parsed.from_json_string(message.decode())
    task = parsed.ScheduleTaskEvent
    assert (task.TaskId, task.Status, task.ErrCode, task.Message) == (RUN_ID, "FINISH", 0, TOO_LONG)
    assert task.ActivityResultSet == []
    assert task.MetaData.Width == 1280
    assert parsed.Sign


async def test_signature_is_of_what_is_sent() -> None:
    _, message, headers = await sent(long_event())
    mac = hmac.new(KEY.encode(), b".".join((b"id", str(int(START.timestamp())).encode(), message)), hashlib.sha256)
    assert headers["webhook-signature"] == "v1," + base64.b64encode(mac.digest()).decode()


async def test_reason_of_a_failed_run_is_kept_in_front() -> None:
    run = Story(requested()).started().failed(0, DAMAGED, 1, 2, 3).finished().run
    whole = task_event(run, up_to=run.sequence, notify_key=KEY, now=START)
    reason = whole["ScheduleTaskEvent"]["Message"]
    assert reason
    short, _, _ = await sent({**whole, "SessionContext": "x" * (MAX_BODY_BYTES - 100)})
    assert short["ScheduleTaskEvent"]["Message"] == f"{reason}; {TOO_LONG}"
    assert short["ScheduleTaskEvent"]["ErrCode"] == 40000


async def test_metadata_that_is_too_long_by_itself_is_left_out() -> None:
    whole = long_event()
    streams = whole["ScheduleTaskEvent"]["MetaData"]["VideoStreamSet"] * 20_000
    whole["ScheduleTaskEvent"]["MetaData"] = {"VideoStreamSet": streams}
    short, _, _ = await sent(whole)
    assert short["ScheduleTaskEvent"]["MetaData"] is None


async def test_event_that_fits_is_sent_as_it_is() -> None:
    run = whole_story(requested()).run
    whole = task_event(run, up_to=run.sequence, notify_key=KEY, now=START)
    short, _, _ = await sent(whole)
    assert short == whole
