"""The unchanged official SDK drives a running system: every action that is implemented, by POST and GET, with TC3 and
the older v1 signatures; and each refused call raises the right code."""

from __future__ import annotations

import base64
import io
import json
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

from services.api.actions.registry import ACTIONS
from services.api.domain.templates import FAMILIES
from tests.e2e.stack import Callbacks, Stack, raw_transcode, sign_is_right, snapshots_at, wait_for
from tests.integration.api.test_sdk_templates import CHANGE, CREATE

KEY = "official-key"
WAYS = [
    ("TC3-HMAC-SHA256", "POST"),
    ("TC3-HMAC-SHA256", "GET"),
    ("HmacSHA256", "POST"),
    ("HmacSHA1", "GET"),
    # The rest of what can be combined.
    pytest.param("HmacSHA256", "GET", marks=pytest.mark.slow),
    pytest.param("HmacSHA1", "POST", marks=pytest.mark.slow),
]
TEMPLATES = [family.name for family in FAMILIES]


def refused(call: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(TencentCloudSDKException) as caught:
        call()
    return caught.value.get_code(), caught.value.get_message()


def input_of(stack: Stack, key: str) -> dict[str, Any]:
    place = {"Bucket": stack.bucket, "Region": stack.ready["region"], "Object": f"/{key}"}
    return {"Type": "COS", "CosInputInfo": place}


@pytest.fixture(scope="module")
def clip(stack: Stack) -> str:
    """A small clip in the bucket."""
    stack.upload("official/clip.mp4")
    return "official/clip.mp4"


@pytest.mark.short
def test_media_tasks_without_a_schedule(stack: Stack, clip: str, callbacks: Callbacks) -> None:
    transcode = raw_transcode(144)["ActivityPara"]["TranscodeTask"]
    started = stack.call(
        "ProcessMedia",
        InputInfo=input_of(stack, clip),
        MediaProcessTask={
            "TranscodeTaskSet": [transcode],
            "SnapshotByTimeOffsetTaskSet": [{"Definition": 10, "ExtTimeOffsetSet": ["0.5s"]}],
            "AnimatedGraphicTaskSet": [{"Definition": 20000, "StartTimeOffset": 0, "EndTimeOffset": 0.5}],
        },
        AiQualityControlTask={"Definition": 20},
        OutputDir="/official-out/",
        TasksPriority=3,
        SessionContext="context",
        TaskNotifyConfig={"NotifyType": "URL", "NotifyUrl": callbacks.url, "NotifyKey": KEY},
    )
    assert started.TaskId.split("-")[1] == "WorkflowTask"
    detail = stack.finished(started.TaskId)
    task = detail.WorkflowTask
    assert (detail.TaskType, task.ErrCode, detail.TasksPriority) == ("WorkflowTask", 0, 3)
    results = {result.Type: result for result in task.MediaProcessResultSet}
    assert list(results) == ["Transcode", "AnimatedGraphics", "SnapshotByTimeOffset"]
    assert results["Transcode"].TranscodeTask.Output.Height == 144
    assert results["SnapshotByTimeOffset"].SnapshotByTimeOffsetTask.Output.PicInfoSet[0].TimeOffset == 0.5
    assert task.AiQualityControlTaskResult.Status == "SUCCESS"
    assert task.MetaData.VideoStreamSet[0].Codec == "h264"
    assert len(stack.keys("official-out/")) == 3

    def told() -> Any:
        found = [body for _, body in list(callbacks.received) if body["EventType"] == "WorkflowTask"]
        return next((body for body in found if body["WorkflowTaskEvent"]["TaskId"] == started.TaskId), None)

    body = wait_for("callback", told)
    assert sign_is_right(body, KEY)
    assert body["SessionContext"] == "context"
    parsed = stack.call("ParseNotification", Content=json.dumps(body))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert parsed.WorkflowTaskEvent._serialize() == task._serialize()


@pytest.mark.short
@pytest.mark.parametrize(("sign", "method"), WAYS)
def test_metadata_of_an_object(stack: Stack, clip: str, sign: str, method: str) -> None:
    data = stack.call("DescribeMediaMetaData", _sdk={"sign": sign, "method": method}, InputInfo=input_of(stack, clip))
    assert data.MetaData.Size == stack.keys(clip)[clip]
    assert data.MetaData.VideoStreamSet[0].Codec == "h264"
    assert data.MetaData.Duration > 1


def test_metadata_of_what_is_no_media(stack: Stack) -> None:
    stack.s3().put_object(Bucket=stack.bucket, Key="official/text.mp4", Body=b"not a film " * 50)
    code, message = refused(lambda: stack.call("DescribeMediaMetaData", InputInfo=input_of(stack, "official/text.mp4")))
    assert (code, "cannot be read as media" in message) == ("InvalidParameterValue.SrcFile", True)


@pytest.mark.short
def test_an_upload_into_a_legacy_workflow(stack: Stack) -> None:
    place = {"Bucket": stack.bucket, "Region": stack.ready["region"], "Dir": "/legacy/"}
    made = stack.call(
        "CreateWorkflow",
        WorkflowName="legacy_工作流",
        Trigger={"Type": "CosFileUpload", "CosFileUploadTrigger": place},
        MediaProcessTask={"SnapshotByTimeOffsetTaskSet": [{"Definition": 10, "ExtTimeOffsetSet": ["0s"]}]},
        OutputDir="/legacy-out/",
    )
    stack.call("EnableWorkflow", WorkflowId=made.WorkflowId)
    stack.upload("legacy/clip.mp4")
    task = stack.finished(stack.task_of("legacy/clip.mp4")).WorkflowTask
    (result,) = task.MediaProcessResultSet
    assert result.SnapshotByTimeOffsetTask.Status == "SUCCESS"
    assert list(stack.keys("legacy-out/")) == ["legacy-out/clip_snapshotByTimeOffset_10_0.jpg"]
    stack.call("DisableWorkflow", WorkflowId=made.WorkflowId)
    stack.call("DeleteWorkflow", WorkflowId=made.WorkflowId)


class Walk:
    """Calls actions in one way and remembers which."""

    def __init__(self, stack: Stack, sign: str, method: str) -> None:
        self.stack = stack
        self.way = {"sign": sign, "method": method}
        self.called: set[str] = set()

    def __call__(self, action: str, **members: Any) -> Any:
        self.called.add(action)
        return self.stack.call(action, self.way, **members)


def trigger(stack: Stack, directory: str) -> dict[str, Any]:
    place = {"Bucket": stack.bucket, "Region": stack.ready["region"], "Dir": directory}
    return {"Type": "CosFileUpload", "CosFileUploadTrigger": place}


def graph(action: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"ActivityType": "input", "ReardriveIndex": [1]},
        {**action, "ReardriveIndex": [2]},
        {"ActivityType": "output"},
    ]


