"""A pipeline with rules: the source's width decides which branch runs, and the joins behind them run either way."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import pytest
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

from tests.e2e.stack import CLIP, Stack

pytestmark = pytest.mark.timeout(240)

RULES = {
    "Rules": [{"Id": "wide", "Conditions": [{"Key": "MetaData.Width", "Value": ">=1000"}], "RearDriveIndexs": [2]}],
    "ElseRearDriveIndexs": [3],
}


def snapshot(name: str, *following: int, **extension: Any) -> dict[str, Any]:
    """One picture, with the node's name in that of the file."""
    path = "{inputName}_" + name + "_{number}.{format}"
    task = {"Definition": 10, "ExtTimeOffsetSet": ["0s"], "OutputObjectPath": path}
    return {
        "ActivityType": "action-snapshotByTimeOffset",
        "ReardriveIndex": list(following),
        "ActivityPara": {"SnapshotByTimeOffsetTask": task},
        "Extension": {"Name": name, **extension},
    }


GRAPH = [
    {"ActivityType": "input", "ReardriveIndex": [1]},
    {"ActivityType": "action-exec-rules", "ReardriveIndex": [2, 3], "ActivityPara": {"ExecRulesTask": RULES}},
    snapshot("wide", 4, 5),
    snapshot("narrow", 4, 5),
    snapshot("all", 6),
    snapshot("any", 6, Join="any", Priority=5, Retry={"MaxAttempts": 2}),
    {"ActivityType": "output"},
]


def create(stack: Stack, activities: list[dict[str, Any]]) -> int:
    """The SDK's models know neither extensions nor the else branch; its signed raw call does."""
    trigger = {"Bucket": stack.bucket, "Region": stack.ready["region"], "Dir": "/rules/"}
    request = {
        "ScheduleName": "rules",
        "Trigger": {"Type": "CosFileUpload", "CosFileUploadTrigger": trigger},
        "Activities": activities,
        "OutputDir": "/rules-out/",
    }
    return int(stack.sdk().call_json("CreateSchedule", request)["Response"]["ScheduleId"])


@pytest.fixture(scope="module")
def narrow_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "narrow.mp4"
    source = ["-f", "lavfi", "-i", "testsrc=size=320x180:rate=10:duration=1"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", *source, "-pix_fmt", "yuv420p", str(path)]
    subprocess.run(command, check=True, timeout=60)
    return path


def test_width_chooses_a_branch_and_the_joins_run(stack: Stack, narrow_clip: Path) -> None:
    made = create(stack, GRAPH)
    stack.call("EnableSchedule", ScheduleId=made)
    shown = stack.sdk().call_json("DescribeSchedules", {"ScheduleIds": [made]})["Response"]["ScheduleInfoSet"][0]
    assert [activity.get("Extension") for activity in shown["Activities"]] == [
        activity.get("Extension") for activity in GRAPH
    ]
    assert shown["Activities"][1]["ActivityPara"] == {"ExecRulesTask": RULES}
    assert len(stack.call("DescribeSchedules", ScheduleIds=[made]).ScheduleInfoSet[0].Activities) == len(GRAPH)

    stack.upload("rules/film.mp4", CLIP)
    stack.upload("rules/clip.mp4", narrow_clip)
    for key, chosen, branch in (("rules/film.mp4", 2, "wide"), ("rules/clip.mp4", 3, "narrow")):
        task = stack.finished(stack.task_of(key)).ScheduleTask
        assert (task.ErrCode, task.Status) == (0, "FINISH")
        results = [item.ActivityType for item in task.ActivityResultSet]
        assert results == ["ExecRules", *["SnapshotByTimeOffset"] * 3]
        rules = task.ActivityResultSet[0].ActivityResItem.ExecRuleTask
        assert (rules.Status, rules.Output.RearDriveIndex) == ("SUCCESS", [chosen])
        name = Path(key).stem
        expected = {f"rules-out/{name}_{node}_0.jpg" for node in (branch, "all", "any")}
        assert set(stack.keys(f"rules-out/{name}_")) == expected


def test_an_expression_that_asks_for_what_is_not_there_is_refused_with_its_place(stack: Stack) -> None:
    rules = {
        "Rules": [{"Id": "later", "Expression": "nodes.all.state == 'succeeded'", "RearDriveIndexs": [2, 3]}],
    }
    activities = [*GRAPH]
    activities[1] = {**GRAPH[1], "ActivityPara": {"ExecRulesTask": rules}}
    with pytest.raises(TencentCloudSDKException) as caught:
        create(stack, activities)
    assert caught.value.get_code() == "InvalidParameterValue"
    message = caught.value.get_message()
    assert "Activities[1].ActivityPara.ExecRulesTask.Rules[0].Expression" in message
    assert "line 1, column 7" in message
