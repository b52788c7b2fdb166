"""Schedules, as the official SDK sees them: life, echo, and every refusal with its code and wire path."""

import asyncio
from datetime import timedelta

import pytest

from services.api.domain.fields import BUILT_IN_FORMATS
from shared.model.pipeline import PipelineStatus, SinkType
from tests.integration.api.stand import BUCKET, OTHER_TENANT, REGION, TENANT, cos_trigger, schedule

NOTIFY_URL = {"NotifyType": "URL", "NotifyMode": "Change", "NotifyUrl": "http://127.0.0.1:9/cb", "NotifyKey": "k"}


def s3_trigger(**changes):
    return {
        "Type": "AwsS3FileUpload",
        "AwsS3FileUploadTrigger": {"S3Bucket": "plain-s3", "S3Region": "us-east-1", **changes},
    }


def s3_output(bucket="plain-s3", region=REGION, **more):
    return {"Type": "AWS-S3", "S3OutputStorage": {"S3Bucket": bucket, "S3Region": region, **more}}


def cos_output(**members):
    return {"Type": "COS", "CosOutputStorage": members}


def transcode(params=None, *, kind="action-trans", member="TranscodeTask", **more):
    """A graph of one action."""
    para = {member: {"Definition": 100020} if params is None else params, **more}
    return [
        {"ActivityType": "input", "ReardriveIndex": [1]},
        {"ActivityType": kind, "ReardriveIndex": [2], "ActivityPara": para},
        {"ActivityType": "output"},
    ]


def edges(*successors):
    """A graph of transcodes with these edges, input first and output last."""
    kinds = ["input", *["action-trans"] * (len(successors) - 2), "output"]
    found = []
    for kind, following in zip(kinds, successors, strict=True):
        activity = {"ActivityType": kind, "ReardriveIndex": following}
        if kind == "action-trans":
            activity["ActivityPara"] = {"TranscodeTask": {"Definition": 100010}}
        found.append(activity)
    return found


async def pipeline(stand, number):
    return await stand.records.pipelines.get(str(number))


async def listed(stand, number):
    answer = await stand.call("DescribeSchedules", {"ScheduleIds": [number]})
    return answer.ScheduleInfoSet[0]


async def test_life_of_a_schedule(stand):
    number = await stand.create(OutputDir="/out/", TaskNotifyConfig=NOTIFY_URL)
    info = await listed(stand, number)
    assert (info.Status, info.Type, info.CreateTime) == ("Disabled", "Custom", "2026-11-23T10:00:00Z")
    assert info.UpdateTime == info.CreateTime

    stand.store_clock.advance(timedelta(seconds=5))
    await stand.call("EnableSchedule", {"ScheduleId": number})
    enabled = await pipeline(stand, number)
    assert enabled.status is PipelineStatus.ENABLED
    assert enabled.enabled_at == stand.store_clock.now()
    assert (await listed(stand, number)).UpdateTime == "2026-11-23T10:00:05Z"

    error = await stand.refusal("DeleteSchedule", {"ScheduleId": number})
    assert error.code == "FailedOperation"
    assert "Enabled" in error.message

    await stand.call("DisableSchedule", {"ScheduleId": number})
    assert (await listed(stand, number)).Status == "Disabled"
    await stand.call("DeleteSchedule", {"ScheduleId": number})
    for action in ("EnableSchedule", "DisableSchedule", "DeleteSchedule"):
        assert (await stand.refusal(action, {"ScheduleId": number})).code == "ResourceNotFound"
    assert (await stand.call("DescribeSchedules")).TotalCount == 0
    await stand.create()


async def test_enabling_and_disabling_twice_changes_nothing(stand):
    number = await stand.create()
    await stand.call("EnableSchedule", {"ScheduleId": number})
    first = await pipeline(stand, number)
    stand.store_clock.advance(timedelta(minutes=1))
    await stand.call("EnableSchedule", {"ScheduleId": number})
    assert await pipeline(stand, number) == first
    await stand.call("DisableSchedule", {"ScheduleId": number})
    second = await pipeline(stand, number)
    await stand.call("DisableSchedule", {"ScheduleId": number})
    assert await pipeline(stand, number) == second


