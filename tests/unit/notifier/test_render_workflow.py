"""A run of media tasks side by side is the contract's WorkflowTask."""

from __future__ import annotations

import json
import warnings

import orjson
import pytest
from tencentcloud.mps.v20190612 import models

from services.notifier.domain.short import TOO_LONG, shortened
from shared.model.pipeline import Node, TaskType
from shared.model.run import Run
from shared.model.task import NodeResult
from shared.mps.render import mps_task, task_event
from tests.unit.notifier.builders import DAMAGED, KEY, MOVING, START, TRANSCODE, Story, notification, requested

RUN_ID = "1250000000-WorkflowTask-774f1010aa6e4a6f9c3d2b1e0f5a7c981tt0"
QUALITY = NodeResult(echo={"Definition": 10, "ChannelExtPara": ""}, payload={"NoAudio": False, "NoVideo": False})
NODES = (
    Node(kind="input", successors=(1, 2, 3)),
    Node(kind="transcode", params=TRANSCODE, successors=(4,)),
    Node(kind="animated_graphics", params=MOVING, successors=(4,)),
    Node(kind="quality_control", params={"Definition": 10}, successors=(4,)),
    Node(kind="output"),
)


@pytest.fixture
def run() -> Run:
    asked = requested(notification(), RUN_ID, NODES, task_type=TaskType.WORKFLOW)
    story = Story(asked).started().succeeded(0, 1, 2, 3).succeeded(1).failed(2, DAMAGED)
    return story.succeeded(3, result=QUALITY).finished().run


def parsed(run: Run) -> models.ParseNotificationResponse:
    event = task_event(run, up_to=run.sequence, notify_key=KEY, now=START)
    answer = models.ParseNotificationResponse()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        answer.from_json_string(json.dumps(event))
    return answer


def test_the_event_is_the_contracts_and_says_what_the_detail_says(run: Run) -> None:
    event = task_event(run, up_to=run.sequence, notify_key=None, now=START)
    assert list(event) == ["EventType", "WorkflowTaskEvent", "SessionId", "SessionContext"]
    assert event["WorkflowTaskEvent"] == mps_task(run)


def test_results_stand_by_their_type(run: Run) -> None:
    answer = parsed(run)
    assert (answer.EventType, answer.ScheduleTaskEvent) == ("WorkflowTask", None)
    task = answer.WorkflowTaskEvent
    assert (task.TaskId, task.Status, task.ErrCode) == (RUN_ID, "FINISH", 0)
    transcode, moving = task.MediaProcessResultSet
    assert (transcode.Type, transcode.TranscodeTask.Status) == ("Transcode", "SUCCESS")
    assert transcode.TranscodeTask.Output.Path == "/out/clip_transcode_100020.mp4"
    assert (moving.Type, moving.AnimatedGraphicTask.Status) == ("AnimatedGraphics", "FAIL")
    assert moving.AnimatedGraphicTask.ErrCodeExt == DAMAGED.code.value
    assert moving.TranscodeTask is None
    quality = task.AiQualityControlTaskResult
    assert (quality.Status, quality.Output.NoAudio) == ("SUCCESS", False)


def test_an_event_that_is_too_long_loses_its_results_and_says_so(run: Run) -> None:
    event = task_event(run, up_to=run.sequence, notify_key=None, now=START)
    whole = orjson.dumps(event)
    task = orjson.loads(shortened(whole, len(whole) - 1, "queue"))["WorkflowTaskEvent"]
    assert (task["MediaProcessResultSet"], task["AiQualityControlTaskResult"]) == ([], None)
    assert (task["SmartSubtitlesTaskResult"], task["Message"]) == ([], TOO_LONG.format(sink="queue"))
