"""Requests into pipelines: formats that match, members that arrive as text, members that are misspelt."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.api.domain.errors import ApiError
from services.api.domain.parsing import parse
from services.api.domain.schedules import read_schedule
from services.api.domain.wire import unflatten
from services.trigger.domain.matching import refusal
from shared.model.pipeline import Pipeline, PipelineStatus
from shared.mps.schedule import CreateScheduleRequest
from shared.mps.transcode import TranscodeTaskInput
from shared.ports.objects import ObjectInfo

TENANT = "1250000000"
NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)


def pipeline(formats: list[str] | None, *, s3: bool = False) -> Pipeline:
    trigger: dict[str, Any] = {
        "Type": "CosFileUpload",
        "CosFileUploadTrigger": {"Bucket": f"media-{TENANT}", "Region": "r", "Dir": "/in/", "Formats": formats},
    }
    if s3:
        trigger = {
            "Type": "AwsS3FileUpload",
            "AwsS3FileUploadTrigger": {
                "S3Bucket": f"media-{TENANT}",
                "S3Region": "r",
                "Dir": "/in/",
                "Formats": formats,
            },
        }
    request = {
        "ScheduleName": "formats",
        "Trigger": trigger,
        "Activities": [
            {"ActivityType": "input", "ReardriveIndex": [1]},
            {
                "ActivityType": "action-trans",
                "ReardriveIndex": [2],
                "ActivityPara": {"TranscodeTask": {"Definition": 100010}},
            },
            {"ActivityType": "output"},
        ],
    }
    read = read_schedule(parse(CreateScheduleRequest, request), tenant=TENANT, pipeline_id="1", now=NOW)
    return read.pipeline.with_changes(status=PipelineStatus.ENABLED, enabled_at=NOW)


def starts(made: Pipeline, key: str) -> bool:
    info = ObjectInfo(f"media-{TENANT}", key, 1000, "etag", NOW + timedelta(minutes=1))
    return refusal(made, info) is None


@pytest.mark.parametrize("formats", [["mov"], ["MOV"], [".mov"], [".MOV"], ["mp4", ".Mov"], ["*"], [".*"], [], None])
@pytest.mark.parametrize("s3", [False, True])
def test_uploads_match_formats_in_any_spelling(formats: list[str] | None, s3: bool) -> None:
    made = pipeline(formats, s3=s3)
    assert starts(made, "in/a.MOV")
    assert starts(made, "in/sub/b.mov")
    assert not starts(made, "elsewhere/a.mov")


@pytest.mark.parametrize(
    ("formats", "s3", "any_file"),
    [(["mov"], False, False), (["*"], False, True), ([], False, False), (None, False, False), ([], True, True)],
)
def test_files_of_no_known_format_need_a_star_or_an_s3_trigger(
    formats: list[str] | None, s3: bool, any_file: bool
) -> None:
    made = pipeline(formats, s3=s3)
    assert starts(made, "in/notes.pdf") is starts(made, "in/without") is any_file


SOFT_OFF = ["0", "0.0", "False", "false", "", "off", "OFF"]


@pytest.mark.parametrize("text", SOFT_OFF)
def test_members_that_are_not_there_yet_may_be_off_as_text(text: str) -> None:
    flat = {
        "Definition": "100010",
        "BlindWatermark.Definition": text,
        "OverrideParameter.VideoTemplate.Stereo3dType": text,
        "OverrideParameter.VideoTemplate.ContentAdaptStream": text,
        "OverrideParameter.AudioTemplate.TrackChannelInfo.ChannelsRemix": text,
    }
    assert parse(TranscodeTaskInput, unflatten(flat)).definition == 100010


@pytest.mark.parametrize("text", ["1", "True", "on", "00:00", "-1"])
def test_members_that_are_not_there_yet_may_not_be_on_as_text(text: str) -> None:
    with pytest.raises(ApiError, match=r"X\.BlindWatermark: is not supported yet"):
        parse(TranscodeTaskInput, unflatten({"Definition": "100010", "BlindWatermark.Definition": text}), "X")


@pytest.mark.parametrize(
    ("request_", "code", "message"),
    [
        ({"Colour": 1}, "UnknownParameter", "Colour: not a parameter of this action"),
        ({"Trigger": {"Type": "x", "Dirr": 1}}, "UnknownParameter", "Trigger.Dirr: not a parameter of this action"),
        (
            {"Activities": [{"ActivityType": "input", "Typo": 1}]},
            "InvalidParameterValue",
            "Activities[0].Typo: must be absent: there is no such parameter",
        ),
    ],
)
def test_unknown_members_are_named_with_their_path(request_: dict[str, Any], code: str, message: str) -> None:
    good: dict[str, Any] = {"ScheduleName": "a", "Trigger": {"Type": "x"}, "Activities": []}
    with pytest.raises(ApiError) as caught:
        parse(CreateScheduleRequest, good | request_)
    assert (caught.value.wire_code, caught.value.message) == (code, message)
