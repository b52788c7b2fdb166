"""Who is told: what is taken, and what is refused with the member's name."""

from __future__ import annotations

from typing import Any

import pytest

from services.api.domain.errors import ApiError
from services.api.domain.notification import read_notification, read_subscriptions, render_told
from services.api.domain.parsing import parse
from shared.model.pipeline import Notification, NotifyMode, SinkType
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