def schedules(call: Walk, clip: str) -> None:
    """Made, shown, changed, run by hand, removed."""
    made = call(
        "CreateSchedule",
        ScheduleName="官方_official",
        Trigger=trigger(call.stack, "/official-never/"),
        Activities=graph(snapshots_at("0s")),
    )
    number = {"ScheduleId": made.ScheduleId}
    call("EnableSchedule", **number)
    call("DisableSchedule", **number)
    call("ModifySchedule", **number, OutputDir="/official-sdk-out/")
    (shown,) = call("DescribeSchedules", ScheduleIds=[made.ScheduleId]).ScheduleInfoSet
    assert (shown.ScheduleName, shown.Status, shown.OutputDir) == ("官方_official", "Disabled", "/official-sdk-out/")
    source = input_of(call.stack, clip)
    task = call("ProcessMedia", InputInfo=source, **number, SessionContext="谁").TaskId
    detail = wait_for("its end", lambda: _ended(call, task))
    assert (detail.SessionContext, detail.ScheduleTask.ErrCode) == ("谁", 0)
    assert task in [one.TaskId for one in call("DescribeTasks", Status="FINISH", Limit=100).TaskSet]
    call("DeleteSchedule", **number)

    # Long enough to be stopped while it is at work.
    long = raw_transcode(1080, bitrate=4000)
    task = call("ProcessMedia", InputInfo=source, Activities=graph(long), OutputDir="/official-sdk-out/").TaskId
    call("ManageTask", OperationType="Abort", TaskId=task)
    assert wait_for("its end", lambda: _ended(call, task)).ScheduleTask.ErrCode == 40001


