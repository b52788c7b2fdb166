"""ProcessMedia with media tasks and no graph: a WorkflowTask whose tasks all stand side by side."""

import pytest

from shared.model.run import RunState
from tests.integration.api.stand import BUCKET, REGION, TENANT

VALUE = "InvalidParameterValue"
INPUT = {"Type": "COS", "CosInputInfo": {"Bucket": BUCKET, "Region": REGION, "Object": "/in/a.mp4"}}
TASKS = {
    "TranscodeTaskSet": [{"Definition": 100010}, {"Definition": 100020, "StartTimeOffset": 1.5}],
    "AnimatedGraphicTaskSet": [{"Definition": 20000, "StartTimeOffset": 0, "EndTimeOffset": 2}],
    "SnapshotByTimeOffsetTaskSet": [{"Definition": 10, "ExtTimeOffsetSet": ["1s", "50%"]}],
    "SampleSnapshotTaskSet": [{"Definition": 10}],
    "ImageSpriteTaskSet": [{"Definition": 10}],
    "AdaptiveDynamicStreamingTaskSet": [{"Definition": 10}],
}


@pytest.fixture(autouse=True)
def _there(stand):
    stand.objects.put(BUCKET, "in/a.mp4")


async def process(stand, _client=None, **members):
    return (await stand.call("ProcessMedia", {"InputInfo": INPUT, **members}, **(_client or {}))).TaskId


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_every_kind_of_task_becomes_a_node_beside_the_others(stand, method):
    told = {"NotifyType": "URL", "NotifyUrl": "http://cb.local/", "NotifyMode": "Change"}
    task = await process(
        stand,
        {"method": method},
        MediaProcessTask=TASKS,
        AiQualityControlTask={"Definition": 10},
        TaskNotifyConfig=told,
        TasksPriority=7,
        SessionId="s-1",
        SessionContext="谁",
        OutputDir="/out/",
    )
    assert task.split("-")[:2] == [TENANT, "WorkflowTask"]
    run = await stand.records.runs.get(task)
    assert [node.kind for node in run.nodes] == [
        "input",
        "transcode",
        "transcode",
        "animated_graphics",
        "snapshot_by_time",
        "sample_snapshot",
        "image_sprite",
        "adaptive_streaming",
        "quality_control",
        "output",
    ]
    assert run.nodes[0].successors == tuple(range(1, 9))
    assert {node.successors for node in run.nodes[1:9]} == {(9,)}
    assert run.nodes[2].params == TASKS["TranscodeTaskSet"][1]
    assert (run.priority, run.target.dir, run.notification.target) == (7, "/out/", "http://cb.local/")

    detail = await stand.call("DescribeTaskDetail", {"TaskId": task})
    assert (detail.TaskType, detail.Status, detail.ScheduleTask) == ("WorkflowTask", "WAITING", None)
    assert (detail.SessionId, detail.SessionContext, detail.TasksPriority) == ("s-1", "谁", 7)
    assert (detail.WorkflowTask.TaskId, detail.WorkflowTask.MediaProcessResultSet) == (task, [])
    assert detail.TaskNotifyConfig.NotifyMode == "Change"
    (simple,) = (await stand.call("DescribeTasks", {"Status": "WAITING"})).TaskSet
    assert (simple.TaskId, simple.TaskType) == (task, "WorkflowTask")
    assert simple.SubTaskTypes[0] == "Transcode"


async def test_a_session_is_used_once_whatever_the_task(stand):
    await process(stand, MediaProcessTask=TASKS, SessionId="once")
    again = {"InputInfo": INPUT, "MediaProcessTask": TASKS, "SessionId": "once"}
    assert (await stand.refusal("ProcessMedia", again)).code == f"{VALUE}.SessionId"


async def test_a_waiting_task_is_aborted(stand):
    task = await process(stand, MediaProcessTask=TASKS)
    await stand.call("ManageTask", {"OperationType": "Abort", "TaskId": task})
    assert len((await stand.records.runs.get(task)).commands) == 1


async def test_a_run_without_a_pipeline_is_rerun_by_its_own_definition(stand):
    task = await process(stand, MediaProcessTask=TASKS)
    await stand.records.runs.change(task, lambda run: run.with_changes(state=RunState.CANCELLED))
    async with stand.rest() as http:
        latest = await http.post(f"/runs/{task}/rerun", json={"scope": "all", "definition": "latest"})
        assert (latest.status_code, latest.json()["code"]) == (409, "no_pipeline")
        made = await http.post(f"/runs/{task}/rerun", json={"scope": "all"})
    assert made.status_code == 201, made.text
    detail = await stand.call("DescribeTaskDetail", {"TaskId": made.json()["run"]["id"]})
    assert (detail.TaskType, detail.Status) == ("WorkflowTask", "WAITING")


REFUSED = [
    ({}, "MissingParameter", "ScheduleId: is required unless Activities, MediaProcessTask or"),
    ({"MediaProcessTask": {}}, "MissingParameter", "ScheduleId:"),
    ({"MediaProcessTask": {"TranscodeTaskSet": []}}, "MissingParameter", "ScheduleId:"),
    ({"MediaProcessTask": {"TranscodeTaskSet": [{}]}}, "MissingParameter", "MediaProcessTask.TranscodeTaskSet[0]."),
    ({"MediaProcessTask": {"TranscodeTasks": []}}, "UnknownParameter", "MediaProcessTask.TranscodeTasks:"),
    (
        {"MediaProcessTask": {"TranscodeTaskSet": [{"Definition": 100010}, {"Definition": 424242}]}},
        f"{VALUE}.Definition",
        "MediaProcessTask.TranscodeTaskSet[1].Definition:",
    ),
    (
        {"MediaProcessTask": {"SnapshotByTimeOffsetTaskSet": [{"Definition": 10, "ExtTimeOffsetSet": ["soon"]}]}},
        VALUE,
        "MediaProcessTask.SnapshotByTimeOffsetTaskSet[0].ExtTimeOffsetSet",
    ),
    (
        {"MediaProcessTask": {"TranscodeTaskSet": [{"Definition": 100010}, {"Definition": 100010}]}},
        VALUE,
        "MediaProcessTask.TranscodeTaskSet[1].OutputObjectPath: must be another than that of "
        "MediaProcessTask.TranscodeTaskSet[0]",
    ),
    (
        {
            "MediaProcessTask": {
                "SampleSnapshotTaskSet": [
                    {
                        "Definition": 10,
                        "OutputStorage": {
                            "Type": "COS",
                            "CosOutputStorage": {"Bucket": f"gone-{TENANT}", "Region": REGION},
                        },
                    }
                ]
            }
        },
        "ResourceNotFound.CosBucketNotExist",
        "MediaProcessTask.SampleSnapshotTaskSet[0].OutputStorage.CosOutputStorage.Bucket:",
    ),
    ({"AiQualityControlTask": {"Definition": 77}}, f"{VALUE}.Definition", "AiQualityControlTask.Definition:"),
    ({"AiContentReviewTask": {"Definition": 10}}, VALUE, "AiContentReviewTask: not supported"),
    ({"SmartSubtitlesTask": {"Definition": 10}}, VALUE, "SmartSubtitlesTask: not supported"),
    ({"MediaProcessTask": TASKS, "TasksPriority": 11}, VALUE, "TasksPriority:"),
]


async def test_refused(stand):
    for members, code, field in REFUSED:
        error = await stand.refusal("ProcessMedia", {"InputInfo": INPUT, **members})
        assert (error.code, error.message.startswith(field)) == (code, True), error.message
        assert await stand.records.runs.count({"tenant": TENANT}) == 0