async def test_every_definition_is_kept(stand):
    number = await stand.create()
    kept = await stand.records.versions.get(f"{number}:1")
    assert kept.nodes == (await pipeline(stand, number)).nodes


async def test_listing_gives_back_what_was_sent_and_the_generated_edges(stand):
    sent = schedule(
        OutputStorage=cos_output(Bucket=f"out-{TENANT}", Region=REGION),
        OutputDir="output/",
        TaskNotifyConfig=NOTIFY_URL,
        ResourceId="my-resource",
    )
    sent["Activities"][1]["PredriveIndex"] = [3]
    number = (await stand.call("CreateSchedule", sent)).ScheduleId
    answer = await stand.call_json("DescribeSchedules", {"ScheduleIds": [number]})
    info = answer["ScheduleInfoSet"][0]
    for member in ("ScheduleName", "Trigger", "OutputStorage", "OutputDir", "TaskNotifyConfig", "ResourceId"):
        assert info[member] == sent[member]
    assert [activity["PredriveIndex"] for activity in info["Activities"]] == [[], [0], [0], [1, 2]]
    assert [activity["ReardriveIndex"] for activity in info["Activities"]] == [[1, 2], [3], [3], []]
    assert info["Activities"][1]["ActivityPara"] == sent["Activities"][1]["ActivityPara"]
    assert "ActivityPara" not in info["Activities"][3]
    assert (await pipeline(stand, number)).output.dir == "/output/"


async def test_absent_members_stay_absent(stand):
    info = await listed(stand, await stand.create())
    assert info.OutputStorage is None
    assert info.OutputDir is None
    assert info.TaskNotifyConfig is None
    assert info.ResourceId == TENANT


async def test_output_defaults_to_the_place_of_the_input(stand):
    made = await pipeline(stand, await stand.create(OutputStorage=None, OutputDir=""))
    assert (made.output.bucket, made.output.dir) == (None, None)
    assert made.notification is None


@pytest.mark.parametrize(
    ("trigger", "formats"),
    [
        (cos_trigger(), ("mp4", "mov")),
        (cos_trigger(Formats=None), BUILT_IN_FORMATS),
        (cos_trigger(Formats=[]), BUILT_IN_FORMATS),
        (cos_trigger(Formats=["mp4", "*"]), None),
        (cos_trigger(Formats=["MP4", ".mp4", "Xyz1"]), ("mp4", "xyz1")),
        (s3_trigger(), None),
        (s3_trigger(Formats=["MKV"]), ("mkv",)),
    ],
)
async def test_formats(stand, trigger, formats):
    made = await pipeline(stand, await stand.create(Trigger=trigger))
    assert made.trigger.formats == formats
    assert made.trigger.as_given == trigger


@pytest.mark.parametrize(
    ("given", "kept"), [("/in/", "/in/"), ("in/", "/in/"), ("/", "/"), (None, "/"), ("", "/"), ("测 试/", "/测 试/")]
)
async def test_trigger_directories(stand, given, kept):
    made = await pipeline(stand, await stand.create(Trigger=cos_trigger(Dir=given)))
    assert made.trigger.dir == kept


@pytest.mark.parametrize(
    ("config", "sink", "target"),
    [
        (NOTIFY_URL, SinkType.HTTP, "http://127.0.0.1:9/cb"),
        ({"QueueName": "my-queue"}, SinkType.QUEUE, "my-queue"),
        ({"NotifyType": "", "CmqModel": "Queue", "QueueName": "q"}, SinkType.QUEUE, "q"),
        ({"NotifyType": "TDMQ-CMQ", "CmqModel": "Topic", "TopicName": "t1"}, SinkType.QUEUE, "t1"),
        ({"NotifyType": "CMQ", "CmqRegion": "gz", "TopicName": "t1"}, SinkType.QUEUE, "t1"),
    ],
)
async def test_notifications(stand, config, sink, target):
    made = await pipeline(stand, await stand.create(TaskNotifyConfig=config))
    assert (made.notification.sink, made.notification.target) == (sink, target)
    assert made.notification.as_given == config