def _ended(call: Walk, task: str) -> Any:
    detail = call("DescribeTaskDetail", TaskId=task)
    return detail if detail.Status == "FINISH" else None


def workflows(call: Walk) -> None:
    """Made, shown, made anew, removed."""
    tasks = {"SampleSnapshotTaskSet": [{"Definition": 10}]}
    request = {"Trigger": trigger(call.stack, "/official-never/"), "MediaProcessTask": tasks}
    made = call("CreateWorkflow", WorkflowName="official-old", **request)
    number = {"WorkflowId": made.WorkflowId}
    call("EnableWorkflow", **number)
    call("DisableWorkflow", **number)
    call("ResetWorkflow", **number, WorkflowName="official-new", **request)
    (shown,) = call("DescribeWorkflows", WorkflowIds=[made.WorkflowId]).WorkflowInfoSet
    assert (shown.WorkflowName, shown.Status) == ("official-new", "Disabled")
    assert shown.MediaProcessTask.SampleSnapshotTaskSet[0].Definition == 10
    call("DeleteWorkflow", **number)


def templates(call: Walk) -> None:
    """Of every kind: made, changed, shown, removed."""
    for name in TEMPLATES:
        made = call(f"Create{name}Template", **CREATE[name], Name="official", Comment="kept")
        change, path, value = CHANGE[name]
        call(f"Modify{name}Template", Definition=made.Definition, **change)
        answer = call(f"Describe{name}Templates", Definitions=[made.Definition])
        (found,) = getattr(answer, f"{name}TemplateSet")
        for member in path:
            found = getattr(found, member)
        assert found == value, name
        call(f"Delete{name}Template", Definition=made.Definition)


def samples(call: Walk) -> None:
    """Words and a person: made, changed, shown, removed."""
    call("CreateWordSamples", Usages=["All"], Words=[{"Keyword": "官方", "Tags": ["a"]}])
    call("ModifyWordSample", Keyword="官方", TagOperationInfo={"Type": "add", "Tags": ["b"]})
    (word,) = call("DescribeWordSamples", Keywords=["官方"]).WordSet
    assert word.TagSet == ["a", "b"]
    call("DeleteWordSamples", Keywords=["官方"])

    stream = io.BytesIO()
    Image.new("RGB", (200, 200), "red").save(stream, "PNG")
    photo = base64.b64encode(stream.getvalue()).decode()
    person = call("CreatePersonSample", Name="张三", Usages=["Recognition"], FaceContents=[photo]).Person
    call("ModifyPersonSample", PersonId=person.PersonId, Name="李四")
    (shown,) = call("DescribePersonSamples", PersonIds=[person.PersonId]).PersonSet
    assert (shown.Name, len(shown.FaceInfoSet)) == ("李四", 1)
    call("DeletePersonSample", PersonId=person.PersonId)


@pytest.mark.parametrize(("sign", "method"), WAYS)
def test_every_action_in_every_way(stack: Stack, clip: str, sign: str, method: str) -> None:
    call = Walk(stack, sign, method)
    schedules(call, clip)
    workflows(call)
    templates(call)
    samples(call)
    assert call("DescribeMediaMetaData", InputInfo=input_of(stack, clip)).MetaData.Size > 0
    event = {"EventType": "WorkflowTask", "WorkflowTaskEvent": {"TaskId": "1-WorkflowTask-1"}}
    assert call("ParseNotification", Content=json.dumps(event)).WorkflowTaskEvent.TaskId == "1-WorkflowTask-1"
    assert call.called == set(ACTIONS)


