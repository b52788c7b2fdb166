"""Who is told: what is taken, and what is refused with the member's name."""

from __future__ import annotations

from typing import Any

import pytest

from services.api.domain.errors import ApiError
from services.api.domain.notification import read_notification, read_subscriptions, render_told
from services.api.domain.parsing import parse
from services.api.domain.sink_rules import SinkRules, check_sinks
from shared.addresses import read_networks
from shared.model.pipeline import Notification, NotifyMode, SinkType, all_subscriptions
from shared.mps.schedule import Subscription, TaskNotifyConfig
from tests.unit.notifier.builders import requested

URL = {"NotifyType": "URL", "NotifyUrl": "https://cb.example/x"}


def read(**members: Any) -> Notification:
    found = read_notification(TaskNotifyConfig.model_validate(members))
    assert found is not None
    return found


def subscribed(*given: dict[str, Any]) -> tuple[Notification, ...]:
    return read_subscriptions([parse(Subscription, one) for one in given])


def refusal(*given: dict[str, Any]) -> str:
    with pytest.raises(ApiError) as refused:
        subscribed(*given)
    return str(refused.value)


def test_queue_and_topic_models() -> None:
    queue = read(QueueName="media-done", CmqRegion="gz")
    assert (queue.sink, queue.target, queue.topic, queue.region) == (SinkType.QUEUE, "media-done", False, "gz")
    topic = read(NotifyType="CMQ", CmqModel="Topic", TopicName="media-done")
    assert (topic.sink, topic.target, topic.topic) == (SinkType.QUEUE, "media-done", True)


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"NotifyType": "URL"}, "NotifyUrl"),
        ({"NotifyType": "URL", "NotifyUrl": "ftp://cb.example/"}, "NotifyUrl"),
        ({"NotifyType": "URL", "NotifyUrl": "//cb.example/"}, "NotifyUrl"),
        ({"NotifyType": "URL", "NotifyUrl": "http://a:b@cb.example/"}, "NotifyUrl"),
        ({"NotifyType": "TDMQ-CMQ"}, "QueueName"),
        ({"CmqModel": "Topic", "QueueName": "q"}, "TopicName"),
        ({"CmqModel": "Stack", "QueueName": "q"}, "CmqModel"),
        ({"QueueName": "9q"}, "QueueName"),
        ({"QueueName": "q", "CmqRegion": "gz/../x"}, "CmqRegion"),
        ({"NotifyType": "MAIL"}, "NotifyType"),
        ({**URL, "NotifyMode": "Often"}, "NotifyMode"),
    ],
)
def test_refused_with_the_field(members: dict[str, Any], field: str) -> None:
    with pytest.raises(ApiError) as refused:
        read(**members)
    assert f"TaskNotifyConfig.{field}" in str(refused.value)


def test_subscriptions_have_names_and_filters() -> None:
    one, two = subscribed(
        {"Name": "audit", **URL, "NotifyMode": "Change", "NodeKinds": ["action-trans", "input"]},
        {"Name": "starts", "NotifyType": "TDMQ-CMQ", "QueueName": "q", "Events": ["run.started", "node.skipped"]},
    )
    assert (one.name, one.mode, one.kinds, one.events) == ("audit", NotifyMode.CHANGE, ("transcode", "input"), None)
    assert (two.name, two.events, two.kinds) == ("starts", ("run.started", "node.skipped"), None)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ([URL], "Subscriptions[0].Name"),
        ([{**URL, "Name": "SCF"}], "Subscriptions[0].Name"),
        ([{**URL, "Name": "a:b"}], "Subscriptions[0].Name"),
        ([{**URL, "Name": "a"}, {**URL, "Name": "a"}], "Subscriptions[1].Name"),
        ([{"Name": "a"}], "Subscriptions[0].NotifyType"),
        ([{**URL, "Name": "a", "Events": ["run.begun"]}], "Subscriptions[0].Events[0]"),
        ([{**URL, "Name": "a", "Events": []}], "Subscriptions[0].Events"),
        ([{**URL, "Name": "a", "Events": ["run.started"], "NotifyMode": "Finish"}], "Subscriptions[0].Events"),
        ([{**URL, "Name": "a", "NodeKinds": ["action-trans"]}], "Subscriptions[0].NodeKinds"),
        ([{**URL, "Name": "a", "NotifyMode": "Change", "NodeKinds": ["trans"]}], "Subscriptions[0].NodeKinds[0]"),
        ([{"Name": "a", "NotifyType": "URL"}], "Subscriptions[0].NotifyUrl"),
        ([{**URL, "Name": f"a{n}"} for n in range(11)], "Subscriptions"),
    ],
)
def test_bad_subscription_is_refused_with_the_field(given: list[dict[str, Any]], field: str) -> None:
    assert field in refusal(*given)


def test_answers_show_subscriptions_only_where_there_are_some() -> None:
    run = requested(read(**URL))
    assert render_told(run) == {"TaskNotifyConfig": URL}
    more = subscribed({"Name": "a", **URL})
    assert render_told(run.with_changes(more_subscriptions=more))["Subscriptions"] == [{"Name": "a", **URL}]


