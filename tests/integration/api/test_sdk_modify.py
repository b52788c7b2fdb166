"""ModifySchedule and the versions it makes, through the official SDK."""

import asyncio
from datetime import timedelta

import pytest
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

from services.api.dependencies import Context
from services.api.rerunning import Wish, write_rerun
from shared.model.pipeline import PipelineStatus
from shared.model.rerun import RerunScope
from shared.model.run import RunState
from shared.ports.state import StateUnavailable
from tests.integration.api.stand import (
    BUCKET,
    OTHER_ID,
    OTHER_KEY,
    OTHER_TENANT,
    REGION,
    TENANT,
    cos_trigger,
    schedule,
)

NOTIFY = {"NotifyType": "URL", "NotifyUrl": "http://127.0.0.1:9/cb", "NotifyKey": "k"}
OUTPUT = {"Type": "COS", "CosOutputStorage": {"Bucket": f"out-{TENANT}", "Region": REGION}}
VALUE = "InvalidParameterValue"


def graph(definition=100010):
    return [
        {"ActivityType": "input", "ReardriveIndex": [1]},
        {
            "ActivityType": "action-trans",
            "ReardriveIndex": [2],
            "ActivityPara": {"TranscodeTask": {"Definition": definition}},
        },
        {"ActivityType": "output"},
    ]


async def pipeline(stand, number):
    return await stand.records.pipelines.get(str(number))


async def kept(stand, number):
    """The saved definitions, oldest first."""
    found = await stand.records.versions.find({}, limit=100)
    mine = [version for version in found if version.id.startswith(f"{number}:")]
    return sorted(mine, key=lambda version: version.definition)


async def shown(stand, number):
    answer = await stand.call_json("DescribeSchedules", {"ScheduleIds": [number]})
    return answer["ScheduleInfoSet"][0]


async def full(stand):
    return await stand.create(
        OutputStorage=OUTPUT, OutputDir="/out/", TaskNotifyConfig=NOTIFY, ResourceId="mine", Activities=graph()
    )


MEMBERS = {
    "ScheduleName": "other_名",
    "Trigger": cos_trigger(Dir="/elsewhere/", Formats=None),
    "Activities": schedule()["Activities"],
    "OutputStorage": {"Type": "COS", "CosOutputStorage": {"Bucket": BUCKET, "Region": REGION}},
    "OutputDir": "/new/",
    "TaskNotifyConfig": {"QueueName": "queue"},
    "ResourceId": "yours",
}


@pytest.mark.parametrize("member", MEMBERS)
@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_one_member_is_replaced_and_the_others_stay(stand, member, method):
    number = await full(stand)
    before = await shown(stand, number)
    stand.store_clock.advance(timedelta(seconds=3))
    await stand.call("ModifySchedule", {"ScheduleId": number, member: MEMBERS[member]}, method=method)
    after = await shown(stand, number)
    wanted = before | {member: MEMBERS[member], "UpdateTime": "2026-11-23T10:00:03Z"}
    if member == "Activities":
        assert [activity["ActivityType"] for activity in after.pop(member)] == [
            activity["ActivityType"] for activity in wanted.pop(member)
        ]
    assert after == wanted
    assert [version.definition for version in await kept(stand, number)] == [1, 2]


async def test_what_is_read_changes_with_what_is_shown(stand):
    number = await full(stand)
    await stand.call("ModifySchedule", {"ScheduleId": number, **MEMBERS})
    made = await pipeline(stand, number)
    assert (made.name, made.trigger.dir, made.output.dir, made.output.bucket) == (
        "other_名",
        "/elsewhere/",
        "/new/",
        BUCKET,
    )
    assert (made.notification.target, len(made.nodes)) == ("queue", 4)
    assert (made.status, made.definition, made.created_at) == (
        PipelineStatus.DISABLED,
        2,
        stand.store_clock.now(),
    )