VALUE, MISSING, NOWHERE = "InvalidParameterValue", "MissingParameter", "ResourceNotFound"
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "CreateSchedule": ({"ScheduleName": "a b"}, MISSING),
    "ModifySchedule": ({"ScheduleId": 1, "ScheduleName": "x"}, NOWHERE),
    "DescribeSchedules": ({"Limit": 101}, f"{VALUE}.Limit"),
    "EnableSchedule": ({"ScheduleId": 1}, NOWHERE),
    "DisableSchedule": ({"ScheduleId": 1}, NOWHERE),
    "DeleteSchedule": ({"ScheduleId": 1}, NOWHERE),
    "ProcessMedia": ({}, MISSING),
    "ManageTask": ({"OperationType": "Pause", "TaskId": "x"}, f"{VALUE}.InvalidOperationType"),
    "DescribeTaskDetail": ({"TaskId": "nobody"}, f"{VALUE}.TaskId"),
    "DescribeTasks": ({"Status": "DONE"}, VALUE),
    "CreateWorkflow": ({"WorkflowName": "x"}, MISSING),
    "ResetWorkflow": ({"WorkflowId": 1}, MISSING),
    "DescribeWorkflows": ({"Limit": 0}, f"{VALUE}.Limit"),
    "EnableWorkflow": ({"WorkflowId": 1}, NOWHERE),
    "DisableWorkflow": ({"WorkflowId": 1}, NOWHERE),
    "DeleteWorkflow": ({"WorkflowId": 1}, NOWHERE),
    "DescribeMediaMetaData": ({"InputInfo": {"Type": "COS"}}, MISSING),
    "ParseNotification": ({"Content": "{"}, f"{VALUE}.InvalidContent"),
    "CreateWordSamples": ({"Usages": ["Face"], "Words": [{"Keyword": "w"}]}, VALUE),
    "ModifyWordSample": ({"Keyword": "nobody"}, f"{NOWHERE}.Word"),
    "DeleteWordSamples": ({"Keywords": ["nobody"]}, f"{NOWHERE}.Word"),
    "DescribeWordSamples": ({"Limit": 101}, f"{VALUE}.Limit"),
    "CreatePersonSample": ({"Name": "a", "Usages": ["All"], "FaceContents": ["?"]}, f"{VALUE}.PicFormatError"),
    "ModifyPersonSample": ({"PersonId": "nobody"}, f"{NOWHERE}.Person"),
    "DeletePersonSample": ({"PersonId": "nobody"}, f"{NOWHERE}.Person"),
    "DescribePersonSamples": ({"Type": "Other"}, VALUE),
}
for _name in TEMPLATES:
    REFUSED |= {
        f"Create{_name}Template": ({"Name": "x" * 65}, f"{VALUE}.Name"),
        f"Modify{_name}Template": ({"Definition": 1_999_999}, f"{NOWHERE}.TemplateNotExist"),
        f"Delete{_name}Template": ({"Definition": 1_999_999}, f"{NOWHERE}.TemplateNotExist"),
        f"Describe{_name}Templates": ({"Limit": 101}, f"{VALUE}.Limit"),
    }


@pytest.mark.parametrize(("sign", "method"), WAYS)
def test_every_action_refuses_with_its_code(stack: Stack, sign: str, method: str) -> None:
    call = Walk(stack, sign, method)
    assert set(REFUSED) == set(ACTIONS)
    for action, (members, code) in REFUSED.items():
        assert refused(lambda action=action, members=members: call(action, **members))[0] == code, action


@pytest.mark.parametrize(("sign", "method"), WAYS)
def test_wrong_keys_are_refused_in_every_way(stack: Stack, sign: str, method: str) -> None:
    way = {"sign": sign, "method": method}
    wrong = refused(lambda: stack.call("DescribeSchedules", {**way, "secret_key": "wrong"}))
    unknown = refused(lambda: stack.call("DescribeSchedules", {**way, "secret_id": "AKIDnobody"}))
    assert (wrong[0], unknown[0]) == ("AuthFailure.SignatureFailure", "AuthFailure.SecretIdNotFound")
