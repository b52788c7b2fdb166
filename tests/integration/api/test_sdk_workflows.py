"""Legacy workflows, as the official SDK sees them."""

from datetime import timedelta

import pytest

from shared.model.starting import run_for, run_id_for
from tests.integration.api.stand import BUCKET, OTHER_ID, OTHER_KEY, TENANT, cos_trigger, schedule

VALUE = "InvalidParameterValue"
TASKS = {
    "TranscodeTaskSet": [{"Definition": 100010}],
    "SampleSnapshotTaskSet": [{"Definition": 10}, {"Definition": 10, "OutputObjectPath": "more_{number}.{format}"}],
}


def workflow(**changes):
    found = {"WorkflowName": "工作流_1", "Trigger": cos_trigger(), "MediaProcessTask": TASKS, **changes}
    return {name: value for name, value in found.items() if value is not None}


async def create(stand, **changes):
    return (await stand.call("CreateWorkflow", workflow(**changes))).WorkflowId


async def shown(stand, number, **client):
    answer = await stand.call("DescribeWorkflows", {"WorkflowIds": [number]}, **client)
    return answer.WorkflowInfoSet[0] if answer.TotalCount else None


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("sign", ["TC3-HMAC-SHA256", "HmacSHA256", "HmacSHA1"])
async def test_life_of_a_workflow(stand, method, sign):
    way = {"method": method, "sign": sign}
    told = {"NotifyType": "URL", "NotifyUrl": "http://cb.local/"}
    request = workflow(OutputDir="/out/", TaskNotifyConfig=told, TaskPriority=-3)
    number = (await stand.call("CreateWorkflow", request, **way)).WorkflowId
    info = await shown(stand, number, **way)
    assert (info.WorkflowName, info.Status, info.OutputDir, info.TaskPriority) == ("工作流_1", "Disabled", "/out/", -3)
    assert info.MediaProcessTask.TranscodeTaskSet[0].Definition == 100010
    assert [task.OutputObjectPath for task in info.MediaProcessTask.SampleSnapshotTaskSet] == [
        None,
        "more_{number}.{format}",
    ]
    assert (info.Trigger.CosFileUploadTrigger.Dir, info.TaskNotifyConfig.NotifyUrl) == ("/in/", "http://cb.local/")

    await stand.call("EnableWorkflow", {"WorkflowId": number}, **way)
    await stand.call("EnableWorkflow", {"WorkflowId": number}, **way)
    assert (await shown(stand, number, **way)).Status == "Enabled"
    for action, members in (("ResetWorkflow", request), ("DeleteWorkflow", {})):
        error = await stand.refusal(action, {"WorkflowId": number, **members}, **way)
        assert (error.code, "is Enabled" in error.message) == ("FailedOperation", True)
    await stand.call("DisableWorkflow", {"WorkflowId": number}, **way)
    await stand.call("DisableWorkflow", {"WorkflowId": number}, **way)
    await stand.call("ResetWorkflow", {"WorkflowId": number, **workflow(WorkflowName="other")}, **way)
    info = await shown(stand, number, **way)
    # A reset takes everything from the request: what is absent is gone.
    assert (info.WorkflowName, info.OutputDir, info.TaskNotifyConfig, info.TaskPriority) == ("other", None, None, 0)
    await stand.call("DeleteWorkflow", {"WorkflowId": number}, **way)
    assert await shown(stand, number, **way) is None


async def test_its_uploads_make_workflow_tasks(stand):
    number = await create(stand, TaskPriority=5)
    pipeline = await stand.records.pipelines.get(str(number))
    info = stand.objects.put(BUCKET, "in/a.mp4")
    run = run_for(pipeline, run_id_for(pipeline, info), info, stand.store_clock.now())
    await stand.records.runs.insert(run)
    assert run.id.startswith(f"{TENANT}-WorkflowTask-")
    detail = await stand.call("DescribeTaskDetail", {"TaskId": run.id})
    assert (detail.TaskType, detail.TasksPriority) == ("WorkflowTask", 5)
    assert detail.WorkflowTask.InputInfo.CosInputInfo.Object == "/in/a.mp4"


async def test_a_reset_makes_a_version_unless_nothing_changes(stand):
    number = await create(stand)
    stand.store_clock.advance(timedelta(seconds=5))
    await stand.call("ResetWorkflow", {"WorkflowId": number, **workflow()})
    assert (await stand.records.pipelines.get(str(number))).definition == 1
    await stand.call("ResetWorkflow", {"WorkflowId": number, **workflow(OutputDir="/o/")})
    assert (await stand.records.pipelines.get(str(number))).definition == 2
    assert (await stand.records.versions.get(f"{number}:1")).output.dir is None
    assert (await shown(stand, number)).UpdateTime == "2026-11-23T10:00:05Z"


