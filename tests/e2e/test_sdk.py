"""The official SDK manages pipelines on a running system and gets the right exception for each refused call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.mps.v20190612 import models

from tests.e2e.stack import SNAPSHOTS, Stack, raw_transcode, snapshots_at, transcode

GRAPH = [
    {"ActivityType": "input", "ReardriveIndex": [1]},
    {**transcode(100010), "ReardriveIndex": [2]},
    {"ActivityType": "output"},
]


def refused(call: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(TencentCloudSDKException) as caught:
        call()
    return caught.value.get_code(), caught.value.get_message()


@pytest.mark.short
def test_life_of_a_pipeline(stack: Stack) -> None:
    name = "生命周期_life-1"
    made = stack.create_graph(name, "/life/", GRAPH, enable=False)
    (shown,) = stack.call("DescribeSchedules", ScheduleIds=[made]).ScheduleInfoSet
    assert (shown.ScheduleName, shown.Status, shown.Type) == (name, "Disabled", "Custom")
    assert [activity.PredriveIndex for activity in shown.Activities] == [[], [0], [1]]

    stack.call("EnableSchedule", ScheduleId=made)
    assert stack.call("DescribeSchedules", ScheduleIds=[made], Status="Enabled").TotalCount == 1
    code, message = refused(lambda: stack.call("DeleteSchedule", ScheduleId=made))
    assert (code, "nabled" in message) == ("FailedOperation", True)

    stack.call("DisableSchedule", ScheduleId=made)
    stack.call("DeleteSchedule", ScheduleId=made)
    assert stack.call("DescribeSchedules", ScheduleIds=[made]).TotalCount == 0
    assert refused(lambda: stack.call("EnableSchedule", ScheduleId=made))[0].startswith("ResourceNotFound")


def graph(*activities: dict[str, Any]) -> list[dict[str, Any]]:
    return list(activities)


INPUT = {"ActivityType": "input", "ReardriveIndex": [1]}
OUTPUT = {"ActivityType": "output"}


@pytest.mark.parametrize(
    ("activities", "code", "field"),
    [
        (
            graph(INPUT, {**transcode(100010), "ReardriveIndex": [1, 2]}, OUTPUT),
            "InvalidParameterValue",
            "Activities[1].ReardriveIndex",
        ),
        (
            graph(
                INPUT,
                {**transcode(100010), "ReardriveIndex": [2]},
                {**SNAPSHOTS, "ReardriveIndex": [1, 3]},
                OUTPUT,
            ),
            "InvalidParameterValue",
            "cycle",
        ),
        (
            graph(INPUT, {**transcode(100010), "ReardriveIndex": [9]}, OUTPUT),
            "InvalidParameterValue",
            "Activities[1].ReardriveIndex",
        ),
        (
            graph(INPUT, {**transcode(100010), "ReardriveIndex": [3]}, {**SNAPSHOTS, "ReardriveIndex": [3]}, OUTPUT),
            "InvalidParameterValue",
            "Activities[2]",
        ),
        (
            graph(
                INPUT,
                {"ActivityType": "action-trans", "ReardriveIndex": [2], "ActivityPara": SNAPSHOTS["ActivityPara"]},
                OUTPUT,
            ),
            "InvalidParameterValue",
            "Activities[1].ActivityPara",
        ),
        (
            graph(INPUT, {**transcode(424242), "ReardriveIndex": [2]}, OUTPUT),
            "InvalidParameterValue.Definition",
            "424242",
        ),
        (
            graph(INPUT, {**raw_transcode(99), "ReardriveIndex": [2]}, OUTPUT),
            "InvalidParameterValue",
            "Height",
        ),
        (
            graph(INPUT, {**snapshots_at("soon"), "ReardriveIndex": [2]}, OUTPUT),
            "InvalidParameterValue",
            "ExtTimeOffsetSet",
        ),
    ],
)
def test_bad_graphs_are_refused_with_field_and_rule(
    stack: Stack, activities: list[dict[str, Any]], code: str, field: str
) -> None:
    got, message = refused(lambda: stack.create_graph("bad-graph", "/bad-graph/", activities))
    assert got.startswith(code)
    assert field in message


@pytest.mark.parametrize(
    ("name", "directory", "code"),
    [
        ("bad name!", "/ok/", "InvalidParameterValue.Name"),
        ("x" * 129, "/ok/", "InvalidParameterValue.Name"),
        ("bad-dir", "/no-slash-at-the-end", "InvalidParameterValue"),
        ("bad-dir", "/../up/", "InvalidParameterValue"),
    ],
)
def test_bad_names_and_directories_are_refused(stack: Stack, name: str, directory: str, code: str) -> None:
    assert refused(lambda: stack.create_graph(name, directory, GRAPH))[0] == code


def test_wrong_keys_are_refused(stack: Stack) -> None:
    request = models.DescribeSchedulesRequest()
    wrong = refused(lambda: stack.sdk(secret_key="wrong").DescribeSchedules(request))
    unknown = refused(lambda: stack.sdk(secret_id="AKIDnobody").DescribeSchedules(request))
    assert (wrong[0], unknown[0]) == ("AuthFailure.SignatureFailure", "AuthFailure.SecretIdNotFound")


def test_process_media_runs_a_disabled_pipeline_on_one_object(stack: Stack) -> None:
    made = stack.create_pipeline("by-hand", "/by-hand-trigger/", [snapshots_at("1s")], enable=False)
    stack.upload("elsewhere/clip.mp4")
    started = stack.call(
        "ProcessMedia",
        InputInfo={
            "Type": "COS",
            "CosInputInfo": {
                "Bucket": stack.bucket,
                "Region": stack.ready["region"],
                "Object": "/elsewhere/clip.mp4",
            },
        },
        ScheduleId=made,
        OutputDir="/by-hand-out/",
        SessionId="by-hand-1",
        SessionContext="context",
    )
    detail = stack.finished(started.TaskId)
    assert (detail.TaskType, detail.SessionContext, detail.ScheduleTask.ErrCode) == ("ScheduleTask", "context", 0)
    assert list(stack.keys("by-hand-out/")) == ["by-hand-out/clip_snapshotByTimeOffset_10_0.jpg"]
