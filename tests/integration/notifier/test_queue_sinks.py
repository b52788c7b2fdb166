"""Queues that are not ours: SQS against moto's server, CMQ against an emulator that checks the signature."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer
from standardwebhooks import Webhook
from tencentcloud.mps.v20190612 import models

from services.notifier.domain.notice import Notice, QueueAccess, Report
from services.notifier.sinks.calls import HttpCaller
from services.notifier.sinks.cmq import CmqSink
from services.notifier.sinks.sqs import NO_KEYS, SqsSink
from shared.adapters.aws import Aws
from shared.addresses import read_networks
from shared.mps.render import task_event
from tests.integration.notifier.api_emulators import SECRET_ID, SECRET_KEY, Cmq, emulating
from tests.unit.notifier.builders import KEY, RUN_ID, requested, whole_story
from tests.unit.notifier.test_queue_sink import long_event

REGION = "eu-west-1"
LOOPBACK = read_networks(["127.0.0.0/8"])


def event_body(event: dict[str, Any] | None = None) -> bytes:
    run = whole_story(requested(session_context="￾ <&> 片")).run
    now = datetime.now(UTC)
    event = event or task_event(run, up_to=run.sequence, notify_key=KEY, now=now)
    return json.dumps(event, ensure_ascii=False).encode()


def notice(target: str, queue: QueueAccess, body: bytes | None = None) -> Notice:
    return Notice(f"{RUN_ID}:6:sqs", RUN_ID, target, body or event_body(), KEY, datetime.now(UTC), None, "t", queue)


def parsed(body: str) -> Any:
    found: Any = models.ParseNotificationResponse()  # type: ignore[no-untyped-call]
    found.from_json_string(body)
    return found


# -- SQS ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def sqs(moto: str) -> Iterator[Any]:
    client = boto3.client(
        "sqs", region_name=REGION, endpoint_url=moto, aws_access_key_id="a", aws_secret_access_key="b"
    )
    yield client
    client.close()


@pytest.fixture
async def aws() -> AsyncIterator[Aws]:
    made = Aws(timeout_s=5)
    yield made
    await made.close()


def sink_of(aws: Aws, endpoint: str, **changes: Any) -> SqsSink:
    return SqsSink(aws, **{"endpoint": endpoint, "access_key": "a", "secret_key": "b", **changes})


def received(sqs: Any, url: str) -> list[dict[str, Any]]:
    answer = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], AttributeNames=["All"]
    )
    return list(answer.get("Messages", []))


async def test_sqs_message_is_the_event_with_a_signature_that_holds(sqs: Any, moto: str, aws: Aws) -> None:
    url = sqs.create_queue(QueueName="media-done")["QueueUrl"]
    report = await sink_of(aws, moto).send(notice("media-done", QueueAccess(REGION)))
    assert report.delivered, report
    (message,) = received(sqs, url)
    assert json.loads(message["Body"]) == json.loads(event_body()) | {
        member: json.loads(message["Body"])[member] for member in ("Timestamp", "Sign")
    }
    assert parsed(message["Body"]).ScheduleTaskEvent.TaskId == RUN_ID
    headers = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert headers["webhook-id"] == f"{RUN_ID}:6:sqs"
    Webhook(KEY.encode()).verify(message["Body"], headers)


async def test_fifo_queue_keeps_a_runs_order_and_drops_a_repetition(sqs: Any, moto: str, aws: Aws) -> None:
    url = sqs.create_queue(QueueName="media.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    sink = sink_of(aws, moto)
    for _ in range(2):
        assert (await sink.send(notice("media.fifo", QueueAccess(REGION)))).delivered
    (message,) = received(sqs, url)
    assert message["Attributes"]["MessageGroupId"]


async def test_event_that_is_too_long_for_sqs_is_sent_short(sqs: Any, moto: str, aws: Aws) -> None:
    url = sqs.create_queue(QueueName="short")["QueueUrl"]
    body = event_body(long_event())
    assert len(body) > 262_144
    assert (await sink_of(aws, moto).send(notice("short", QueueAccess(REGION), body))).delivered
    (message,) = received(sqs, url)
    task = parsed(message["Body"]).ScheduleTaskEvent
    assert "call DescribeTaskDetail" in task.Message
    assert task.ActivityResultSet == []


async def test_queue_that_is_not_there_is_a_failure_until_it_is(sqs: Any, moto: str, aws: Aws) -> None:
    sink = sink_of(aws, moto)
    report = await sink.send(notice("later", QueueAccess(REGION)))
    assert (report.delivered, report.answered, report.gone) == (False, True, False)
    assert "NonExistentQueue" in (report.error or "")
    sqs.create_queue(QueueName="later")
    assert (await sink.send(notice("later", QueueAccess(REGION)))).delivered


async def test_no_key_of_this_machine_is_ever_used(aws: Aws, moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-this-machine")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-this-machine")
    report = await sink_of(aws, moto, access_key="", secret_key="").send(notice("q", QueueAccess(REGION)))
    assert report == Report(delivered=False, error=NO_KEYS)


async def test_sqs_that_is_not_there_is_silence(aws: Aws) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        report = await sink_of(aws, f"http://127.0.0.1:{held.getsockname()[1]}").send(notice("q", QueueAccess(REGION)))
    assert (report.delivered, report.answered) == (False, False)


async def test_clients_are_bounded(moto: str) -> None:
    aws = Aws(timeout_s=5, most=2)
    for number in range(4):
        await sink_of(aws, moto, access_key=f"k{number}").send(notice("q", QueueAccess(REGION)))
    assert len(aws._clients) == 2
    await aws.close()
    assert not aws._clients


# -- CMQ ------------------------------------------------------------------------------------------------------------


def cmq_sink(caller: HttpCaller, endpoint: str, key: str = SECRET_KEY, most: int = 1_000_000) -> CmqSink:
    return CmqSink(caller, endpoint, SECRET_ID, key, max_bytes=most, rng=random.Random(1))


@pytest.mark.parametrize(
    ("target", "topic", "action"), [("media-done", False, "SendMessage"), ("media-news", True, "PublishMessage")]
)
async def test_cmq_takes_what_is_signed(target: str, topic: bool, action: str) -> None:
    async with emulating(Cmq()) as cmq, HttpCaller(LOOPBACK) as caller:
        sink = cmq_sink(caller, f"http://127.0.0.1:{cmq.port}")
        body = event_body()
        report = await sink.send(notice(target, QueueAccess("gz", topic), body))
    assert report.delivered, report
    (taken,) = cmq.taken
    assert (taken["Action"], taken["Region"], taken["msgBody"].encode()) == (action, "gz", body)
    assert cmq.requests[0].line == "POST /v2/index.php HTTP/1.1"


async def test_cmq_refusals_are_failures_that_say_why() -> None:
    async with emulating(Cmq()) as cmq, HttpCaller(LOOPBACK) as caller:
        endpoint = f"http://127.0.0.1:{cmq.port}"
        wrong = await cmq_sink(caller, endpoint, "another-key").send(notice("media-done", QueueAccess()))
        nowhere = await cmq_sink(caller, endpoint).send(notice("nowhere", QueueAccess()))
    assert (wrong.delivered, (wrong.error or "")[:9]) == (False, "CMQ 4100:")
    assert (nowhere.delivered, nowhere.error) == (False, "CMQ 4440: queueName is not existed")
    assert not cmq.taken


async def test_event_that_is_too_long_for_cmq_is_sent_short() -> None:
    async with emulating(Cmq()) as cmq, HttpCaller(LOOPBACK) as caller:
        cmq.longest = 65_536
        sink = cmq_sink(caller, f"http://127.0.0.1:{cmq.port}", most=65_536)
        assert (await sink.send(notice("media-done", QueueAccess(), event_body(long_event())))).delivered
    assert "call DescribeTaskDetail" in parsed(cmq.taken[0]["msgBody"]).ScheduleTaskEvent.Message


async def test_cmq_that_speaks_html_is_a_failure() -> None:
    async with emulating(Cmq()) as cmq, HttpCaller(LOOPBACK) as caller:
        cmq.respond = lambda _: b"HTTP/1.1 502 X\r\nContent-Length: 6\r\n\r\n<html>"  # type: ignore[method-assign]
        report = await cmq_sink(caller, f"http://127.0.0.1:{cmq.port}").send(notice("media-done", QueueAccess()))
    assert (report.delivered, report.status, report.error) == (False, 502, "HTTP 502")