EMPTY = [
    ({"OutputDir": ""}, "OutputDir"),
    ({"TaskNotifyConfig": {}}, "TaskNotifyConfig"),
    ({"OutputStorage": {"Type": "COS", "CosOutputStorage": {}}}, None),
]


@pytest.mark.parametrize(("change", "member"), EMPTY)
async def test_what_is_empty_takes_back_what_was_set(stand, change, member):
    number = await full(stand)
    await stand.call_json("ModifySchedule", {"ScheduleId": number, **change})
    if member:
        assert (await shown(stand, number))[member] is None
    made = await pipeline(stand, number)
    assert [made.output.dir is None, made.notification is None, made.output.bucket is None].count(True) == 1
    await stand.call_json("ModifySchedule", {"ScheduleId": number, **change})
    assert len(await kept(stand, number)) == 2


async def test_an_empty_resource_id_is_the_account_again(stand):
    number = await full(stand)
    await stand.call("ModifySchedule", {"ScheduleId": number, "ResourceId": ""})
    assert (await shown(stand, number))["ResourceId"] == TENANT


async def test_a_save_that_changes_nothing_makes_no_version(stand):
    number = await full(stand)
    first = await pipeline(stand, number)
    stand.store_clock.advance(timedelta(minutes=1))
    info = await shown(stand, number)
    same = {name: info[name] for name in ("ScheduleName", "Trigger", "Activities", "OutputStorage", "OutputDir")}
    for request in ({}, same, {"TaskNotifyConfig": NOTIFY, "ResourceId": "mine"}):
        await stand.call_json("ModifySchedule", {"ScheduleId": number, **request})
        assert await pipeline(stand, number) == first
    assert len(await kept(stand, number)) == 1


async def test_versions_are_never_changed(stand):
    number = await full(stand)
    (first,) = await kept(stand, number)
    for definition in (100020, 100030):
        await stand.call("ModifySchedule", {"ScheduleId": number, "Activities": graph(definition)})
        await stand.call("EnableSchedule", {"ScheduleId": number})
        await stand.call("DisableSchedule", {"ScheduleId": number})
    versions = await kept(stand, number)
    assert versions[0] == first
    used = [version.nodes[1].params["Definition"] for version in versions]
    assert used == [100010, 100020, 100030]
    assert {version.status for version in versions} == {PipelineStatus.DISABLED}
    await stand.call("DeleteSchedule", {"ScheduleId": number})
    assert await kept(stand, number) == versions


async def test_an_enabled_schedule_is_refused(stand):
    number = await full(stand)
    await stand.call("EnableSchedule", {"ScheduleId": number})
    before = await pipeline(stand, number)
    for request in ({"OutputDir": "/x/"}, {}):
        error = await stand.refusal("ModifySchedule", {"ScheduleId": number, **request})
        assert (error.code, "Enabled; disable it before it is modified" in error.message) == ("FailedOperation", True)
    assert await pipeline(stand, number) == before


