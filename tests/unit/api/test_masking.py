"""What the audit log shows of a change."""

from __future__ import annotations

import pytest

from services.api.domain.masking import HIDDEN, difference, masked
from shared.model.pipeline import Notification, SinkType
from tests.builders import a_pipeline


def test_only_what_differs_is_shown() -> None:
    before = {"_id": "1", "version": 3, "name": "a", "status": "disabled", "graph": [1]}
    after = {"_id": "1", "version": 4, "name": "a", "status": "enabled", "graph": [1]}
    assert difference("pipelines", before, after) == ({"status": "disabled"}, {"status": "enabled"})


def test_a_secret_that_changed_is_hidden_on_both_sides() -> None:
    before = {"notification": {"url": "http://a/", "notify_key": "one"}}
    after = {"notification": {"url": "http://a/", "notify_key": "two"}}
    shown = {"notification": {"url": "http://a/", "notify_key": HIDDEN}}
    assert difference("pipelines", before, after) == (shown, shown)


@pytest.mark.parametrize(
    "name", ["secret_key", "SecretKey", "S3SecretKey", "NotifyKey", "password", "access_key", "sealed", "PrivateKey"]
)
def test_members_with_the_name_of_a_secret_are_hidden(name: str) -> None:
    assert masked({"deep": [{name: "hush"}]}) == {"deep": [{name: HIDDEN}]}


@pytest.mark.parametrize("name", ["secret_id", "SecretId", "key", "S3SecretId"])
def test_names_and_object_keys_are_no_secrets(name: str) -> None:
    assert masked({name: "in/a.mp4"}) == ({name: HIDDEN} if name == "S3SecretId" else {name: "in/a.mp4"})


def test_secrets_in_addresses_are_hidden() -> None:
    assert masked("https://ann:pw@host/hook?id=7&token=t0p") == f"https://{HIDDEN}@host/hook?id=7&token={HIDDEN}"


def test_what_is_long_is_measured_and_a_run_is_told_in_short() -> None:
    _, after = difference("runs", None, {"_id": "r", "state": "running", "nodes": ["x" * 10], "input": "y" * 40_000})
    assert after == {"state": "running", "input": "(40002 bytes)"}


def test_secret_of_a_subscription_is_hidden_and_the_key_of_an_object_is_not() -> None:
    told = {"sink": "URL", "mode": "Finish", "target": "http://cb.example/", "key": "k"}
    assert masked({"notification": told})["notification"]["key"] == "***"
    assert masked({"input": {"bucket": "b", "key": "in/a.mp4"}})["input"]["key"] == "in/a.mp4"


def test_no_secret_of_a_subscription_is_shown() -> None:
    given = {"NotifyType": "URL", "NotifyUrl": "http://a/", "NotifyKey": "hush", "AWSSQS": {"S3SecretKey": "hush"}}
    subscription = Notification(
        sink=SinkType.HTTP, target="http://a/", key="hush", access_id="id", access_key="hush", as_given=given
    )
    pipeline = a_pipeline(notification=subscription, more_subscriptions=(subscription,)).model_dump(mode="json")
    _, after = difference("pipelines", None, pipeline)
    assert after is not None
    assert after["notification"]["target"] == "http://a/"
    assert "hush" not in str(after)
