"""Through the official SDK: a pipeline is disabled, edited and deleted, and a task aborted, while ffmpeg is at work."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

from tests.e2e.stack import Callbacks, Stack, raw_transcode, wait_for

pytestmark = pytest.mark.timeout(240)


def encoders(stack: Stack) -> list[psutil.Process]:
    """The ffmpeg processes of the workers."""
    found = []
    for child in psutil.Process(stack.pid("workers")).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "ffmpeg" in child.name() and child.status() != psutil.STATUS_ZOMBIE:
                found.append(child)
    return found


@contextlib.contextmanager
def slow_encode(stack: Stack, name: str, **more: Any) -> Iterator[tuple[int, str, psutil.Process]]:
    """A run whose encoder stands still as long as the block lasts: the pipeline, the task, the process."""
    action = raw_transcode(1080, bitrate=2000)
    pipeline = stack.create_pipeline(name, f"/{name}/", [action], OutputDir=f"/{name}-out/", **more)
    stack.upload(f"{name}/clip.mp4")
    process = wait_for("encoder", lambda: encoders(stack))[0]
    process.suspend()
    try:
        yield pipeline, stack.task_of(f"{name}/clip.mp4"), process
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.resume()


def test_a_run_ends_on_its_own_version(stack: Stack) -> None:
    with slow_encode(stack, "in-flight") as (pipeline, task, process):
        stack.call("DisableSchedule", ScheduleId=pipeline)
        other = [
            {"ActivityType": "input", "ReardriveIndex": [1]},
            {**raw_transcode(180), "ReardriveIndex": [2]},
            {"ActivityType": "output"},
        ]
        stack.call("ModifySchedule", ScheduleId=pipeline, Activities=other, OutputDir="/in-flight-other/")
        (shown,) = stack.call("DescribeSchedules", ScheduleIds=[pipeline]).ScheduleInfoSet
        assert (shown.OutputDir, shown.Status) == ("/in-flight-other/", "Disabled")
        stack.upload("in-flight/second.mp4")  # the pipeline is disabled: starts nothing

        # Both versions at the same time: the old run stands still, the new one goes by the new definition.
        source = {"Bucket": stack.bucket, "Region": stack.ready["region"], "Object": "/in-flight/second.mp4"}
        by_hand = stack.call(
            "ProcessMedia", InputInfo={"Type": "COS", "CosInputInfo": source}, ScheduleId=pipeline
        ).TaskId
        stack.call("DeleteSchedule", ScheduleId=pipeline)
        assert stack.call("DescribeSchedules", ScheduleIds=[pipeline]).TotalCount == 0
        assert stack.detail(task).Status == "PROCESSING"
        assert process.status() == psutil.STATUS_STOPPED

    for task_id, path in ((task, "/in-flight-out/clip_1080.mp4"), (by_hand, "/in-flight-other/second_180.mp4")):
        (result,) = stack.finished(task_id, within_s=120).ScheduleTask.ActivityResultSet
        assert result.ActivityResItem.TranscodeTask.Status == "SUCCESS"
        assert result.ActivityResItem.TranscodeTask.Output.Path == path
    assert set(stack.keys("in-flight-out/")) == {"in-flight-out/clip_1080.mp4"}
    assert set(stack.keys("in-flight-other/")) == {"in-flight-other/second_180.mp4"}


def test_an_aborted_task_leaves_no_encoder_and_no_output(stack: Stack, callbacks: Callbacks) -> None:
    told = {"NotifyType": "URL", "NotifyUrl": callbacks.url, "NotifyKey": "k"}
    with slow_encode(stack, "abort", TaskNotifyConfig=told) as (_, task, process):
        stack.call("ManageTask", OperationType="Abort", TaskId=task)
        # A process that stands still does not even hear SIGTERM.
        wait_for("end of the encoder", lambda: not alive(process), within_s=5)
        detail = stack.finished(task, within_s=5)
    assert (detail.ScheduleTask.Status, detail.ScheduleTask.ErrCode) == ("FINISH", 40001)
    assert detail.ScheduleTask.Message.startswith("Cancelled")
    assert detail.ScheduleTask.ActivityResultSet == []
    ((_, body),) = wait_for("callback", lambda: callbacks.of(task))
    assert (body["ScheduleTaskEvent"]["Status"], body["ScheduleTaskEvent"]["ErrCode"]) == ("FINISH", 40001)
    assert stack.keys("abort-out/") == {}
    wait_for("empty scratch", lambda: not list((stack.data / "scratch").glob("*/attempt-*")), within_s=5)
    with pytest.raises(TencentCloudSDKException) as caught:
        stack.call("ManageTask", OperationType="Abort", TaskId=task)
    assert caught.value.get_code() == "InvalidParameterValue.NotProcessingTask"
    stack.create_pipeline("after-abort", "/after-abort/", [raw_transcode(180)], OutputDir="/after-abort-out/")
    stack.upload("after-abort/clip.mp4")
    assert stack.finished(stack.task_of("after-abort/clip.mp4")).ScheduleTask.ErrCode == 0  # the slot is free


def alive(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False
