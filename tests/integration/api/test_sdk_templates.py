"""Template actions through the official SDK: every kind is made, listed, changed, used and deleted."""

import base64
import io
from datetime import timedelta

import pytest
from PIL import Image

from services.api.domain.templates import FAMILIES
from shared.mps.presets.registry import CATALOGUES
from tests.integration.api.stand import OTHER_ID, OTHER_KEY, schedule

VIDEO = {"Codec": "h264", "Fps": 25, "Bitrate": 500, "Width": 0, "Height": 360}
AUDIO = {"Codec": "aac", "Bitrate": 64, "SampleRate": 44100}


def picture() -> str:
    stream = io.BytesIO()
    Image.new("RGB", (32, 32), "red").save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


CREATE = {
    "Transcode": {"Container": "mp4", "VideoTemplate": VIDEO, "AudioTemplate": AUDIO},
    "Watermark": {
        "Type": "image",
        "CoordinateOrigin": "TopRight",
        "XPos": "5%",
        "YPos": "10px",
        "ImageTemplate": {"ImageContent": picture(), "Width": "10%", "Height": "0px", "RepeatType": "repeat"},
    },
    "SnapshotByTimeOffset": {"Width": 320, "Height": 180, "Format": "png", "FillType": "black"},
    "SampleSnapshot": {"SampleType": "Percent", "SampleInterval": 20},
    "ImageSprite": {"SampleType": "Time", "SampleInterval": 5, "RowCount": 5, "ColumnCount": 4, "Width": 160},
    "AnimatedGraphics": {"Fps": 5, "Format": "webp", "Width": 320, "Height": 180},
    "AdaptiveDynamicStreaming": {
        "Format": "HLS",
        "StreamInfos": [{"Video": VIDEO, "Audio": AUDIO}, {"Video": VIDEO | {"Height": 240}, "Audio": AUDIO}],
    },
    "QualityControl": {"QualityControlItemSet": [{"Type": "Blur", "Switch": "ON"}]},
    "ContentReview": {
        "PornConfigure": {
            "ImgReviewInfo": {"Switch": "ON", "LabelSet": ["porn", "sexy"], "BlockConfidence": 90},
            "AsrReviewInfo": {"Switch": "OFF"},
        },
        "UserDefineConfigure": {"OcrReviewInfo": {"Switch": "ON", "LabelSet": ["词"]}},
    },
    "AIAnalysis": {"TagConfigure": {"Switch": "ON"}, "CoverConfigure": {"Switch": "OFF"}},
    "AIRecognition": {
        "FaceConfigure": {"Switch": "ON", "Score": 95.5, "DefaultLibraryLabelSet": ["sport"], "FaceLibrary": "All"},
        "AsrFullTextConfigure": {"Switch": "ON", "SubtitleFormat": "vtt", "SourceLanguage": "zh-CN"},
        "TranslateConfigure": {"Switch": "ON", "SourceLanguage": "zh", "DestinationLanguage": "en"},
    },
}
CHANGE = {
    "Transcode": ({"VideoTemplate": {"Bitrate": 900}}, ("VideoTemplate", "Bitrate"), 900),
    "Watermark": ({"XPos": "20%"}, ("XPos",), "20%"),
    "SnapshotByTimeOffset": ({"Width": 640, "Height": 360}, ("Width",), 640),
    "SampleSnapshot": ({"SampleInterval": 25}, ("SampleInterval",), 25),
    "ImageSprite": ({"RowCount": 7}, ("RowCount",), 7),
    "AnimatedGraphics": ({"Fps": 8}, ("Fps",), 8),
    "AdaptiveDynamicStreaming": ({"DisableHigherVideoResolution": 1}, ("DisableHigherVideoResolution",), 1),
    "QualityControl": ({"QualityControlItemSet": [{"Type": "NoVoice", "Switch": "ON"}]}, ("Comment",), "kept"),
    "ContentReview": (
        {"PornConfigure": {"ImgReviewInfo": {"ReviewConfidence": 40}}},
        ("PornConfigure", "ImgReviewInfo", "BlockConfidence"),
        90,
    ),
    "AIAnalysis": ({"CoverConfigure": {"Switch": "ON"}}, ("CoverConfigure", "Switch"), "ON"),
    "AIRecognition": ({"FaceConfigure": {"FaceLibrary": "Default"}}, ("FaceConfigure", "Score"), 95.5),
}
NAMES = [family.name for family in FAMILIES]


async def described(stand, family, **where):
    answer = await stand.call(f"Describe{family}Templates", where)
    return getattr(answer, f"{family}TemplateSet"), answer.TotalCount