async def test_workflows_and_schedules_are_not_seen_as_each_other(stand):
    number, other = await create(stand), await stand.create()
    assert (await stand.call("DescribeSchedules")).TotalCount == 1
    assert (await stand.call("DescribeWorkflows")).TotalCount == 1
    for action, members in (
        ("EnableSchedule", {"ScheduleId": number}),
        ("ModifySchedule", {"ScheduleId": number, "ScheduleName": "x"}),
        ("DeleteSchedule", {"ScheduleId": number}),
        ("EnableWorkflow", {"WorkflowId": other}),
        ("ResetWorkflow", {"WorkflowId": other, **workflow(WorkflowName="x")}),
        ("DeleteWorkflow", {"WorkflowId": other}),
    ):
        assert (await stand.refusal(action, members)).code == "ResourceNotFound", action


async def test_another_tenants_workflow_is_not_there(stand):
    number = await create(stand)
    other = {"secret_id": OTHER_ID, "secret_key": OTHER_KEY}
    assert await shown(stand, number, **other) is None
    for action in ("EnableWorkflow", "DisableWorkflow", "DeleteWorkflow"):
        assert (await stand.refusal(action, {"WorkflowId": number}, **other)).code == "ResourceNotFound"


async def test_a_list_is_paged_and_narrowed(stand):
    numbers = []
    for index in range(3):
        numbers.append(await create(stand, WorkflowName=f"w{index}"))
        stand.store_clock.advance(timedelta(seconds=1))
    await stand.call("EnableWorkflow", {"WorkflowId": numbers[0]})
    page = await stand.call("DescribeWorkflows", {"Offset": 1, "Limit": 1})
    assert (page.TotalCount, [info.WorkflowId for info in page.WorkflowInfoSet]) == (3, [numbers[1]])
    enabled = await stand.call("DescribeWorkflows", {"Status": "Enabled"})
    assert [info.WorkflowId for info in enabled.WorkflowInfoSet] == [numbers[0]]


async def test_names_are_shared_with_schedules(stand):
    await stand.create(ScheduleName="taken")
    error = await stand.refusal("CreateWorkflow", workflow(WorkflowName="taken"))
    assert (error.code, "WorkflowName:" in error.message) == (f"{VALUE}.Name", True)
    await create(stand, WorkflowName="mine")
    assert (await stand.refusal("CreateSchedule", schedule(ScheduleName="mine"))).code == f"{VALUE}.Name"


S3_TRIGGER = {"Type": "AwsS3FileUpload", "AwsS3FileUploadTrigger": {"S3Bucket": "plain-s3", "S3Region": "us-east-1"}}


REFUSED = [
    ({"WorkflowName": None}, "MissingParameter", "WorkflowName:"),
    ({"WorkflowName": "a b"}, f"{VALUE}.Name", "WorkflowName:"),
    ({"Trigger": None}, "MissingParameter", "Trigger:"),
    ({"Trigger": S3_TRIGGER}, VALUE, "Trigger.Type:"),
    ({"MediaProcessTask": None}, "MissingParameter", "MediaProcessTask:"),
    ({"MediaProcessTask": {"ImageSpriteTaskSet": []}}, "MissingParameter", "MediaProcessTask:"),
    (
        {"MediaProcessTask": {"TranscodeTaskSet": [{"Definition": 9}]}},
        f"{VALUE}.Definition",
        "MediaProcessTask.TranscodeTaskSet[0].Definition:",
    ),
    ({"AiRecognitionTask": {"Definition": 10}}, VALUE, "AiRecognitionTask: not supported"),
    ({"TaskPriority": 11}, VALUE, "TaskPriority:"),
    ({"OutputDir": "/no-slash"}, VALUE, "OutputDir:"),
    ({"TaskNotifyConfig": {"NotifyType": "URL"}}, "MissingParameter", "TaskNotifyConfig.NotifyUrl:"),
]


async def test_refused(stand):
    for changes, code, field in REFUSED:
        error = await stand.refusal("CreateWorkflow", workflow(**changes))
        assert (error.code, error.message.startswith(field)) == (code, True), error.message
        assert (await stand.call("DescribeWorkflows")).TotalCount == 0


REFUSED_LISTINGS = [
    ({"Limit": 101}, f"{VALUE}.Limit", "Limit:"),
    ({"Status": "Deleted"}, VALUE, "Status:"),
    ({"Offset": -1}, VALUE, "Offset:"),
    ({"WorkflowIds": list(range(101))}, VALUE, "WorkflowIds:"),
]


async def test_refused_listings(stand):
    for request_, code, field in REFUSED_LISTINGS:
        error = await stand.refusal("DescribeWorkflows", request_)
        assert (error.code, error.message.startswith(field)) == (code, True), error.message
