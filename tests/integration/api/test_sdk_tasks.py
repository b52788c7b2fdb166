"""ProcessMedia, DescribeTaskDetail and DescribeTasks through the official SDK."""

import asyncio
from datetime import timedelta

import pytest

from shared import ids
from shared.messages.messages import RunRequested
from shared.model.run import NodeRun, NodeState, RunState
from shared.model.task import Lane, MediaObject, NodeResult, OutputTarget, Task, TaskState
from shared.ports.publisher import Outgoing
from tests.integration.api.stand import BUCKET, OTHER_ID, OTHER_KEY, OTHER_TENANT, REGION, TENANT

VALUE = "InvalidParameterValue"
KEY = "in/clip 1.mp4"


def cos_input(key=KEY, bucket=BUCKET, region=REGION):
    return {"Type": "COS", "CosInputInfo": {"Bucket": bucket, "Region": region, "Object": f"/{key}"}}


def s3_input(key=KEY, bucket="plain-s3"):
    return {"Type": "AWS-S3", "S3InputInfo": {"S3Bucket": bucket, "S3Region": REGION, "S3Object": key}}


@pytest.fixture
async def number(stand):
    stand.objects.put(BUCKET, KEY)
    stand.objects.put("plain-s3", KEY)
    stand.objects.put(BUCKET, "top.mp4")
    return await stand.create(
        OutputDir="/schedule/",
        OutputStorage={"Type": "COS", "CosOutputStorage": {"Bucket": f"out-{TENANT}", "Region": REGION}},
        TaskNotifyConfig={"QueueName": "schedule-queue"},
    )


async def process(stand, number, **changes):
    request = {"InputInfo": cos_input(), "ScheduleId": number, **changes}
    answer = await stand.call("ProcessMedia", request)
    return await stand.records.runs.get(answer.TaskId)


async def test_process_media_writes_a_run_and_tells_the_scheduler(stand, number):
    run = await process(
        stand, number, SessionId="s-1", SessionContext="背景", TasksPriority=-10, SkipMateData=1, TaskType="Offline"
    )
    assert ids.run_id(TENANT, "x").split("-")[:2] == run.id.split("-")[:2]
    assert len(run.id.split("-")) == 3
    assert run.state is RunState.REQUESTED
    assert (run.tenant, run.pipeline_id, run.pipeline_name) == (TENANT, str(number), "测试_demo-1")
    assert (run.input.bucket, run.input.key, run.input.etag, run.input.size) == (BUCKET, KEY, f"etag-{KEY}", 1000)
    assert run.target == OutputTarget(bucket=f"out-{TENANT}", region=REGION, dir="/schedule/")
    assert (run.session_id, run.session_context, run.priority, run.skip_probe) == ("s-1", "背景", -10, True)
    assert run.notification.target == "schedule-queue"
    assert run.due_at == run.created_at == stand.store_clock.now()
    assert stand.publisher.sent == [Outgoing("reelway.runs.v1", RunRequested(run_id=run.id))]


async def test_two_calls_start_two_runs(stand, number):
    first, second = await process(stand, number), await process(stand, number)
    assert first.id != second.id


async def test_run_is_written_although_the_bus_is_down(stand, number):
    stand.publisher.down = True
    run = await process(stand, number)
    assert run.state is RunState.REQUESTED


async def test_what_process_media_says_wins(stand, number):
    run = await process(
        stand,
        number,
        OutputDir="mine/",
        OutputStorage={"Type": "COS", "CosOutputStorage": {"Bucket": BUCKET}},
        TaskNotifyConfig={"NotifyType": "URL", "NotifyUrl": "https://a.example/cb"},
    )
    assert run.target == OutputTarget(bucket=BUCKET, region=REGION, dir="/mine/")
    assert run.notification.target == "https://a.example/cb"


@pytest.mark.parametrize(("key", "folder"), [(KEY, "/in/"), ("top.mp4", "/")])
async def test_output_defaults_to_the_place_of_the_input(stand, number, key, folder):
    bare = await stand.create(ScheduleName="bare")
    run = await process(stand, bare, InputInfo=cos_input(key))
    assert run.target == OutputTarget(bucket=BUCKET, region=REGION, dir=folder)
    assert run.notification is None