def test_every_kind_of_template_has_its_actions():
    assert {family.kind for family in FAMILIES} == set(CATALOGUES)


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("family", NAMES)
async def test_life_of_a_template(stand, family, method):
    name = {"Name": "mine", "Comment": "kept"}
    made = await stand.call(f"Create{family}Template", CREATE[family] | name, method=method)
    assert made.Definition > 1_000_000
    [shown], total = await described(stand, family, Definitions=[made.Definition])
    assert (total, shown.Name, shown.Comment) == (1, "mine", "kept")
    # The contract has the number of a transcode template as a text here, and nowhere else.
    assert shown.Definition == (str(made.Definition) if family == "Transcode" else made.Definition)
    assert shown.CreateTime == shown.UpdateTime == "2026-11-23T10:00:00Z"
    if family == "Watermark":
        assert shown.Type == "image"
        assert shown.ImageTemplate.ImageUrl == made.ImageUrl == f"data:image/png;base64,{picture()}"
    else:
        assert shown.Type == "Custom"

    stand.store_clock.advance(timedelta(minutes=1))
    change, path, value = CHANGE[family]
    await stand.call(f"Modify{family}Template", {"Definition": made.Definition, "Name": "新"} | change, method=method)
    [shown], _ = await described(stand, family, Name="新")
    found = shown
    for member in path:
        found = getattr(found, member)
    assert found == value
    assert (shown.Comment, shown.UpdateTime) == ("kept", "2026-11-23T10:01:00Z")

    await stand.call(f"Delete{family}Template", {"Definition": made.Definition}, method=method)
    assert await described(stand, family, Definitions=[made.Definition]) == ([], 0)
    for action in (f"Modify{family}Template", f"Delete{family}Template"):
        refused = await stand.refusal(action, {"Definition": made.Definition})
        assert refused.code == "ResourceNotFound.TemplateNotExist"


async def test_another_tenant_sees_and_changes_nothing(stand):
    made = await stand.call("CreateSampleSnapshotTemplate", CREATE["SampleSnapshot"])
    other = {"secret_id": OTHER_ID, "secret_key": OTHER_KEY}
    answer = await stand.call("DescribeSampleSnapshotTemplates", {"Type": "Custom"}, **other)
    assert answer.TotalCount == 0
    for action in ("Modify", "Delete"):
        wanted = {"Definition": made.Definition}
        refused = await stand.refusal(f"{action}SampleSnapshotTemplate", wanted, **other)
        assert refused.code == "ResourceNotFound.TemplateNotExist"
    assert (await described(stand, "SampleSnapshot", Definitions=[made.Definition]))[1] == 1


async def test_system_templates_are_shown_and_read_only(stand):
    presets, total = await described(stand, "Transcode", Type="Preset", Limit=100)
    assert total == len(presets) == len(CATALOGUES[FAMILIES[0].kind].system)
    assert {template.Type for template in presets} == {"Preset"}
    [remux], _ = await described(stand, "Transcode", Definitions=[875])
    assert (remux.Container, remux.VideoTemplate.Codec, remux.CreateTime) == ("mp4", "copy", "0000-00-00T00:00:00Z")
    for action, code in (("Modify", "ModifyDefaultTemplate"), ("Delete", "DeleteDefaultTemplate")):
        refused = await stand.refusal(f"{action}TranscodeTemplate", {"Definition": 875})
        assert refused.code == f"InvalidParameterValue.{code}"


@pytest.mark.parametrize(
    ("member", "value", "holds"),
    [
        ("ContainerType", "PureAudio", lambda shown: shown.ContainerType == "PureAudio" and shown.Container == "m4a"),
        ("ContainerType", "Video", lambda shown: shown.ContainerType == "Video"),
        ("TEHDType", "TEHD", lambda shown: shown.TEHDConfig.Type == "TEHD-100"),
        ("TranscodeType", "Common", lambda shown: not shown.TEHDConfig or not shown.TEHDConfig.Type),
    ],
)
async def test_transcode_templates_are_filtered(stand, member, value, holds):
    audio = {"Container": "m4a", "RemoveVideo": 1, "AudioTemplate": AUDIO}
    await stand.call("CreateTranscodeTemplate", audio)
    await stand.call("CreateTranscodeTemplate", CREATE["Transcode"])
    await stand.call("CreateTranscodeTemplate", CREATE["Transcode"] | {"TEHDConfig": {"Type": "TEHD-100"}})
    found, total = await described(stand, "Transcode", Type="Custom", **{member: value})
    assert total == len(found) > 0
    assert all(holds(shown) for shown in found)


async def test_pages_of_a_filtered_list_join(stand):
    for height in (128, 240, 360):
        body = CREATE["Transcode"] | {"VideoTemplate": VIDEO | {"Height": height}}
        await stand.call("CreateTranscodeTemplate", body)
    whole, total = await described(stand, "Transcode", ContainerType="Video", Limit=100)
    pages = []
    for offset in range(0, total, 7):
        page, _ = await described(stand, "Transcode", ContainerType="Video", Offset=offset, Limit=7)
        pages += page
    assert [shown.Definition for shown in pages] == [shown.Definition for shown in whole]


