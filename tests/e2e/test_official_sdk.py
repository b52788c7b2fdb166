"""The unchanged official SDK drives a running system: every action that is implemented, by POST and GET, with TC3 and
the older v1 signatures; and each refused call raises the right code."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

from tests.e2e.stack import Callbacks, Stack, raw_transcode, sign_is_right, wait_for

KEY = "official-key"
WAYS = [("TC3-HMAC-SHA256", "POST"), ("TC3-HMAC-SHA256", "GET"), ("HmacSHA256", "POST"), ("HmacSHA1", "GET")]


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