RAW = {
    "Definition": 0,
    "RawParameter": {
        "Container": "mp4",
        "RemoveVideo": 0,
        "VideoTemplate": {"Codec": "h264", "Fps": 25, "Bitrate": 500, "BitDepth": 8, "Height": 360, "Width": 0},
        "AudioTemplate": {"Codec": "aac", "Bitrate": 64, "SampleRate": 44100, "AudioChannel": 2},
    },
    "StartTimeOffset": 1.5,
}


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("sign", ["TC3-HMAC-SHA256", "HmacSHA256"])
async def test_task_parameters_come_back_as_sent_with_numbers_as_numbers(stand, method, sign):
    activities = [
        {"ActivityType": "input", "ReardriveIndex": [1, 2]},
        {"ActivityType": "action-trans", "ReardriveIndex": [3], "ActivityPara": {"TranscodeTask": RAW}},
        {
            "ActivityType": "action-snapshotByTimeOffset",
            "ReardriveIndex": [3],
            "ActivityPara": {"SnapshotByTimeOffsetTask": {"Definition": 10, "ExtTimeOffsetSet": ["1s", "50%"]}},
        },
        {"ActivityType": "output"},
    ]
    request = schedule(Activities=activities)
    number = (await stand.call("CreateSchedule", request, method=method, sign=sign)).ScheduleId
    info = (await stand.call_json("DescribeSchedules", {"ScheduleIds": [number]}))["ScheduleInfoSet"][0]
    shown = [activity.get("ActivityPara") for activity in info["Activities"]]
    assert shown == [activity.get("ActivityPara") for activity in activities]
    assert (await pipeline(stand, number)).nodes[1].params == RAW


@pytest.mark.parametrize("name", ["测试_demo-1", "a", "中" * 128, "A-Z_09", "〇㐀"])
async def test_good_names(stand, name):
    assert (await listed(stand, await stand.create(ScheduleName=name))).ScheduleName == name


NAME = "InvalidParameterValue.Name"
VALUE = "InvalidParameterValue"
TYPE = "InvalidParameterValue.Type"
MISSING = "MissingParameter"
UNKNOWN = "UnknownParameter"
NO_BUCKET = "ResourceNotFound.CosBucketNotExist"
BAD_BUCKET = "ResourceNotFound.CosBucketNameInvalid"
COS_DIR = "Trigger.CosFileUploadTrigger.Dir"
ACTION = "Activities[1].ActivityPara"