@pytest.mark.parametrize(
    ("action", "params", "code", "says"),
    [
        ("CreateTranscodeTemplate", {}, "MissingParameter", "Container"),
        ("CreateTranscodeTemplate", {"Container": "avi"}, "InvalidParameterValue.Container", "Container"),
        (
            "CreateTranscodeTemplate",
            CREATE["Transcode"] | {"VideoTemplate": VIDEO | {"Bitrate": 1}},
            "InvalidParameterValue.Bitrate",
            "VideoTemplate.Bitrate",
        ),
        ("CreateTranscodeTemplate", CREATE["Transcode"] | {"Name": "x" * 65}, "InvalidParameterValue.Name", "Name"),
        ("CreateTranscodeTemplate", CREATE["Transcode"] | {"Colour": 1}, "UnknownParameter", "Colour"),
        ("CreateSampleSnapshotTemplate", {"SampleType": "Odd"}, "InvalidParameterValue.SampleType", "SampleType"),
        ("CreateImageSpriteTemplate", CREATE["ImageSprite"] | {"RowCount": 0}, "InvalidParameterValue.RowCount", "Row"),
        ("DescribeTranscodeTemplates", {"Limit": 101}, "InvalidParameterValue.Limit", "Limit"),
        ("DescribeTranscodeTemplates", {"Type": "Mine"}, "InvalidParameterValue.Type", "Preset or Custom"),
        ("DescribeTranscodeTemplates", {"ContainerType": "x"}, "InvalidParameterValue", "ContainerType"),
        ("DescribeSampleSnapshotTemplates", {"ContainerType": "Video"}, "UnknownParameter", "ContainerType"),
        ("DeleteTranscodeTemplate", {}, "MissingParameter", "Definition"),
        ("CreateAIAnalysisTemplate", {"TagConfigure": {}}, "MissingParameter", "TagConfigure.Switch"),
        ("CreateAIAnalysisTemplate", {"TagConfigure": {"Switch": "on"}}, "InvalidParameterValue.Switch", "TagConf"),
        (
            "CreateAIRecognitionTemplate",
            {"FaceConfigure": {"Switch": "ON", "Score": 101}},
            "InvalidParameterValue.FaceScore",
            "FaceConfigure.Score",
        ),
        (
            "CreateAIRecognitionTemplate",
            {"OcrWordsConfigure": {"Switch": "ON", "LabelSet": ["x"] * 11}},
            "InvalidParameterValue.LabelSet",
            "OcrWordsConfigure.LabelSet",
        ),
        (
            "CreateAIRecognitionTemplate",
            {"TranslateConfigure": {"Switch": "ON", "DestinationLanguage": "?"}},
            "InvalidParameterValue.DestinationLanguage",
            "TranslateConfigure.DestinationLanguage",
        ),
        (
            "CreateContentReviewTemplate",
            {"PornConfigure": {"ImgReviewInfo": {"Switch": "ON", "LabelSet": ["rude"]}}},
            "InvalidParameterValue.LabelSet",
            "PornConfigure.ImgReviewInfo.LabelSet",
        ),
        (
            "CreateContentReviewTemplate",
            {"PornConfigure": {"AsrReviewInfo": {"Switch": "ON", "BlockConfidence": 101}}},
            "InvalidParameterValue.BlockConfidence",
            "PornConfigure.AsrReviewInfo.BlockConfidence",
        ),
        ("DescribeContentReviewTemplates", {"Limit": 51}, "InvalidParameterValue.Limit", "from 1 to 50"),
    ],
)
async def test_what_is_wrong_is_named(stand, action, params, code, says):
    refused = await stand.refusal(action, params)
    assert (refused.code, says in refused.message) == (code, True), refused


async def test_a_schedule_uses_an_own_template(stand):
    made = await stand.call("CreateTranscodeTemplate", CREATE["Transcode"])
    node = {"ActivityType": "action-trans", "ReardriveIndex": [2]}
    node["ActivityPara"] = {"TranscodeTask": {"Definition": made.Definition}}
    activities = [{"ActivityType": "input", "ReardriveIndex": [1]}, node, {"ActivityType": "output"}]
    assert await stand.create(Activities=activities)
    await stand.call("DeleteTranscodeTemplate", {"Definition": made.Definition})
    refused = await stand.refusal("CreateSchedule", schedule(ScheduleName="late", Activities=activities))
    assert refused.code == "InvalidParameterValue.Definition"
    assert "Activities[1].ActivityPara.TranscodeTask.Definition" in refused.message
