"""A file lands in a bucket and comes out transcoded."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import imageio_ffmpeg
import pytest
from tencentcloud.mps.v20190612 import models

from shared.adapters.state_url import open_state
from shared.model import collections
from shared.model.upload import UploadSource
from shared.state.records import Records
from tests.e2e.stack import (
    CLIP,
    SNAPSHOTS,
    SPRITE,
    Callbacks,
    Stack,
    animated,
    raw_transcode,
    sign_is_right,
    snapshots_at,
    transcode,
    wait_for,
)

pytestmark = pytest.mark.timeout(240)


def decodes(path: Path) -> bool:
    import subprocess

    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-i", str(path), "-f", "null", "-"]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    return done.returncode == 0 and not done.stderr.strip()


@pytest.mark.short
def test_upload_runs_the_graph_and_notifies(stack: Stack, callbacks: Callbacks, tmp_path: Path) -> None:
    stack.create_pipeline(
        "whole-path",
        "/whole/",
        [transcode(100010), transcode(100210), SNAPSHOTS, snapshots_at("0s", "50%"), SPRITE, animated(1)],
        OutputDir="/whole-out/",
        TaskNotifyConfig={"NotifyType": "URL", "NotifyMode": "Finish", "NotifyUrl": callbacks.url, "NotifyKey": "k"},
    )
    stack.upload("whole/clip.mp4")
    task = stack.task_of("whole/clip.mp4")
    detail = stack.finished(task)

    results = {item.ActivityType: item.ActivityResItem for item in detail.ScheduleTask.ActivityResultSet}
    assert detail.ScheduleTask.ErrCode == 0
    assert detail.ScheduleTask.MetaData.Width == 1280
    assert len(detail.ScheduleTask.ActivityResultSet) == 6
    for item in detail.ScheduleTask.ActivityResultSet:
        member = next(m for m in vars(item.ActivityResItem).values() if m is not None)
        assert (member.Status, member.ErrCodeExt) == ("SUCCESS", "")
    assert len(results["SampleSnapshot"].SampleSnapshotTask.Output.ImagePathSet) == 10

    keys = stack.keys("whole-out/")
    assert "whole-out/clip_transcode_100010.mp4" in keys
    assert "whole-out/clip_transcode_100210.m3u8" in keys
    assert sum(key.endswith(".jpg") for key in keys) == 13
    sprite = results["ImageSprites"].ImageSpriteTask.Output
    assert (sprite.Width, sprite.Height, sprite.TotalCount) == (142, 80, 1)
    assert sprite.WebVttPath == "/whole-out/clip_imageSprite_10.vtt"
    moving = results["AnimatedGraphics"].AnimatedGraphicTask.Output
    assert moving.Path == "/whole-out/clip_animatedGraphic_20000.gif"
    assert keys["whole-out/clip_animatedGraphic_20000.gif"] == moving.Size
    for key in keys:
        path = tmp_path / key
        path.parent.mkdir(parents=True, exist_ok=True)
        stack.s3().download_file(stack.bucket, key, str(path))
    assert decodes(tmp_path / "whole-out" / "clip_transcode_100010.mp4")
    assert decodes(tmp_path / "whole-out" / "clip_transcode_100210.m3u8")

    wait_for("callback", lambda: callbacks.of(task))
    ((headers, body),) = callbacks.of(task)
    assert sign_is_right(body, "k")
    assert headers["webhook-id"].startswith(task)
    assert body["EventType"] == "ScheduleTask"
    event = models.ParseNotificationResponse()
    event.from_json_string(json.dumps(body))
    assert json.loads(event.ScheduleTaskEvent.to_json_string()) == json.loads(detail.ScheduleTask.to_json_string())


def minio_event(bucket: str, key: str) -> bytes:
    record = {
        "eventVersion": "2.0",
        "eventSource": "minio:s3",
        "eventName": "s3:ObjectCreated:Put",
        "s3": {"bucket": {"name": bucket}, "object": {"key": quote(key, safe=""), "size": 1}},
    }
    return json.dumps({"EventName": "s3:ObjectCreated:Put", "Key": f"{bucket}/{key}", "Records": [record]}).encode()


@pytest.mark.short
async def test_event_and_reconciler_start_one_run(stack: Stack) -> None:
    stack.create_pipeline("one-run", "/one/", [snapshots_at("0s")], OutputDir="/one-out/")
    key = "one/片 段+1%.mp4"
    stack.upload(key)
    for _ in range(5):
        await stack.publish("reelway.uploads.v1", f"{stack.bucket}/{key}", minio_event(stack.bucket, key))
    task = stack.task_of(key)
    stack.finished(task)
    ids = {t.TaskId for status in ("WAITING", "PROCESSING", "FINISH") for t in stack.tasks(status)}
    mine = [i for i in ids if stack.object_of(i) == f"/{key}"]
    assert mine == [task]


async def test_minio_event_starts_the_run_without_the_reconciler(stack: Stack) -> None:
    """The ledger says who was first. The reconciler passes every two seconds and may win once, but not each time."""
    stack.create_pipeline("at-once", "/at-once/", [snapshots_at("0s")], OutputDir="/at-once-out/")
    seen_by = []
    store = await open_state(stack.ready["state"], collections.ALL)
    try:
        for number in range(4):
            key = f"at-once/clip-{number}.mp4"
            stack.upload(key)
            await stack.publish("reelway.uploads.v1", f"{stack.bucket}/{key}", minio_event(stack.bucket, key))
            assert stack.finished(stack.task_of(key)).ScheduleTask.ErrCode == 0
            (record,) = await Records(store).uploads.find({"bucket": stack.bucket, "key": key})
            seen_by.append(record.seen_by)
    finally:
        await store.close()
    assert UploadSource.EVENT in seen_by


def test_outputs_in_the_trigger_directory_start_nothing(stack: Stack) -> None:
    stack.create_pipeline("loop", "/loop/", [raw_transcode(180), snapshots_at("0s")])
    stack.upload("loop/clip.mp4")
    task = stack.task_of("loop/clip.mp4")
    stack.finished(task)
    assert "loop/clip_180.mp4" in stack.keys("loop/")
    # The second upload passes the same reconciler after the outputs did: once it has run, they were looked at.
    stack.upload("loop/second.mp4")
    stack.finished(stack.task_of("loop/second.mp4"))
    inputs = [stack.object_of(t.TaskId) for status in ("WAITING", "PROCESSING", "FINISH") for t in stack.tasks(status)]
    assert sorted(i for i in inputs if i.startswith("/loop/")) == ["/loop/clip.mp4", "/loop/second.mp4"]


def test_bad_sources_fail_clearly_and_the_run_ends(stack: Stack, callbacks: Callbacks, tmp_path: Path) -> None:
    stack.create_pipeline(
        "bad",
        "/bad/",
        [raw_transcode(180), snapshots_at("0s")],
        OutputDir="/bad-out/",
        TaskNotifyConfig={"NotifyType": "URL", "NotifyUrl": callbacks.url},
    )
    text = tmp_path / "text.mp4"
    text.write_text("this is not a film\n" * 100)
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(CLIP.read_bytes()[: CLIP.stat().st_size // 2])
    for path in (text, cut):
        stack.upload(f"bad/{path.name}", path)
    detail = stack.finished(stack.task_of("bad/text.mp4"))
    assert detail.ScheduleTask.ErrCode != 0
    assert detail.ScheduleTask.Message.startswith("SourceFileError")
    assert not detail.ScheduleTask.ActivityResultSet
    task = stack.task_of("bad/cut.mp4")
    detail = stack.finished(task)
    if detail.ScheduleTask.ErrCode == 0:
        failed = [
            item.ActivityResItem.TranscodeTask
            for item in detail.ScheduleTask.ActivityResultSet
            if item.ActivityResItem.TranscodeTask is not None
        ]
        assert [t.Status for t in failed] == ["FAIL"]
        assert failed[0].ErrCodeExt.startswith("SourceFileError")
    else:
        assert detail.ScheduleTask.Message.startswith("SourceFileError")
    ((_, body),) = wait_for("callback", lambda: callbacks.of(task))
    assert body["ScheduleTaskEvent"]["Status"] == "FINISH"
    assert "Sign" not in body


def test_empty_file_starts_nothing_by_upload_and_fails_clearly_by_hand(stack: Stack, tmp_path: Path) -> None:
    pipeline = stack.create_pipeline("empty", "/empty/", [snapshots_at("0s")], OutputDir="/empty-out/")
    nothing = tmp_path / "nothing.mp4"
    nothing.touch()
    stack.upload("empty/nothing.mp4", nothing)
    place = {"Bucket": stack.bucket, "Region": stack.ready["region"], "Object": "/empty/nothing.mp4"}
    by_hand = stack.call("ProcessMedia", InputInfo={"Type": "COS", "CosInputInfo": place}, ScheduleId=pipeline).TaskId
    detail = stack.finished(by_hand)
    assert detail.ScheduleTask.Message.startswith("SourceFileError")
    # A whole file that comes later has passed the same reconciler: the empty one was seen before it.
    stack.upload("empty/clip.mp4")
    stack.finished(stack.task_of("empty/clip.mp4"))
    started = [task.TaskId for status in ("WAITING", "PROCESSING", "FINISH") for task in stack.tasks(status)]
    inputs = [(i, stack.object_of(i)) for i in started]
    assert [i for i, key in inputs if key == "/empty/nothing.mp4"] == [by_hand]


def test_serial_nodes_read_the_output_before_them(stack: Stack) -> None:
    stack.create_graph(
        "chain",
        "/chain/",
        [
            {"ActivityType": "input", "ReardriveIndex": [1]},
            {**raw_transcode(180), "ReardriveIndex": [2]},
            {**snapshots_at("1s"), "ReardriveIndex": [3]},
            {"ActivityType": "output"},
        ],
        OutputDir="/chain-out/",
    )
    stack.upload("chain/clip.mp4")
    detail = stack.finished(stack.task_of("chain/clip.mp4"))
    assert [item.ActivityType for item in detail.ScheduleTask.ActivityResultSet] == [
        "Transcode",
        "SnapshotByTimeOffset",
    ]
    picture = detail.ScheduleTask.ActivityResultSet[1].ActivityResItem.SnapshotByTimeOffsetTask.Output.PicInfoSet[0]
    from io import BytesIO

    from PIL import Image

    body = stack.s3().get_object(Bucket=stack.bucket, Key=picture.Path.removeprefix("/"))["Body"].read()
    assert Image.open(BytesIO(body)).size == (320, 180)


@pytest.mark.short
async def test_poison_messages_go_to_the_dead_letters(stack: Stack) -> None:
    stack.create_pipeline("poison", "/poison/", [snapshots_at("0s")], OutputDir="/poison-out/")
    topics = ["uploads.v1", "runs.v1", "task-events.v1", "run-events.v1", "tasks.light.v1", "tasks.media.v1"]
    for topic in topics:
        await stack.publish(f"reelway.{topic}", "poison", b"\xff\xfe no json")
    stack.upload("poison/clip.mp4")
    stack.finished(stack.task_of("poison/clip.mp4"))
    letters = [json.loads(body) for body in await stack.read_topic("reelway.dead-letters.v1", len(topics))]
    assert {letter["topic"] for letter in letters} == {f"reelway.{topic}" for topic in topics}
    assert all(letter["reason"] for letter in letters)


@pytest.mark.short
async def test_queue_sink_carries_the_same_event(stack: Stack) -> None:
    stack.create_pipeline(
        "queue",
        "/queue/",
        [snapshots_at("0s")],
        OutputDir="/queue-out/",
        TaskNotifyConfig={
            "NotifyType": "TDMQ-CMQ",
            "NotifyMode": "Change",
            "CmqModel": "Queue",
            "QueueName": "media-events",
        },
    )
    stack.upload("queue/clip.mp4")
    task = stack.task_of("queue/clip.mp4")
    stack.finished(task)
    bodies = [json.loads(body) for body in await stack.read_topic("reelway.notify.media-events", 4)]
    assert [body["ScheduleTaskEvent"]["Status"] for body in bodies] == ["PROCESSING"] * 3 + ["FINISH"]
    assert all(body["ScheduleTaskEvent"]["TaskId"] == task for body in bodies)