REFUSED = {
    "no name": ({"ScheduleName": None}, MISSING, "ScheduleName:"),
    "empty name": ({"ScheduleName": ""}, NAME, "ScheduleName:"),
    "long name": ({"ScheduleName": "x" * 129}, NAME, "ScheduleName:"),
    "name with a space": ({"ScheduleName": "a b"}, NAME, "ScheduleName:"),
    "name with a line end": ({"ScheduleName": "a\n"}, NAME, "ScheduleName:"),
    "name in Greek": ({"ScheduleName": "αβγ"}, NAME, "ScheduleName:"),
    "name that is a number": ({"ScheduleName": 5}, NAME, "ScheduleName:"),
    "no trigger": ({"Trigger": None}, MISSING, "Trigger:"),
    "no trigger type": ({"Trigger": {}}, MISSING, "Trigger.Type:"),
    "unknown trigger type": ({"Trigger": {"Type": "Ftp"}}, VALUE, "Trigger.Type:"),
    "trigger member missing": ({"Trigger": {"Type": "CosFileUpload"}}, MISSING, "Trigger.CosFileUploadTrigger:"),
    "S3 member missing": ({"Trigger": {"Type": "AwsS3FileUpload"}}, MISSING, "Trigger.AwsS3FileUploadTrigger:"),
    "both members": ({"Trigger": {**cos_trigger(), **s3_trigger()}}, VALUE, "Trigger.CosFileUploadTrigger:"),
    "no bucket": ({"Trigger": cos_trigger(Bucket=None)}, MISSING, "Trigger.CosFileUploadTrigger.Bucket:"),
    "no region": ({"Trigger": cos_trigger(Region=None)}, MISSING, "Trigger.CosFileUploadTrigger.Region:"),
    "bad region": ({"Trigger": cos_trigger(Region="A B")}, VALUE, "Trigger.CosFileUploadTrigger.Region:"),
    "bucket that is not there": ({"Trigger": cos_trigger(Bucket=f"no-{TENANT}")}, NO_BUCKET, ".Bucket:"),
    "bucket of another tenant": ({"Trigger": cos_trigger(Bucket=f"media-{OTHER_TENANT}")}, NO_BUCKET, ".Bucket:"),
    "bucket without app id": ({"Trigger": cos_trigger(Bucket="media")}, BAD_BUCKET, ".Bucket:"),
    "bucket with odd letters": ({"Trigger": cos_trigger(Bucket=f"../a-{TENANT}")}, BAD_BUCKET, ".Bucket:"),
    "S3 bucket that is not there": ({"Trigger": s3_trigger(S3Bucket="nowhere")}, NO_BUCKET, ".S3Bucket:"),
    "S3 spelling of another tenant's bucket": (
        {"Trigger": s3_trigger(S3Bucket=f"media-{OTHER_TENANT}")},
        NO_BUCKET,
        "Trigger.AwsS3FileUploadTrigger.S3Bucket:",
    ),
    "S3 output in another tenant's bucket": (
        {"OutputStorage": s3_output(f"media-{OTHER_TENANT}")},
        NO_BUCKET,
        "OutputStorage.S3OutputStorage.S3Bucket:",
    ),
    "S3 node output in another tenant's bucket": (
        {"Activities": transcode({"Definition": 100020, "OutputStorage": s3_output(f"media-{OTHER_TENANT}")})},
        NO_BUCKET,
        f"{ACTION}.TranscodeTask.OutputStorage.S3OutputStorage.S3Bucket:",
    ),
    "two activities that write the same object": (
        {"Activities": edges([1], [2], [3], [])},
        VALUE,
        "Activities[2].ActivityPara.TranscodeTask.OutputObjectPath: must be another than that of Activities[1]",
    ),
    "S3 bucket with a bad name": ({"Trigger": s3_trigger(S3Bucket="No")}, BAD_BUCKET, ".S3Bucket:"),
    "S3 keys": ({"Trigger": s3_trigger(S3SecretKey="k")}, VALUE, "Trigger.AwsS3FileUploadTrigger.S3SecretId:"),
    "SQS": (
        {"Trigger": s3_trigger(AwsSQS={"SQSRegion": "r", "SQSQueueName": "q"})},
        VALUE,
        "Trigger.AwsS3FileUploadTrigger.AwsSQS:",
    ),
    "dir without a slash at its end": ({"Trigger": cos_trigger(Dir="/in")}, VALUE, f"{COS_DIR}: must end with '/'"),
    "dir with ..": ({"Trigger": cos_trigger(Dir="/a/../b/")}, VALUE, COS_DIR),
    "dir with //": ({"Trigger": cos_trigger(Dir="/a//b/")}, VALUE, COS_DIR),
    "dir with a backslash": ({"Trigger": cos_trigger(Dir="/a\\b/")}, VALUE, COS_DIR),
    "dir with a control character": ({"Trigger": cos_trigger(Dir="/a\x00b/")}, VALUE, COS_DIR),
    "dir that is too long": ({"Trigger": cos_trigger(Dir="/" + "a" * 600 + "/")}, VALUE, COS_DIR),
    "bad format": ({"Trigger": cos_trigger(Formats=["mp4", "m/p"])}, VALUE, ".Formats[1]:"),
    "empty format": ({"Trigger": cos_trigger(Formats=[""])}, VALUE, ".Formats[0]:"),
    "format with two dots": ({"Trigger": cos_trigger(Formats=["..mp4"])}, VALUE, ".Formats[0]:"),
    "output dir without a slash at its end": ({"OutputDir": "/out"}, VALUE, "OutputDir: must end with '/'"),
    "output dir with ..": ({"OutputDir": "/../"}, VALUE, "OutputDir:"),
    "output in another region": (
        {"OutputStorage": cos_output(Bucket=BUCKET, Region="ap-beijing")},
        VALUE,
        "OutputStorage.CosOutputStorage.Region:",
    ),
    "output bucket that is not there": (
        {"OutputStorage": cos_output(Bucket=f"no-{TENANT}", Region=REGION)},
        NO_BUCKET,
        "OutputStorage.CosOutputStorage.Bucket:",
    ),
    "output bucket of another tenant": (
        {"OutputStorage": cos_output(Bucket=f"media-{OTHER_TENANT}", Region=REGION)},
        NO_BUCKET,
        "OutputStorage.CosOutputStorage.Bucket:",
    ),
    "output with S3 keys": ({"OutputStorage": s3_output(S3SecretId="x")}, VALUE, "S3OutputStorage.S3SecretId:"),
    "output to VOD": ({"OutputStorage": {"Type": "VOD", "VODOutputStorage": {}}}, VALUE, "OutputStorage"),
    "output of unknown type": ({"OutputStorage": {"Type": "NFS"}}, VALUE, "OutputStorage.Type:"),
    "no activities": ({"Activities": None}, MISSING, "Activities:"),
    "empty activities": ({"Activities": []}, VALUE, "Activities:"),
    "activities of the wrong shape": ({"Activities": {"0": 1}}, VALUE, "Activities:"),
    "activity without a type": ({"Activities": [{}]}, MISSING, "Activities[0].ActivityType:"),
    "unknown activity type": ({"Activities": transcode(kind="action-fly")}, TYPE, "Activities[1].ActivityType:"),
    "activity type in wrong case": ({"Activities": transcode(kind="Action-Trans")}, TYPE, "[1].ActivityType:"),
    "activity type of a later version": (
        {"Activities": transcode(kind="action-aiReview", member="AiContentReviewTask", params={})},
        TYPE,
        "not supported by this version",
    ),
    "unknown member": ({"Colour": "red"}, UNKNOWN, "Colour:"),
    "member in Python's spelling": ({"output_dir": "/x/"}, UNKNOWN, "output_dir:"),
    "misspelt member": ({"Trigger": cos_trigger(Dirr="/x/")}, UNKNOWN, "Trigger.CosFileUploadTrigger.Dirr:"),
    "wrong parameter member": (
        {"Activities": transcode(member="SampleSnapshotTask")},
        VALUE,
        f"{ACTION}.SampleSnapshotTask:",
    ),
    "second parameter member": (
        {"Activities": transcode(SampleSnapshotTask={"Definition": 10})},
        VALUE,
        f"{ACTION}.SampleSnapshotTask:",
    ),
    "no parameter member": (
        {"Activities": [*edges([1], [2], [])[:1], {"ActivityType": "action-trans", "ReardriveIndex": [2]}]},
        MISSING,
        f"{ACTION}.TranscodeTask:",
    ),
    "parameters of the input": (
        {"Activities": [{"ActivityType": "input", "ActivityPara": {"TranscodeTask": {}}}]},
        VALUE,
        "Activities[0].ActivityPara:",
    ),
    "no definition": ({"Activities": transcode({})}, MISSING, f"{ACTION}.TranscodeTask.Definition:"),
    "definition that is no number": (
        {"Activities": transcode({"Definition": "ten"})},
        VALUE,
        f"{ACTION}.TranscodeTask.Definition:",
    ),
    "unknown template": (
        {"Activities": transcode({"Definition": 424242})},
        "InvalidParameterValue.Definition",
        f"{ACTION}.TranscodeTask.Definition:",
    ),
    "misspelt parameter": (
        {"Activities": transcode({"Definition": 100020, "Definitoin": 1})},
        VALUE,
        f"{ACTION}.TranscodeTask.Definitoin: must be absent",
    ),
    "misspelt raw parameter": (
        {"Activities": transcode({"Definition": 0, "RawParameter": {**RAW["RawParameter"], "Containr": "mp4"}})},
        VALUE,
        f"{ACTION}.TranscodeTask.RawParameter.Containr: must be absent",
    ),
    "misspelt activity member": (
        {"Activities": [{"ActivityType": "input", "RearDriveIndex": [1]}]},
        VALUE,
        "Activities[0].RearDriveIndex: must be absent",
    ),
    "raw parameters missing": (
        {"Activities": transcode({"Definition": 0})},
        MISSING,
        f"{ACTION}.TranscodeTask.RawParameter:",
    ),
    "raw parameters that do not fit": (
        {"Activities": transcode({"Definition": 0, "RawParameter": {"Container": "mp4", "VideoTemplate": {}}})},
        MISSING,
        f"{ACTION}.TranscodeTask.RawParameter.VideoTemplate.Codec:",
    ),
    "override that does not fit": (
        {
            "Activities": transcode(
                {"Definition": 100020, "OverrideParameter": {"Container": "webm"}},
            )
        },
        VALUE,
        f"{ACTION}.TranscodeTask.OverrideParameter",
    ),
    "output path with an unknown variable": (
        {"Activities": transcode({"Definition": 100020, "OutputObjectPath": "{colour}.{format}"})},
        VALUE,
        f"{ACTION}.TranscodeTask.OutputObjectPath:",
    ),
    "snapshots without a time": (
        {
            "Activities": transcode(
                {"Definition": 10}, kind="action-snapshotByTimeOffset", member="SnapshotByTimeOffsetTask"
            )
        },
        VALUE,
        f"{ACTION}.SnapshotByTimeOffsetTask:",
    ),
    "node output of another tenant": (
        {"Activities": transcode({"Definition": 100020, "OutputStorage": cos_output(Bucket=f"media-{OTHER_TENANT}")})},
        NO_BUCKET,
        f"{ACTION}.TranscodeTask.OutputStorage.CosOutputStorage.Bucket:",
    ),
    "node output that is not there": (
        {"Activities": transcode({"Definition": 100020, "OutputStorage": cos_output(Bucket=f"no-{TENANT}")})},
        NO_BUCKET,
        f"{ACTION}.TranscodeTask.OutputStorage.CosOutputStorage.Bucket:",
    ),
    "no input": ({"Activities": [{"ActivityType": "output"}]}, VALUE, "Activities:"),
    "cycle": ({"Activities": edges([1], [2], [1, 3], [])}, VALUE, "ReardriveIndex: the graph has a cycle"),
    "index out of range": ({"Activities": edges([1], [9], [])}, VALUE, "Activities[1].ReardriveIndex:"),
    "negative index": ({"Activities": edges([1], [-1], [])}, VALUE, "Activities[1].ReardriveIndex:"),
    "self edge": ({"Activities": edges([1], [1, 2], [])}, VALUE, "Activities[1].ReardriveIndex:"),
    "double edge": ({"Activities": edges([1], [2, 2], [])}, VALUE, "Activities[1].ReardriveIndex:"),
    "unreachable": ({"Activities": edges([1], [3], [3], [])}, VALUE, "Activities[2].ReardriveIndex:"),
    "dead end": ({"Activities": edges([1, 2], [3], [], [])}, VALUE, "Activities[2].ReardriveIndex:"),
    "output with a successor": ({"Activities": edges([1], [2], [1])}, VALUE, "Activities[2].ReardriveIndex:"),
    "index that is no number": ({"Activities": edges(["x"], [])}, VALUE, "Activities[0].ReardriveIndex[0]:"),
    "url missing": ({"TaskNotifyConfig": {"NotifyType": "URL"}}, MISSING, "TaskNotifyConfig.NotifyUrl:"),
    "url of another scheme": (
        {"TaskNotifyConfig": {"NotifyType": "URL", "NotifyUrl": "ftp://a/"}},
        VALUE,
        "TaskNotifyConfig.NotifyUrl:",
    ),
    "url with credentials": (
        {"TaskNotifyConfig": {"NotifyType": "URL", "NotifyUrl": "http://u:p@a/"}},
        VALUE,
        "TaskNotifyConfig.NotifyUrl:",
    ),
    "url with a space": (
        {"TaskNotifyConfig": {"NotifyType": "URL", "NotifyUrl": "http://a/ b"}},
        VALUE,
        "TaskNotifyConfig.NotifyUrl:",
    ),
    "url with a bad port": (
        {"TaskNotifyConfig": {"NotifyType": "URL", "NotifyUrl": "http://a:99999/"}},
        VALUE,
        "TaskNotifyConfig.NotifyUrl:",
    ),
    "url without a host": (
        {"TaskNotifyConfig": {"NotifyType": "URL", "NotifyUrl": "http:///x"}},
        VALUE,
        "TaskNotifyConfig.NotifyUrl:",
    ),
    "queue missing": ({"TaskNotifyConfig": {"CmqModel": "Queue"}}, MISSING, "TaskNotifyConfig.QueueName:"),
    "topic missing": ({"TaskNotifyConfig": {"CmqModel": "Topic"}}, MISSING, "TaskNotifyConfig.TopicName:"),
    "queue with a bad name": ({"TaskNotifyConfig": {"QueueName": "1st"}}, VALUE, "TaskNotifyConfig.QueueName:"),
    "queue with a long name": ({"TaskNotifyConfig": {"QueueName": "q" * 65}}, VALUE, "TaskNotifyConfig.QueueName:"),
    "unknown queue model": ({"TaskNotifyConfig": {"CmqModel": "Bus"}}, VALUE, "TaskNotifyConfig.CmqModel:"),
    "unknown mode": (
        {"TaskNotifyConfig": {"QueueName": "q", "NotifyMode": "Always"}},
        VALUE,
        "TaskNotifyConfig.NotifyMode:",
    ),
    "notification that is too large": (
        {"TaskNotifyConfig": {"QueueName": "q", "NotifyKey": "k" * 9000}},
        VALUE,
        "TaskNotifyConfig: must take at most",
    ),
    "schedule that is too large": ({"ResourceId": "r" * 1_000_001}, "RequestSizeLimitExceeded", "more than"),
    "SCF": ({"TaskNotifyConfig": {"NotifyType": "SCF"}}, VALUE, "TaskNotifyConfig.NotifyType"),
    "AWS-SQS": ({"TaskNotifyConfig": {"NotifyType": "AWS-SQS"}}, MISSING, "TaskNotifyConfig.AwsSQS"),
    "forbidden address": (
        {"TaskNotifyConfig": {"NotifyType": "URL", "NotifyUrl": "http://0xa9fea9fe/latest"}},
        VALUE,
        "TaskNotifyConfig.NotifyUrl: must not be called: 169.254.169.254",
    ),
    "unknown sink": ({"TaskNotifyConfig": {"NotifyType": "Pigeon"}}, VALUE, "TaskNotifyConfig.NotifyType:"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_refused_schedules(stand, case):
    changes, code, part = REFUSED[case]
    error = await stand.refusal("CreateSchedule", schedule(**changes))
    assert (error.code, part in error.message) == (code, True), error.message
    assert (await stand.call("DescribeSchedules")).TotalCount == 0


async def test_name_is_unique_per_tenant(stand):
    await stand.create(ScheduleName="one")
    error = await stand.refusal("CreateSchedule", schedule(ScheduleName="one"))
    assert error.code == NAME
    assert "'one'" in error.message
    await stand.create(ScheduleName="One")
    mine = schedule(ScheduleName="one", Trigger=cos_trigger(Bucket=f"media-{OTHER_TENANT}"))
    await stand.call("CreateSchedule", mine, secret_id="AKIDother", secret_key="othersecret")


async def test_one_of_many_at_once_gets_the_name(stand):
    calls = [stand.call("CreateSchedule", schedule(ScheduleName="race")) for _ in range(8)]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert [error.code for error in refused] == [NAME] * 7
    assert (await stand.call("DescribeSchedules")).TotalCount == 1


async def test_listing_filters_and_pages_newest_first(stand):
    numbers = []
    for index in range(5):
        trigger = s3_trigger() if index == 2 else cos_trigger()
        numbers.append(await stand.create(ScheduleName=f"s{index}", Trigger=trigger))
        stand.store_clock.advance(timedelta(seconds=1))
    await stand.call("EnableSchedule", {"ScheduleId": numbers[0]})
    newest_first = numbers[::-1]

    async def ids(**filters):
        answer = await stand.call("DescribeSchedules", filters)
        return [info.ScheduleId for info in answer.ScheduleInfoSet], answer.TotalCount

    assert await ids() == (newest_first, 5)
    assert await ids(TriggerType="", ScheduleIds=[]) == (newest_first, 5)
    assert await ids(Limit=2) == (newest_first[:2], 5)
    assert await ids(Limit=2, Offset=4) == (newest_first[4:], 5)
    assert await ids(Offset=10) == ([], 5)
    assert await ids(Status="Enabled") == ([numbers[0]], 1)
    assert await ids(Status="Disabled", TriggerType="AwsS3FileUpload") == ([numbers[2]], 1)
    assert await ids(ScheduleIds=[numbers[1], numbers[3], 99]) == ([numbers[3], numbers[1]], 2)


@pytest.mark.parametrize(
    ("filters", "code", "field"),
    [
        ({"Limit": 0}, "InvalidParameterValue.Limit", "Limit:"),
        ({"Limit": 101}, "InvalidParameterValue.Limit", "Limit:"),
        ({"Limit": "many"}, "InvalidParameterValue.Limit", "Limit:"),
        ({"Offset": -1}, VALUE, "Offset:"),
        ({"Status": "Sleeping"}, VALUE, "Status:"),
        ({"TriggerType": "Ftp"}, VALUE, "TriggerType:"),
        ({"ScheduleIds": list(range(101))}, VALUE, "ScheduleIds:"),
        ({"ScheduleIds": ["x"]}, VALUE, "ScheduleIds[0]:"),
    ],
)
async def test_refused_listings(stand, filters, code, field):
    error = await stand.refusal("DescribeSchedules", filters)
    assert (error.code, error.message.startswith(field)) == (code, True), error.message


@pytest.mark.parametrize("action", ["EnableSchedule", "DisableSchedule", "DeleteSchedule"])
async def test_schedule_id_is_required(stand, action):
    assert (await stand.refusal(action, {})).code == MISSING
    assert (await stand.refusal(action, {"ScheduleId": "x"})).code == VALUE
    assert (await stand.refusal(action, {"ScheduleId": 12345})).code == "ResourceNotFound"


async def test_storage_that_refuses_or_is_away(stand):
    stand.objects.denied.add(BUCKET)
    error = await stand.refusal("CreateSchedule", schedule())
    assert (error.code, "Trigger.CosFileUploadTrigger.Bucket" in error.message) == ("FailedOperation", True)
    stand.objects.down = True
    assert (await stand.refusal("CreateSchedule", schedule())).code == "InternalError"
