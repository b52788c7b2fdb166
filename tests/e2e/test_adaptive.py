"""A file lands in a bucket and comes out as ladders that play: encrypted HLS beside the input, and DASH."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.stack import Callbacks, Stack, wait_for
from tests.integration.media.streaming_validator import validate_dash, validate_hls

pytestmark = pytest.mark.timeout(240)
KEY = "00112233445566778899aabbccddeeff"
AUDIO = {"Codec": "aac", "Bitrate": 48, "SampleRate": 44100}


def ladder(definition: int, **more: Any) -> dict[str, Any]:
    infos = [
        {"Video": {"Codec": "h264", "Fps": 24, "Bitrate": kbps, "Height": height, "HlsTime": 2}, "Audio": AUDIO}
        for height, kbps in ((128, 150), (180, 300))
    ]
    return {
        "ActivityType": "action-adaptive-substream",
        "ActivityPara": {
            "AdaptiveDynamicStreamingTask": {"Definition": definition, "StdExtStreamInfos": infos, **more}
        },
    }


def test_ladders_play_from_the_bucket_and_start_nothing(stack: Stack, callbacks: Callbacks, tmp_path: Path) -> None:
    drm = {"Type": "simpleaes", "SimpleAesDrm": {"Uri": "https://keys.example/film", "Key": KEY}}
    stack.create_pipeline(
        "ladders",
        "/ladders/",
        [ladder(12, DrmInfo=drm), ladder(20)],
        TaskNotifyConfig={"NotifyType": "URL", "NotifyMode": "Finish", "NotifyUrl": callbacks.url},
    )
    stack.upload("ladders/clip.mp4")
    task = stack.task_of("ladders/clip.mp4")
    detail = stack.finished(task)
    results = [item.ActivityResItem.AdaptiveDynamicStreamingTask for item in detail.ScheduleTask.ActivityResultSet]
    assert [(result.Status, result.Message) for result in results] == [("SUCCESS", "SUCCESS")] * 2
    assert [(result.Output.Package, result.Output.Path) for result in results] == [
        ("HLS", "/ladders/clip_adaptiveDynamicStreaming_12.m3u8"),
        ("MPEG-DASH", "/ladders/clip_adaptiveDynamicStreaming_20.mpd"),
    ]
    for key in stack.keys("ladders/"):
        (tmp_path / key).parent.mkdir(exist_ok=True)
        stack.s3().download_file(stack.bucket, key, str(tmp_path / key))
    variants, _ = validate_hls(tmp_path, results[0].Output.Path[1:], bytes.fromhex(KEY))
    assert all(each.encrypted for each in variants)
    assert [each.size for each in variants] == [(228, 128), (320, 180)]
    assert len(validate_dash(tmp_path, results[1].Output.Path[1:])) == 3

    ((_, body),) = wait_for("callback", lambda: callbacks.of(task, "FINISH"))
    assert KEY not in str(body), "who is notified need not know the key"
    assert len(stack.keys("ladders/")) == len(list((tmp_path / "ladders").iterdir())), "outputs start nothing"
