"""Texts of notifications become the structure of the contract, or are refused."""

import json

import pytest
from tencentcloud.mps.v20190612 import models

from services.api.domain.errors import ApiError
from services.api.domain.parse_notification import parse_notification
from shared.mps.render import task_event
from tests.unit.notifier.builders import START, notification, requested, whole_story


def test_an_event_of_ours_comes_back_without_loss():
    run = whole_story(requested(notification())).run
    event = task_event(run, up_to=run.sequence, notify_key="key", now=START)
    parsed = parse_notification(json.dumps(event))
    answer = models.ParseNotificationResponse()
    answer.from_json_string(json.dumps(parsed))
    assert (answer.EventType, answer.ScheduleTaskEvent.TaskId) == ("ScheduleTask", run.id)
    assert (answer.Timestamp, answer.Sign) == (event["Timestamp"], event["Sign"])
    assert len(answer.ScheduleTaskEvent.ActivityResultSet) == len(event["ScheduleTaskEvent"]["ActivityResultSet"])


def test_members_that_the_contract_does_not_know_are_left_out():
    content = {"EventType": "EditMediaTask", "EditMediaTaskEvent": {"TaskId": "1"}, "More": 1, "SessionId": "s"}
    assert parse_notification(json.dumps(content)) == {
        "EventType": "EditMediaTask",
        "EditMediaTaskEvent": {"TaskId": "1"},
        "SessionId": "s",
    }


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"EventType": 1}',
        '{"EventType": "Other", "OtherEvent": {}}',
        '{"EventType": "ScheduleTask"}',
        '{"EventType": "ScheduleTask", "ScheduleTaskEvent": []}',
        '{"EventType": "ScheduleTask", "WorkflowTaskEvent": {}}',
        '{"EventType": "ScheduleTask", "ScheduleTaskEvent": {}, "Timestamp": "soon"}',
        '{"EventType": "ScheduleTask", "ScheduleTaskEvent": {}, "Sign": 1}',
        '{"EventType": "ScheduleTask", "ScheduleTaskEvent": {"A": ' + "[" * 40 + "]" * 40 + "}}",
    ],
)
def test_refused_texts(content):
    with pytest.raises(ApiError) as caught:
        parse_notification(content)
    assert caught.value.wire_code == "InvalidParameterValue.InvalidContent"
    assert caught.value.message.startswith("Content: ")