async def test_s3_inputs(stand, number):
    run = await process(stand, number, InputInfo=s3_input())
    assert (run.input_type, run.input.bucket, run.input.key) == ("AWS-S3", "plain-s3", KEY)


async def test_session_id_may_be_used_again_after_three_days(stand, number):
    first = await process(stand, number, SessionId="again")
    request = {"InputInfo": cos_input(), "ScheduleId": number, "SessionId": "again"}
    stand.store_clock.advance(timedelta(days=3, seconds=-1))
    assert (await stand.refusal("ProcessMedia", request)).code == f"{VALUE}.SessionId"
    stand.store_clock.advance(timedelta(seconds=1))
    second = await process(stand, number, SessionId="again")
    assert first.id != second.id
    assert (await stand.refusal("ProcessMedia", request)).code == f"{VALUE}.SessionId"


async def test_one_of_many_at_once_gets_the_session_id(stand, number):
    calls = [process(stand, number, SessionId="race") for _ in range(8)]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    codes = [outcome.code for outcome in outcomes if isinstance(outcome, Exception)]
    assert codes == [f"{VALUE}.SessionId"] * 7
    assert len(stand.publisher.sent) == 1


REFUSED = {
    "no input": ({"InputInfo": None}, "MissingParameter", "InputInfo:"),
    "no type": ({"InputInfo": {}}, "MissingParameter", "InputInfo.Type:"),
    "member that does not fit": ({"InputInfo": {"Type": "COS"}}, "MissingParameter", "InputInfo.CosInputInfo:"),
    "url": (
        {"InputInfo": {"Type": "URL", "UrlInputInfo": {"Url": "http://a/b.mp4"}}},
        VALUE,
        "InputInfo.Type: URL inputs are not supported by this version",
    ),
    "no object": ({"InputInfo": cos_input("gone.mp4")}, f"{VALUE}.SrcFile", "InputInfo.CosInputInfo.Object:"),
    "directory": ({"InputInfo": cos_input("in/")}, VALUE, "InputInfo.CosInputInfo.Object:"),
    "no bucket": (
        {"InputInfo": cos_input(bucket=f"no-{TENANT}")},
        "ResourceNotFound.CosBucketNotExist",
        "InputInfo.CosInputInfo.Bucket:",
    ),
    "foreign bucket": (
        {"InputInfo": cos_input(bucket=f"media-{OTHER_TENANT}")},
        "ResourceNotFound.CosBucketNotExist",
        "InputInfo.CosInputInfo.Bucket:",
    ),
    "foreign bucket in the S3 spelling": (
        {"InputInfo": s3_input(bucket=f"media-{OTHER_TENANT}")},
        "ResourceNotFound.CosBucketNotExist",
        "InputInfo.S3InputInfo.S3Bucket:",
    ),
    "no schedule": ({"ScheduleId": None}, "MissingParameter", "ScheduleId:"),
    "unknown schedule": ({"ScheduleId": 1}, "ResourceNotFound", "ScheduleId:"),
    "long session": ({"SessionId": "s" * 51}, f"{VALUE}.SessionIdTooLong", "SessionId:"),
    "long context": ({"SessionContext": "s" * 1001}, f"{VALUE}.SessionContextTooLong", "SessionContext:"),
    "priority too high": ({"TasksPriority": 11}, VALUE, "TasksPriority:"),
    "priority too low": ({"TasksPriority": -11}, VALUE, "TasksPriority:"),
    "skip": ({"SkipMateData": 2}, VALUE, "SkipMateData:"),
    "task type": ({"TaskType": "Later"}, VALUE, "TaskType:"),
    "output dir": ({"OutputDir": "/x"}, VALUE, "OutputDir:"),
    "output region": (
        {"OutputStorage": {"Type": "COS", "CosOutputStorage": {"Bucket": BUCKET, "Region": "ap-beijing"}}},
        VALUE,
        "OutputStorage.CosOutputStorage.Region:",
    ),
    "notify": ({"TaskNotifyConfig": {"NotifyType": "SCF"}}, VALUE, "TaskNotifyConfig.NotifyType"),
    "tasks beside a schedule": (
        {"MediaProcessTask": {"TranscodeTaskSet": [{"Definition": 100010}]}},
        VALUE,
        "MediaProcessTask: must be absent when ScheduleId is given",
    ),
    "a task that needs a model": ({"AiAnalysisTask": {"Definition": 10}}, VALUE, "AiAnalysisTask: not supported"),
    "inline graph with a gap": (
        {"Activities": [{"ActivityType": "input", "ReardriveIndex": [7]}, {"ActivityType": "output"}]},
        VALUE,
        "Activities[0]",
    ),
    "inline graph with an odd node": (
        {"Activities": [{"ActivityType": "input", "ReardriveIndex": [1]}, {"ActivityType": "action-x"}]},
        f"{VALUE}.Type",
        "Activities[1].ActivityType",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_refused_tasks(stand, number, case):
    changes, code, part = REFUSED[case]
    request = {"InputInfo": cos_input(), "ScheduleId": number, **changes}
    error = await stand.refusal("ProcessMedia", {name: value for name, value in request.items() if value is not None})
    assert (error.code, part in error.message) == (code, True), error.message
    assert await stand.records.runs.count({}) == 0
    assert stand.publisher.sent == []


def inline(definition=100010):
    node = {"ActivityType": "action-trans", "ReardriveIndex": [2]}
    node["ActivityPara"] = {"TranscodeTask": {"Definition": definition}}
    return [{"ActivityType": "input", "ReardriveIndex": [1]}, node, {"ActivityType": "output"}]


async def test_activities_of_the_request_go_before_the_schedule(stand, number):
    run = await process(stand, number, Activities=inline(), TaskNotifyConfig={"QueueName": "own"})
    assert [node.kind for node in run.nodes] == ["input", "transcode", "output"]
    assert (run.pipeline_id, run.pipeline_name, run.definition) == ("inline", "", 0)
    assert run.target == OutputTarget(bucket=BUCKET, region=REGION, dir=f"/{KEY.rpartition('/')[0]}/")
    assert run.notification.target == "own"
    detail = await stand.call("DescribeTaskDetail", {"TaskId": run.id})
    assert (detail.TaskType, detail.Status) == ("ScheduleTask", "WAITING")


async def test_activities_of_the_request_take_templates_of_the_caller_along(stand, number):
    video = {"Codec": "h264", "Fps": 25, "Bitrate": 500, "Height": 360}
    audio = {"Codec": "aac", "Bitrate": 64, "SampleRate": 44100}
    wanted = {"Container": "mp4", "VideoTemplate": video, "AudioTemplate": audio}
    made = await stand.call("CreateTranscodeTemplate", wanted)
    run = await process(stand, None, Activities=inline(made.Definition))
    [template] = run.nodes[1].templates.values()
    assert template["VideoTemplate"]["Height"] == 360


async def test_schedule_of_another_tenant_cannot_be_run(stand, number):
    stand.objects.put(f"media-{OTHER_TENANT}", KEY)
    request = {"InputInfo": cos_input(bucket=f"media-{OTHER_TENANT}"), "ScheduleId": number}
    error = await stand.refusal("ProcessMedia", request, secret_id=OTHER_ID, secret_key=OTHER_KEY)
    assert error.code == "ResourceNotFound"


async def finish(stand, run, *, failed=False):
    """The run as the scheduler would leave it."""
    now = stand.store_clock.now()

    def done(payload):
        output = MediaObject(bucket=BUCKET, region=REGION, key="out/a", etag="e", size=5)
        result = NodeResult(outputs=(output,), echo={"Definition": 10}, payload=payload)
        return NodeRun(
            state=NodeState.SUCCEEDED, attempt=1, queued_at=now, started_at=now, finished_at=now, result=result
        )

    transcode = done({"Path": "/out/a.mp4", "Size": 5})
    snapshots = done({"Definition": 10, "ImagePathSet": ["/out/a_0.jpg"]})
    ends = NodeRun(state=NodeState.SUCCEEDED, finished_at=now)
    changed = run.with_changes(
        state=RunState.FAILED if failed else RunState.SUCCEEDED,
        node_runs=(ends, transcode, snapshots, ends),
        started_at=now,
        finished_at=now + timedelta(seconds=17),
        due_at=None,
    )
    assert await stand.records.runs.replace(changed)
    return changed


async def test_detail_of_a_waiting_run(stand, number):
    run = await process(stand, number, SessionId="s", SessionContext="c", TasksPriority=3)
    detail = await stand.call("DescribeTaskDetail", {"TaskId": run.id})
    assert (detail.TaskType, detail.Status) == ("ScheduleTask", "WAITING")
    assert detail.CreateTime == "2026-11-23T10:00:00Z"
    assert detail.BeginProcessTime == detail.FinishTime == "0000-00-00T00:00:00Z"
    assert (detail.SessionId, detail.SessionContext, detail.TasksPriority) == ("s", "c", 3)
    assert detail.TaskNotifyConfig.QueueName == "schedule-queue"
    assert detail.ScheduleTask.TaskId == run.id


async def test_detail_of_a_running_run_shows_the_progress_of_its_tasks(stand, number):
    run = await process(stand, number)
    now = stand.store_clock.now()
    queued = NodeRun(state=NodeState.QUEUED, attempt=2, queued_at=now)
    run = run.with_changes(
        state=RunState.RUNNING,
        started_at=now,
        node_runs=(NodeRun(state=NodeState.SUCCEEDED, finished_at=now), queued, NodeRun(), NodeRun()),
    )
    assert await stand.records.runs.replace(run)
    for attempt, progress in [(2, 42), (1, 99)]:
        task = Task(
            id=ids.task_id(run.id, 1, attempt),
            tenant=TENANT,
            run_id=run.id,
            pipeline_id=run.pipeline_id,
            node=1,
            attempt=attempt,
            kind="transcode",
            lane=Lane.MEDIA,
            original=run.input,
            source=run.input,
            target=run.target,
            state=TaskState.RUNNING,
            queued_at=now,
            progress=progress,
        )
        await stand.records.tasks.insert(task)
    detail = await stand.call("DescribeTaskDetail", {"TaskId": run.id})
    assert (detail.Status, detail.BeginProcessTime) == ("PROCESSING", "2026-11-23T10:00:00Z")
    progress = [
        item.ActivityResItem.TranscodeTask.Progress
        for item in detail.ScheduleTask.ActivityResultSet
        if item.ActivityType == "Transcode"
    ]
    assert progress == [42]


async def test_detail_of_a_finished_run(stand, number):
    run = await finish(stand, await process(stand, number))
    detail = await stand.call("DescribeTaskDetail", {"TaskId": run.id})
    assert (detail.Status, detail.FinishTime) == ("FINISH", "2026-11-23T10:00:17Z")
    task = detail.ScheduleTask
    assert (task.Status, task.ErrCode) == ("FINISH", 0)
    assert task.InputInfo.CosInputInfo.Object == f"/{KEY}"
    results = {item.ActivityType: item.ActivityResItem for item in task.ActivityResultSet}
    assert set(results) == {"Transcode", "SampleSnapshot"}
    assert results["Transcode"].TranscodeTask.Status == "SUCCESS"
    assert results["Transcode"].TranscodeTask.Output.Path == "/out/a.mp4"
    assert results["SampleSnapshot"].SampleSnapshotTask.Output.ImagePathSet == ["/out/a_0.jpg"]


async def test_unknown_and_foreign_tasks_are_not_found(stand, number):
    run = await process(stand, number)
    assert (await stand.refusal("DescribeTaskDetail", {"TaskId": "nope"})).code == f"{VALUE}.TaskId"
    other = {"secret_id": OTHER_ID, "secret_key": OTHER_KEY}
    assert (await stand.refusal("DescribeTaskDetail", {"TaskId": run.id}, **other)).code == f"{VALUE}.TaskId"
    assert (await stand.call("DescribeTasks", {"Status": "WAITING"}, **other)).TotalCount == 0
    assert (await stand.refusal("DescribeTaskDetail", {})).code == "MissingParameter"


async def test_tasks_by_status_failure_and_time(stand, number):
    waiting = await process(stand, number)
    stand.store_clock.advance(timedelta(seconds=10.5))
    good = await finish(stand, await process(stand, number))
    stand.store_clock.advance(timedelta(seconds=10))
    bad = await finish(stand, await process(stand, number), failed=True)

    async def found(**filters):
        answer = await stand.call("DescribeTasks", filters)
        assert answer.ScrollToken == ""
        assert answer.TotalCount == len(answer.TaskSet)
        return [task.TaskId for task in answer.TaskSet]

    assert await found(Status="WAITING") == [waiting.id]
    assert await found(Status="PROCESSING") == []
    assert await found(Status="FINISH") == [bad.id, good.id]
    assert await found(Status="FINISH", SubTaskHasFailed=True) == [bad.id]
    assert await found(Status="FINISH", SubTaskHasFailed=False) == [good.id]
    assert await found(Status="FINISH", EndTime="2026-11-23T10:00:10Z") == [good.id]
    assert await found(Status="FINISH", StartTime="2026-11-23T18:00:11+08:00") == [bad.id]
    assert await found(Status="FINISH", StartTime="2026-11-23T10:00:11Z", EndTime="2026-11-23T10:00:12Z") == []
    assert await found(
        Status="FINISH", StartTime="0001-01-01T00:00:00+08:00", EndTime="9999-12-31T23:59:59Z"
    ) == await found(Status="FINISH")

    simple = (await stand.call("DescribeTasks", {"Status": "WAITING"}, method="GET")).TaskSet[0]
    assert (simple.TaskType, simple.SubTaskTypes) == ("ScheduleTask", ["Transcode", "SampleSnapshot"])
    assert simple.BeginProcessTime == simple.FinishTime == "0000-00-00T00:00:00Z"


async def test_scrolling_is_stable_while_runs_are_added(stand, number):
    written = []
    for index in range(11):
        written.append((await process(stand, number)).id)
        if index % 4 == 3:
            stand.store_clock.advance(timedelta(seconds=1))
    first = await stand.call("DescribeTasks", {"Status": "WAITING"})
    assert len(first.TaskSet) == 10
    seen, token = [], ""
    while True:
        page = await stand.call("DescribeTasks", {"Status": "WAITING", "Limit": 3, "ScrollToken": token})
        seen += [task.TaskId for task in page.TaskSet]
        token = page.ScrollToken
        if not token:
            break
        stand.store_clock.advance(timedelta(seconds=1))
        await process(stand, number)
    assert sorted(seen) == sorted(written)
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize(
    ("request_", "code", "field"),
    [
        ({}, "MissingParameter", "Status:"),
        ({"Status": "DONE"}, VALUE, "Status:"),
        ({"Status": "FINISH", "Limit": 101}, f"{VALUE}.Limit", "Limit:"),
        ({"Status": "FINISH", "StartTime": "yesterday"}, VALUE, "StartTime:"),
        ({"Status": "FINISH", "EndTime": "2026-11-23T10:00:00"}, VALUE, "EndTime:"),
        (
            {"Status": "FINISH", "StartTime": "2026-11-23T10:00:00Z", "EndTime": "2026-11-22T10:00:00Z"},
            VALUE,
            "EndTime:",
        ),
        ({"Status": "FINISH", "ScrollToken": "?"}, VALUE, "ScrollToken:"),
        ({"Status": "FINISH", "ScrollToken": "WzEsMl0="}, VALUE, "ScrollToken:"),
        ({"Status": "FINISH", "SubTaskHasFailed": "perhaps"}, VALUE, "SubTaskHasFailed:"),
    ],
)
async def test_refused_task_listings(stand, request_, code, field):
    error = await stand.refusal("DescribeTasks", request_)
    assert (error.code, error.message.startswith(field)) == (code, True), error.message
