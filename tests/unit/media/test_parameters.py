"""Parameters of the media nodes: ranges, combinations, what is refused by name."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from shared.mps.base import MpsModel
from shared.mps.presets import (
    PARAMETERS,
    SAMPLE_SNAPSHOT,
    SNAPSHOT_BY_TIME,
    TRANSCODE,
    UnknownTemplate,
    check_templates,
    resolve,
)
from shared.mps.snapshot import SampleSnapshotTaskInput, SnapshotByTimeOffsetTaskInput
from shared.mps.transcode import TranscodeTaskInput

VIDEO = {"Codec": "h264", "Fps": 25, "Bitrate": 1000}
AUDIO = {"Codec": "aac", "Bitrate": 128, "SampleRate": 44100}


def raw(**more: Any) -> dict[str, Any]:
    template = {"Container": "mp4", "VideoTemplate": VIDEO, "AudioTemplate": AUDIO} | more
    return {"Definition": 0, "RawParameter": {name: value for name, value in template.items() if value is not None}}


def problem(model: type[MpsModel], params: dict[str, Any]) -> tuple[str, str]:
    """Wire path and rule of the first refusal."""
    with pytest.raises(ValidationError) as refused:
        model.model_validate(params)
    first = refused.value.errors()[0]
    return ".".join(str(part) for part in first["loc"]), first["msg"]


@pytest.mark.parametrize("definition", [100010, 100020, 100030, 100040, 100070, 100080])
def test_presets_scale_the_short_side(definition: int) -> None:
    short = {10: 360, 20: 540, 30: 720, 40: 1080, 70: 1440, 80: 2160}[definition % 100]
    for number, container in ((definition, "mp4"), (definition + 200, "hls")):
        template = TRANSCODE[number]
        video, audio = template.video_template, template.audio_template
        assert video is not None
        assert audio is not None
        assert (template.container, video.width, video.height, video.resolution_adaptive) == (
            container,
            0,
            short,
            "open",
        )
        assert (video.codec, video.fps) == ("h264", 25)
        assert (audio.codec, audio.sample_rate, audio.audio_channel) == ("aac", 44100, 2)


def test_other_presets() -> None:
    assert {number: TRANSCODE[number].container for number in (875, 876)} == {875: "mp4", 876: "hls"}
    sampled = SAMPLE_SNAPSHOT[10]
    assert (sampled.sample_type, sampled.sample_interval, sampled.format) == ("Percent", 10, "jpg")
    assert SNAPSHOT_BY_TIME[10].format == "jpg"


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("transcode", {"Definition": 7}),
        ("sample_snapshot", {"Definition": 7}),
        ("snapshot_by_time", {"Definition": 7, "ExtTimeOffsetSet": ["1s"]}),
    ],
)
def test_unknown_templates_are_named(kind: str, params: dict[str, Any]) -> None:
    with pytest.raises(UnknownTemplate) as refused:
        check_templates(PARAMETERS[kind].model_validate(params))
    assert (refused.value.kind, refused.value.definition) == (kind, 7)


def test_overrides_replace_members_of_the_template() -> None:
    params = TranscodeTaskInput.model_validate(
        {
            "Definition": 100020,
            "OverrideParameter": {"Container": "hls", "VideoTemplate": {"Bitrate": 700, "HlsTime": 4}},
        }
    )
    template = resolve(params)
    assert template.container == "hls"
    assert template.video_template is not None
    assert (template.video_template.bitrate, template.video_template.height) == (700, 540)
    assert template.audio_template == TRANSCODE[100020].audio_template


def test_overrides_that_do_not_fit_are_refused() -> None:
    params = TranscodeTaskInput.model_validate({"Definition": 100020, "OverrideParameter": {"Container": "webm"}})
    with pytest.raises(ValidationError, match="h264 does not go into webm"):
        check_templates(params)


def test_what_is_off_is_accepted() -> None:
    TranscodeTaskInput.model_validate(
        raw(
            TEHDConfig={"Type": "", "MaxVideoBitrate": 0},
            EnhanceConfig={},
            VideoTemplate=VIDEO | {"Compress": 0, "SegmentSpecificInfo": {"Switch": "off"}, "ScenarioBased": 0},
        )
        | {"WatermarkSet": [], "MosaicSet": [], "HeadTailParameter": {"HeadSet": [], "TailSet": []}}
    )


@pytest.mark.parametrize(
    ("params", "field"),
    [
        (raw() | {"BlindWatermark": {"Definition": 3}}, "BlindWatermark"),
        (raw(TEHDConfig={"Type": "TEHD-200"}), "RawParameter.TEHDConfig.Type"),
        (
            raw(EnhanceConfig={"VideoEnhance": {"DiffusionEnhance": {"Switch": "ON"}}}),
            "RawParameter.EnhanceConfig.VideoEnhance.DiffusionEnhance",
        ),
        (raw(StdExtInfo="{}"), "RawParameter.StdExtInfo"),
        (raw(VideoTemplate=VIDEO | {"Codec": "h266"}), "RawParameter.VideoTemplate.Codec"),
        (raw(VideoTemplate=VIDEO | {"Codec": "mv-hevc"}), "RawParameter.VideoTemplate.Codec"),
        (raw(VideoTemplate=VIDEO | {"Stereo3dType": "top_bottom"}), "RawParameter.VideoTemplate.Stereo3dType"),
        (raw(VideoTemplate=VIDEO | {"ContentAdaptStream": 1}), "RawParameter.VideoTemplate.ContentAdaptStream"),
        (raw(VideoTemplate=VIDEO | {"FillType": "smarttailor"}), "RawParameter.VideoTemplate.FillType"),
        (
            raw(AudioTemplate=AUDIO | {"TrackChannelInfo": {"ChannelsRemix": 1}}),
            "RawParameter.AudioTemplate.TrackChannelInfo",
        ),
    ],
)
def test_what_is_not_there_yet_is_refused_by_name(params: dict[str, Any], field: str) -> None:
    found, rule = problem(TranscodeTaskInput, params)
    assert found == field
    assert rule.endswith("is not supported yet")


@pytest.mark.parametrize(
    ("params", "field", "rule"),
    [
        ({"Definition": 0}, "", "RawParameter is required"),
        ({"Definition": 1, "Watermarks": []}, "Watermarks", "not permitted"),
        (raw(VideoTemplate=VIDEO | {"Bitrate": 100}), "RawParameter.VideoTemplate.Bitrate", "0 or 128 to 100000"),
        (raw(VideoTemplate=VIDEO | {"Width": 100}), "RawParameter.VideoTemplate.Width", "0 or 128 to 4096"),
        (raw(VideoTemplate=VIDEO | {"Fps": 121}), "RawParameter.VideoTemplate", "0 to 120"),
        (raw(VideoTemplate=VIDEO | {"Width": 360, "Height": 640}), "RawParameter.VideoTemplate", "less than Height"),
        (raw(VideoTemplate=VIDEO | {"Vcrf": 52}), "RawParameter.VideoTemplate.Vcrf", "51"),
        (raw(VideoTemplate=VIDEO | {"HlsTime": 11}), "RawParameter.VideoTemplate.HlsTime", "10"),
        (raw(VideoTemplate=VIDEO | {"Codec": "copy"}), "RawParameter.VideoTemplate", "must be 0 when Codec is copy"),
        (raw(VideoTemplate=VIDEO | {"Codec": "vp9"}), "RawParameter", "vp9 does not go into mp4"),
        (raw(VideoTemplate=None), "RawParameter", "VideoTemplate is required"),
        (raw(AudioTemplate=None), "RawParameter", "AudioTemplate is required"),
        (raw(RemoveVideo=1, RemoveAudio=1), "RawParameter", "both"),
        (raw(Container="mp3"), "RawParameter", "VideoTemplate must be absent"),
        (raw(AudioTemplate=AUDIO | {"Bitrate": 300}), "RawParameter.AudioTemplate", "26 to 256 for aac"),
        (raw(AudioTemplate=AUDIO | {"AudioChannel": 3}), "RawParameter.AudioTemplate.AudioChannel", "0, 1, 2 or 6"),
        (raw() | {"OutputObjectPath": "/../x.{format}"}, "OutputObjectPath", ".."),
        (raw() | {"SegmentObjectName": "x.{format}"}, "SegmentObjectName", "{number}"),
        (raw() | {"StartTimeOffset": "nan"}, "StartTimeOffset", "finite"),
        (raw() | {"StartTimeOffset": 5, "EndTimeOffset": 3}, "", "greater than StartTimeOffset"),
        (raw() | {"StartTimeOffset": -3, "EndTimeOffset": -5}, "", "greater than StartTimeOffset"),
        (raw(AudioTemplate=AUDIO | {"SampleRate": 12345}), "RawParameter.AudioTemplate.SampleRate", "44100"),
    ],
)
def test_refusals_name_field_and_rule(params: dict[str, Any], field: str, rule: str) -> None:
    found, message = problem(TranscodeTaskInput, params)
    assert found == field
    assert rule in message


def test_numbers_as_text_are_taken() -> None:
    params = TranscodeTaskInput.model_validate(
        raw(
            VideoTemplate={"Codec": "libx264", "Fps": "25", "Bitrate": "0", "SegmentType": "7", "BitDepth": "8"},
            AudioTemplate=AUDIO | {"AudioChannel": "2"},
        )
    )
    assert params.raw_parameter is not None
    assert params.raw_parameter.video_template is not None
    assert params.raw_parameter.video_template.codec == "h264"


@pytest.mark.parametrize(
    ("params", "field", "rule"),
    [
        ({}, "", "at least one time"),
        ({"ExtTimeOffsetSet": ["3"]}, "ExtTimeOffsetSet", "is not a time"),
        ({"ExtTimeOffsetSet": ["-1s"]}, "ExtTimeOffsetSet", "is not a time"),
        ({"ExtTimeOffsetSet": ["101%"]}, "ExtTimeOffsetSet", "more than 100%"),
        ({"TimeOffsetSet": [-1]}, "TimeOffsetSet.0", "greater than or equal to 0"),
        ({"ExtTimeOffsetSet": ["1s", "2s"], "OutputObjectPath": "x.{format}"}, "", "must contain {number}"),
        ({"ExtTimeOffsetSet": ["1s"], "ExtInfo": "{}"}, "ExtInfo", "not supported yet"),
    ],
)
def test_snapshot_refusals(params: dict[str, Any], field: str, rule: str) -> None:
    found, message = problem(SnapshotByTimeOffsetTaskInput, {"Definition": 10} | params)
    assert found == field
    assert rule in message


def test_one_picture_needs_no_number() -> None:
    SnapshotByTimeOffsetTaskInput.model_validate(
        {"Definition": 10, "ExtTimeOffsetSet": ["1s"], "OutputObjectPath": "cover.{format}"}
    )
    with pytest.raises(ValidationError, match="number"):
        SampleSnapshotTaskInput.model_validate({"Definition": 10, "OutputObjectPath": "cover.{format}"})


def test_an_echo_shows_no_storage_keys() -> None:
    from shared.mps.storage import TaskOutputStorage

    own = {"Type": "AWS-S3", "S3OutputStorage": {"S3Bucket": "b", "S3Region": "r", "S3SecretKey": "hidden"}}
    params = TranscodeTaskInput.model_validate({"Definition": 100010, "OutputStorage": own})
    assert "hidden" not in str(params.echo(TaskOutputStorage.cos("b", "r"), "/x.mp4", ""))
