"""A pipeline that enhances, through the official SDK."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

from tests.e2e.stack import CLIP, Stack
from tests.integration.media.measures import loud

pytestmark = pytest.mark.timeout(240)


def graph(enhance: dict[str, Any]) -> list[dict[str, Any]]:
    raw = {
        "Container": "mp4",
        "VideoTemplate": {"Codec": "h264", "Fps": 25, "Bitrate": 300, "Width": 320, "Height": 0},
        "AudioTemplate": {"Codec": "aac", "Bitrate": 128, "SampleRate": 48000},
        "EnhanceConfig": enhance,
    }
    task = {"Definition": 0, "RawParameter": raw, "OutputObjectPath": "{inputName}.{format}", "EndTimeOffset": 2}
    return [
        {"ActivityType": "input", "ReardriveIndex": [1]},
        {"ActivityType": "action-trans", "ReardriveIndex": [2], "ActivityPara": {"TranscodeTask": task}},
        {"ActivityType": "output"},
    ]


def test_an_enhanced_output_lands_in_the_bucket(stack: Stack, tmp_path: Path) -> None:
    enhance = {
        "VideoEnhance": {"FrameRateWithDen": {"Switch": "ON", "FpsNum": 50}, "Denoise": {"Type": "weak"}},
        "AudioEnhance": {"VolumeBalance": {"Type": "loudNorm"}, "Denoise": {"Switch": "OFF"}},
    }
    stack.create_graph("enhance", "/enhance/", graph(enhance), OutputDir="/enhance-out/")
    stack.upload("enhance/film.mp4", CLIP)
    task = stack.finished(stack.task_of("enhance/film.mp4")).ScheduleTask
    assert (task.ErrCode, task.Status) == (0, "FINISH")
    done = task.ActivityResultSet[0].ActivityResItem.TranscodeTask
    asked = done.Input.RawParameter.EnhanceConfig
    assert asked.VideoEnhance.FrameRateWithDen.FpsNum == 50
    assert asked.AudioEnhance.VolumeBalance.Type == "loudNorm"
    assert done.Output.VideoStreamSet[0].Fps == 50
    path = tmp_path / "film.mp4"
    stack.s3().download_file(stack.bucket, "enhance-out/film.mp4", str(path))
    assert loud(path).level == pytest.approx(-16, abs=1)


@pytest.mark.parametrize(
    ("enhance", "said"),
    [
        ({"VideoEnhance": {"DiffusionEnhance": {"Switch": "ON"}}}, "DiffusionEnhance.*not supported yet"),
        ({"AudioEnhance": {"Separate": {"Switch": "ON"}}}, "Separate.*not supported yet"),
        ({"VideoEnhance": {"EnhanceSceneType": "lecture"}}, "EnhanceSceneType.*not supported yet"),
        ({"VideoEnhance": {"Hdr": {"Switch": "ON"}}}, "BitDepth 10"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(stack: Stack, enhance: dict[str, Any], said: str) -> None:
    with pytest.raises(TencentCloudSDKException, match=said):
        stack.create_graph("refused", "/refused/", graph(enhance), OutputDir="/refused-out/")