LOOPBACK = SinkRules(read_networks(["127.0.0.0/8"]))
SQS = {"NotifyType": "AWS-SQS", "AwsSQS": {"SQSRegion": "us-east-1", "SQSQueueName": "q"}}


def checked(rules: SinkRules, config: dict[str, Any] | None = None, *more: dict[str, Any]) -> str | None:
    told = all_subscriptions(read(**config) if config else None, subscribed(*more))
    try:
        check_sinks(told, rules, "1250000000")
    except ApiError as refused:
        return str(refused)
    return None


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "LOCALHOST.",
        "x.localhost",
        "2130706433",
        "0177.0.0.1",
        "0x7f000001",
        "0x7f.1",
        "127.1",
        "0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[::]",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "168.63.129.16",
        "10.0.0.1",
        "100.64.0.1",
        "224.0.0.1",
    ],
)
def test_forbidden_address_is_refused_at_save_in_every_notation(host: str) -> None:
    url = f"http://{host}:8080/cb"
    assert "TaskNotifyConfig.NotifyUrl: must not be called" in (
        checked(SinkRules(), {"NotifyType": "URL", "NotifyUrl": url}) or ""
    )
    fine = {"Name": "b", "NotifyType": "URL", "NotifyUrl": "http://cb.example/"}
    said = checked(SinkRules(), None, fine, {**fine, "Name": "a", "NotifyUrl": url})
    assert (said or "").startswith("Subscriptions[1].NotifyUrl: must not be called")


@pytest.mark.parametrize(
    "url", ["https://cb.example/", "http://8.8.8.8/", "http://[2606:4700::1111]/", "http://a.b.c/"]
)
def test_public_addresses_and_names_are_taken(url: str) -> None:
    assert checked(SinkRules(), {"NotifyType": "URL", "NotifyUrl": url}) is None


def test_allowed_network_is_taken_in_every_notation() -> None:
    for host in ("127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"):
        assert checked(LOOPBACK, {"NotifyType": "URL", "NotifyUrl": f"http://{host}/"}) is None
    assert checked(LOOPBACK, {"NotifyType": "URL", "NotifyUrl": "http://10.0.0.1/"}) is not None


def test_function_needs_one_for_the_account() -> None:
    assert "TaskNotifyConfig.NotifyType: SCF needs a function" in (checked(SinkRules(), {"NotifyType": "SCF"}) or "")
    assert checked(SinkRules(functions=frozenset({"1250000000"})), {"NotifyType": "SCF"}) is None
    assert checked(SinkRules(functions=frozenset({"*"})), {"NotifyType": "SCF"}) is None
    assert checked(SinkRules(functions=frozenset({"2"})), {"NotifyType": "SCF"}) is not None


def test_sqs_needs_keys_of_its_own_or_of_the_settings() -> None:
    assert "AwsSQS.S3SecretId: is required" in (checked(SinkRules(), SQS) or "")
    assert checked(SinkRules(sqs_keys=True), SQS) is None
    keys = {"S3SecretId": "i", "S3SecretKey": "k"}
    assert checked(SinkRules(), {**SQS, "AwsSQS": {**SQS["AwsSQS"], **keys}}) is None  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("queue", "field"),
    [
        (None, "AwsSQS:"),
        ({"SQSQueueName": "q/../x", "SQSRegion": "us-east-1"}, "AwsSQS.SQSQueueName"),
        ({"SQSQueueName": "q", "SQSRegion": "evil.example/"}, "AwsSQS.SQSRegion"),
        ({"SQSQueueName": "q", "SQSRegion": "us-east-1", "S3SecretId": "i"}, "AwsSQS.S3SecretKey"),
        ({"SQSQueueName": "q", "SQSRegion": "us-east-1", "S3SecretId": "i", "S3SecretKey": "******"}, "S3SecretKey"),
    ],
)
def test_sqs_is_refused_with_the_field(queue: dict[str, str] | None, field: str) -> None:
    with pytest.raises(ApiError) as refused:
        read(NotifyType="AWS-SQS", **({"AwsSQS": queue} if queue else {}))
    assert field in str(refused.value)


def test_keys_of_a_queue_are_hidden_in_answers_and_kept_for_the_work() -> None:
    told = read(
        NotifyType="AWS-SQS",
        AwsSQS={"SQSRegion": "us-east-1", "SQSQueueName": "q", "S3SecretId": "i", "S3SecretKey": "s3cret"},
    )
    assert (told.access_id, told.access_key, told.region) == ("i", "s3cret", "us-east-1")
    assert "s3cret" not in str(render_told(requested(told)))
    assert "s3cret" not in repr(told)


def test_cmq_that_is_called_by_region_needs_one() -> None:
    rules = SinkRules(cmq_region=True)
    assert "TaskNotifyConfig.CmqRegion: is required" in (checked(rules, {"QueueName": "q"}) or "")
    assert checked(rules, {"QueueName": "q", "CmqRegion": "gz"}) is None
