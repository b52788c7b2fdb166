"""A pipeline that draws on its picture and joins clips to it, made with the official SDK."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

from tests.e2e.stack import Stack, raw_transcode

pytestmark = pytest.mark.timeout(240)


def test_logo_text_subtitles_and_a_clip_reach_the_output(stack: Stack, tmp_path: Path) -> None:
    Image.new("RGB", (80, 40), (255, 0, 0)).save(tmp_path / "logo.png")
    (tmp_path / "lines.srt").write_text("1\n00:00:00,000 --> 00:00:05,000\n你好\n", "utf-8")
    stack.upload("extras/logo.png", tmp_path / "logo.png")
    stack.upload("extras/lines.srt", tmp_path / "lines.srt")
    stack.upload("extras/clip.mp4")

    def extra(name: str) -> dict[str, Any]:
        place = {"Bucket": stack.bucket, "Region": stack.ready["region"], "Object": f"/extras/{name}"}
        return {"Type": "COS", "CosInputInfo": place}

    text = stack.call(
        "CreateWatermarkTemplate", Type="text", XPos="50%", TextTemplate={"FontType": "arial.ttf", "FontSize": "20px"}
    ).Definition

    def marked(logo: str) -> dict[str, Any]:
        action = raw_transcode(180)
        image = {"Type": "image", "ImageTemplate": {"ImageContent": extra(logo), "Width": "40px"}}
        action["ActivityPara"]["TranscodeTask"] |= {
            "WatermarkSet": [
                {"Definition": 0, "RawParameter": image},
                {"Definition": text, "TextContent": "%{pts} 水印"},
            ],
            "MosaicSet": [{"XPos": "80%", "YPos": "80%"}],
            "HeadTailParameter": {"TailSet": [extra("clip.mp4")]},
            "StartTimeOffset": 1,
            "EndTimeOffset": 2,
            "OutputObjectPath": "{inputName}_" + logo.removesuffix(".png") + ".{format}",
        }
        action["ActivityPara"]["TranscodeTask"]["RawParameter"]["SubtitleTemplate"] = {
            "SubtitleFileInput": extra("lines.srt")
        }
        return action

    stack.create_pipeline("drawn", "/drawn/", [marked("logo.png"), marked("gone.png")], OutputDir="/drawn-out/")
    stack.upload("drawn/clip.mp4")
    detail = stack.finished(stack.task_of("drawn/clip.mp4"))
    results = [item.ActivityResItem.TranscodeTask for item in detail.ScheduleTask.ActivityResultSet]
    good, bad = sorted(results, key=lambda result: result.ErrCodeExt)
    assert (good.Status, bad.Status) == ("SUCCESS", "FAIL"), good.Message
    assert bad.ErrCodeExt == "InvalidInput"
    assert "there is no object extras/gone.png" in bad.Message
    assert good.Input.WatermarkSet[1].TextContent == "%{pts} 水印"
    assert good.Input.MosaicSet[0].XPos == "80%"
    stack.s3().download_file(stack.bucket, "drawn-out/clip_logo.mp4", str(tmp_path / "made.mp4"))
    with av.open(str(tmp_path / "made.mp4")) as made:
        first = next(made.decode(video=0)).to_image()
        assert made.duration is not None
        assert made.duration / 1e6 == pytest.approx(1 + 5.3, abs=0.2)
    red = first.getpixel((20, 10))
    assert isinstance(red, tuple)
    assert red[0] > 180
    assert red[1] < 80


def test_a_bucket_of_somebody_else_is_refused_at_save(stack: Stack) -> None:
    place = {"Bucket": "media-99999999", "Region": stack.ready["region"], "Object": "/logo.png"}
    image = {"Type": "image", "ImageTemplate": {"ImageContent": {"Type": "COS", "CosInputInfo": place}}}
    action = raw_transcode(180)
    action["ActivityPara"]["TranscodeTask"]["WatermarkSet"] = [{"Definition": 0, "RawParameter": image}]
    with pytest.raises(TencentCloudSDKException) as refused:
        stack.create_pipeline("not-mine", "/not-mine/", [action], enable=False)
    assert refused.value.code == "ResourceNotFound.CosBucketNotExist"
    assert "WatermarkSet[0].RawParameter.ImageTemplate.ImageContent.CosInputInfo.Bucket" in str(refused.value.message)