REFUSED = {
    "no id": ({"ScheduleId": None}, "MissingParameter", "ScheduleId:"),
    "unknown id": ({"ScheduleId": 5}, "ResourceNotFound", "ScheduleId:"),
    "empty name": ({"ScheduleName": ""}, f"{VALUE}.Name", "ScheduleName:"),
    "bad name": ({"ScheduleName": "a b"}, f"{VALUE}.Name", "ScheduleName:"),
    "name that is taken": ({"ScheduleName": "taken"}, f"{VALUE}.Name", "ScheduleName: there is a schedule named"),
    "no activities": ({"Activities": []}, VALUE, "Activities:"),
    "a part of the activities": ({"Activities": graph()[1:2]}, VALUE, "Activities: exactly one 'input'"),
    "bad directory": ({"OutputDir": "/x"}, VALUE, "OutputDir: must end with '/'"),
    "bad trigger": ({"Trigger": {"Type": "Ftp"}}, VALUE, "Trigger.Type:"),
    "empty trigger": ({"Trigger": {}}, "MissingParameter", "Trigger.Type:"),
    "empty output": ({"OutputStorage": {}}, "MissingParameter", "OutputStorage.Type:"),
    "bucket that is not there": (
        {"Trigger": cos_trigger(Bucket=f"no-{TENANT}")},
        "ResourceNotFound.CosBucketNotExist",
        "Trigger.CosFileUploadTrigger.Bucket:",
    ),
    "bucket of another tenant": (
        {"Trigger": cos_trigger(Bucket=f"media-{OTHER_TENANT}")},
        "ResourceNotFound.CosBucketNotExist",
        "Trigger.CosFileUploadTrigger.Bucket:",
    ),
    "trigger in another region than the output that stays": (
        {"Trigger": cos_trigger(Region="ap-beijing")},
        VALUE,
        "OutputStorage.CosOutputStorage.Region:",
    ),
    "two activities that write the same object": (
        {
            "Activities": [
                {"ActivityType": "input", "ReardriveIndex": [1, 2]},
                {**graph()[1], "ReardriveIndex": [3]},
                {**graph()[1], "ReardriveIndex": [3]},
                {"ActivityType": "output"},
            ]
        },
        VALUE,
        "Activities[2].ActivityPara.TranscodeTask.OutputObjectPath:",
    ),
    "bad extension": (
        {"Activities": [graph()[0], {**graph()[1], "Extension": {"Priority": 99}}, graph()[2]]},
        VALUE,
        "Activities[1].Extension.Priority:",
    ),
    "bad notification": ({"TaskNotifyConfig": {"NotifyType": "URL"}}, "MissingParameter", "TaskNotifyConfig.NotifyUrl"),
    "unknown member": ({"Status": "Enabled"}, "UnknownParameter", "Status:"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_refused_changes_change_nothing(stand, case):
    change, code, part = REFUSED[case]
    await stand.create(ScheduleName="taken", Activities=graph())
    number = await full(stand)
    before = await pipeline(stand, number)
    request = {"ScheduleId": number, **change}
    error = await stand.refusal("ModifySchedule", {name: value for name, value in request.items() if value is not None})
    assert (error.code, error.message.startswith(part)) == (code, True), error.message
    assert await pipeline(stand, number) == before
    assert len(await kept(stand, number)) == 1


async def test_somebody_elses_schedule_is_not_there(stand):
    number = await full(stand)
    keys = {"secret_id": OTHER_ID, "secret_key": OTHER_KEY}
    assert (await stand.refusal("ModifySchedule", {"ScheduleId": number}, **keys)).code == "ResourceNotFound"
    await stand.call("CreateSchedule", {**schedule(ScheduleName="free"), "Trigger": cos_trigger()})
    await stand.call("ModifySchedule", {"ScheduleId": number, "ScheduleName": "free2"})


async def test_changes_at_the_same_time_are_all_kept(stand):
    number = await full(stand)
    changes = [{"OutputDir": f"/{n}/"} for n in range(3)] + [{"ResourceId": "r"}]
    await asyncio.gather(*(stand.call("ModifySchedule", {"ScheduleId": number, **change}) for change in changes))
    made = await pipeline(stand, number)
    versions = await kept(stand, number)
    assert [version.definition for version in versions] == [1, 2, 3, 4, 5]
    assert made.definition == 5
    assert made.as_given["ResourceId"] == "r"
    assert {version.output.dir for version in versions} == {"/out/", "/0/", "/1/", "/2/"}


async def lose_the_next_version(stand, monkeypatch):
    """The store goes away between the pipeline's write and the version's, as a crash would."""
    write = stand.store.insert_many

    async def insert_many(collection, docs):
        if collection == "pipeline_versions" and docs[0]["definition"] == 2:
            raise StateUnavailable("gone for the test")
        return await write(collection, docs)

    monkeypatch.setattr(stand.store, "insert_many", insert_many)


async def process(stand, number):
    source = {"Bucket": BUCKET, "Region": REGION, "Object": "/in/a.mp4"}
    request = {"InputInfo": {"Type": "COS", "CosInputInfo": source}, "ScheduleId": number}
    return (await stand.call("ProcessMedia", request)).TaskId


@pytest.mark.parametrize("use", ["enable", "process", "rerun", "modify", "delete"])
async def test_a_version_that_a_crash_lost_is_kept_before_it_is_used(stand, monkeypatch, use):
    stand.objects.put(BUCKET, "in/a.mp4")
    number = await full(stand)
    early = await process(stand, number)
    with monkeypatch.context() as patched:
        await lose_the_next_version(stand, patched)
        error = await stand.refusal("ModifySchedule", {"ScheduleId": number, "Activities": graph(100020)})
        assert error.code == "InternalError.AccessDBError"
    assert (await pipeline(stand, number)).definition == 2
    assert len(await kept(stand, number)) == 1

    match use:
        case "enable":
            await stand.call("EnableSchedule", {"ScheduleId": number})
        case "process":
            assert (await stand.records.runs.get(await process(stand, number))).definition == 2
        case "rerun":
            run = await stand.records.runs.change(early, lambda run: run.with_changes(state=RunState.CANCELLED))
            context = Context(TENANT, "id", stand.deps)
            made = await write_rerun(run, Wish(RerunScope.ALL, latest=True), await pipeline(stand, number), context)
            assert (run.definition, made.run.definition) == (1, 2)
        case "modify":
            await stand.call("ModifySchedule", {"ScheduleId": number, "OutputDir": "/third/"})
        case "delete":
            await stand.call("DeleteSchedule", {"ScheduleId": number})
    versions = await kept(stand, number)
    assert [version.nodes[1].params["Definition"] for version in versions][:2] == [100010, 100020]
    assert len(versions) == (3 if use == "modify" else 2)


async def test_runs_in_flight_keep_their_definition(stand):
    """Disabling, editing and deleting a schedule writes to no run."""
    stand.objects.put(BUCKET, "in/a.mp4")
    number = await full(stand)
    await stand.call("EnableSchedule", {"ScheduleId": number})
    task = await process(stand, number)
    run = await stand.records.runs.get(task)
    for action, change in (
        ("DisableSchedule", {}),
        ("ModifySchedule", {"Activities": graph(100040), "OutputDir": "/other/", "ScheduleName": "renamed"}),
        ("DeleteSchedule", {}),
    ):
        await stand.call(action, {"ScheduleId": number, **change})
        assert await stand.records.runs.get(task) == run
        detail = await stand.call("DescribeTaskDetail", {"TaskId": task})
        assert (detail.Status, detail.ScheduleTask.TaskId) == ("WAITING", task)
    assert (run.definition, run.nodes[1].params) == (1, {"Definition": 100010})
    with pytest.raises(TencentCloudSDKException, match="ResourceNotFound"):
        await process(stand, number)


async def test_extensions_come_back_and_do_not_disturb_the_sdk(stand):
    extension = {"Name": "small", "Priority": 4, "Retry": {"MaxAttempts": 1}}
    activities = graph()
    activities[1]["Extension"] = extension
    request = schedule(Activities=activities)
    number = (await stand.call_json("CreateSchedule", request))["ScheduleId"]
    assert (await shown(stand, number))["Activities"][1]["Extension"] == extension
    # A member that its models do not know makes the SDK warn, which it hides by default, and nothing else.
    with pytest.warns(UserWarning, match="useless"):
        info = (await stand.call("DescribeSchedules", {"ScheduleIds": [number]})).ScheduleInfoSet[0]
    assert info.Activities[1].ActivityPara.TranscodeTask.Definition == 100010
    await stand.call("ModifySchedule", {"ScheduleId": number, "OutputDir": "/kept/"})
    assert (await shown(stand, number))["Activities"][1]["Extension"] == extension
    # A client that does not know extensions and sends the whole list back takes them away.
    await stand.call("ModifySchedule", {"ScheduleId": number, "Activities": graph()})
    assert "Extension" not in (await shown(stand, number))["Activities"][1]
