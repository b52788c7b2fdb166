"""Quality control decides which branch runs: upload a good and a bad film, look at what came of each."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import pytest
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

from tests.e2e.stack import CLIP, Stack

pytestmark = pytest.mark.timeout(240)


def snapshot(name: str) -> dict[str, Any]:
    task = {"Definition": 10, "ExtTimeOffsetSet": ["0s"], "OutputObjectPath": "{inputName}_" + name + ".{format}"}
    return {
        "ActivityType": "action-snapshotByTimeOffset",
        "ReardriveIndex": [5],
        "ActivityPara": {"SnapshotByTimeOffsetTask": task},
    }


def graph(key: str, good: str, bad: str) -> list[dict[str, Any]]:
    """input -> quality control -> rules -> good (3) or bad (4) -> output."""
    rules = [
        {"Id": "good", "Conditions": [{"Key": key, "Value": good}], "RearDriveIndexs": [3]},
        {"Id": "bad", "Conditions": [{"Key": key, "Value": bad}], "RearDriveIndexs": [4]},
    ]
    return [
        {"ActivityType": "input", "ReardriveIndex": [1]},
        {
            "ActivityType": "action-AIQualityControl",
            "ReardriveIndex": [2],
            "ActivityPara": {"QualityControlTask": {"Definition": 10}},
        },
        {
            "ActivityType": "action-exec-rules",
            "ReardriveIndex": [3, 4],
            "ActivityPara": {"ExecRulesTask": {"Rules": rules}},
        },
        snapshot("good"),
        snapshot("bad"),
        {"ActivityType": "output"},
    ]


@pytest.fixture(scope="module")
def black_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "black.mp4"
    source = ["-f", "lavfi", "-i", "color=black:size=320x180:rate=10:duration=3"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", *source, "-pix_fmt", "yuv420p", str(path)]
    subprocess.run(command, check=True, timeout=60)
    return path


def test_quality_chooses_the_branch(stack: Stack, black_clip: Path) -> None:
    stack.create_graph("quality", "/quality/", graph("SolidColorScreen", "==0", ">=80"), OutputDir="/quality-out/")
    stack.upload("quality/film.mp4", CLIP)
    stack.upload("quality/night.mp4", black_clip)
    for key, chosen, branch in (("quality/film.mp4", 3, "good"), ("quality/night.mp4", 4, "bad")):
        task = stack.finished(stack.task_of(key)).ScheduleTask
        assert (task.ErrCode, task.Status) == (0, "FINISH")
        assert [item.ActivityType for item in task.ActivityResultSet] == [
            "AiQualityControl",
            "ExecRules",
            "SnapshotByTimeOffset",
        ]
        quality = task.ActivityResultSet[0].ActivityResItem.QualityControlTask
        assert (quality.Status, quality.Progress, quality.Input.Definition) == ("SUCCESS", 100, 10)
        assert quality.Output.NoVideo is False
        assert task.ActivityResultSet[1].ActivityResItem.ExecRuleTask.Output.RearDriveIndex == [chosen]
        assert list(stack.keys(f"quality-out/{Path(key).stem}_")) == [f"quality-out/{Path(key).stem}_{branch}.jpg"]
        if branch == "good":
            assert quality.Output.QualityEvaluationScore > 60
            assert not quality.Output.QualityControlResultSet
        else:
            assert quality.Output.NoAudio is True
            black = next(each for each in quality.Output.QualityControlResultSet if each.Type == "SolidColorScreen")
            (item,) = black.QualityControlItems
            assert (item.StartTimeOffset, item.EndTimeOffset) == pytest.approx((0, 3), abs=0.1)
            assert list(item.AreaCoordSet) == [0, 0, 320, 180]
            assert {each.Type for each in quality.Output.ContainerDiagnoseResultSet} >= {"AudioStreamLack"}


def test_a_rule_on_what_nobody_looks_for_is_refused(stack: Stack) -> None:
    with pytest.raises(TencentCloudSDKException, match="QRCode is not supported yet"):
        stack.create_graph("codes", "/codes/", graph("QRCode", "==0", ">=80"), OutputDir="/codes-out/")
