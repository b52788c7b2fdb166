"""Plans of the nodes that make pictures, without ffmpeg."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from services.workers.media import animation, marking, pictures, sprites, winding
from services.workers.media.filtergraph import Overlay
from services.workers.media.hdr import to_sdr
from services.workers.media.picture import FLATTEN, frame_of, look
from services.workers.media.pictures import Wanted, nearest
from services.workers.media.sampling import sample_times
from services.workers.media.sprites import Grid
from services.workers.media.taking import tolerance_s
from services.workers.nodes import animated_graphics, image_sprite, sample_snapshot, snapshot_by_time
from shared.model.failure import ErrCode, InvalidInput, SourceFileError
from shared.mps.animated_graphics import AnimatedGraphicsTemplate, AnimatedGraphicTaskInput
from shared.mps.facts import MediaFacts
from shared.mps.image_sprite import ImageSpriteTaskInput, ImageSpriteTemplate
from shared.mps.media import MediaMetaData, MediaVideoStreamItem
from shared.mps.presets import TemplateMisfit, UnknownTemplate, check_templates
from shared.mps.snapshot import (
    SampleSnapshotTaskInput,
    SampleSnapshotTemplate,
    SnapshotByTimeOffsetTaskInput,
    SnapshotTemplate,
)
from tests.unit.media.test_plans import NAMES, media

STREAM = MediaVideoStreamItem(width=1280, height=720, codec="h264", fps=25, fps_numerator=25)
HLG = STREAM.model_copy(update={"hdr_type": "hlg"})
LONG = media(duration=7200.0, video_duration=7200.0, audio_duration=7200.0)


def sprite_template(**more: Any) -> dict[str, dict[str, Any]]:
    body = {"SampleType": "Time", "SampleInterval": 10, "RowCount": 10, "ColumnCount": 10, "Width": 142, "Height": 80}
    return {"image_sprite:30001": body | more}


def sprite(source: MediaMetaData, more: dict[str, Any] | None = None, **params: Any) -> image_sprite.SpritePlan:
    checked = ImageSpriteTaskInput.model_validate({"Definition": 30001} | params)
    names = replace(NAMES, numbers=checked.numbers)
    return image_sprite.plan(checked, source, names, sprite_template(**(more or {})))


def test_snapshot_times() -> None:
    params = SnapshotByTimeOffsetTaskInput(definition=10, ext_time_offset_set=["3.5s", "10%", "100%"])
    work = snapshot_by_time.plan(params, media(), NAMES)
    assert work.asked == (3.5, 1.0, 10.0)
    assert list(work.times) == pytest.approx([3.5, 1.0, 9.899])
    assert work.keys[2] == "out/clip_snapshotByTimeOffset_0_2.jpg"
    with pytest.raises(InvalidInput) as refused:
        snapshot_by_time.plan(SnapshotByTimeOffsetTaskInput(definition=10, ext_time_offset_set=["11s"]), media(), NAMES)
    assert refused.value.failure.code is ErrCode.INVALID_TIME_OFFSET


@pytest.mark.parametrize(
    ("sample", "duration", "times"),
    [
        (("Percent", 10), 5.312, [index * 0.5312 for index in range(10)]),
        (("Percent", 30), 10, [0, 3, 6, 9]),
        (("Percent", 100), 10, [0]),
        (("Time", 3), 10, [0, 3, 6, 9]),
        (("Time", 5), 10, [0, 5]),
        (("Time", 60), 10, [0]),
        (("Percent", 10), 0, [0]),
    ],
)
def test_sampled_times(sample: tuple[Any, int], duration: float, times: list[float]) -> None:
    template = SampleSnapshotTemplate(sample_type=sample[0], sample_interval=sample[1])
    assert sample_times(template, media(duration=duration), 1000) == pytest.approx(times)


def test_a_still_has_one_sample_and_too_many_are_refused() -> None:
    template = SampleSnapshotTemplate(sample_type="Percent", sample_interval=10)
    assert sample_times(template, media(container="jpeg_pipe", duration=0.04), 1000) == [0]
    with pytest.raises(InvalidInput, match="100 pictures of this source, more than 99"):
        sample_times(SampleSnapshotTemplate(sample_type="Percent", sample_interval=1), media(), 99)


def test_samples_are_numbered() -> None:
    work = sample_snapshot.plan(SampleSnapshotTaskInput(definition=10), media(), NAMES)
    assert work.keys == tuple(f"out/clip_sampleSnapshot_0_{index}.jpg" for index in range(10))


PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
LOGO = {"Type": "image", "ImageTemplate": {"ImageContent": PNG}}
TEXT = {"Type": "text", "TextTemplate": {"FontSize": "20px", "TextContent": "x"}}


@pytest.mark.parametrize(
    ("mark", "field", "rule"),
    [
        ({"Definition": 5}, "WatermarkSet[0].Definition", "no watermark template 5"),
        ({"Definition": 2}, "WatermarkSet[0].Definition", "must be of type image for pictures"),
        ({"Definition": 1, "StartTimeOffset": 1}, "WatermarkSet[0].StartTimeOffset", "must be absent for pictures"),
        ({"Definition": 1, "TextContent": "x"}, "WatermarkSet[0]", "TextContent must be absent"),
        ({"Definition": 0, "RawParameter": TEXT, "TextContent": "x"}, "WatermarkSet[0].RawParameter", "use a template"),
    ],
)
@pytest.mark.parametrize("model", [SnapshotByTimeOffsetTaskInput, SampleSnapshotTaskInput])
def test_watermarks_of_pictures_are_pictures_of_templates(
    model: Any, mark: dict[str, Any], field: str, rule: str
) -> None:
    given = {"Definition": 10, "WatermarkSet": [mark]}
    params = model.model_validate(given | ({"ExtTimeOffsetSet": ["1s"]} if "ByTime" in model.__name__ else {}))
    with pytest.raises((UnknownTemplate, TemplateMisfit), match=rule) as refused:
        check_templates(params, {"watermark:1": LOGO, "watermark:2": TEXT})
    assert refused.value.field == field


def test_watermarks_are_drawn_on_all_pictures_at_once() -> None:
    params = SampleSnapshotTaskInput.model_validate({"Definition": 10, "WatermarkSet": [{"Definition": 1}]})
    work = sample_snapshot.plan(params, media(), NAMES, {"watermark:1": LOGO})
    assert [mark.wanted.definition for mark in work.looks.marks] == [1]
    logo = Overlay(("-i", "file:logo"), "5", "6", options=("format=yuv444",))
    call = marking.arguments(Path("/work"), [logo, "null"], 10, "jpg")
    assert call.count("-i") == 2
    graph = call[call.index("-filter_complex") + 1]
    assert "overlay=x=5:y=6:format=yuv444,null,scale=out_color_matrix=bt601" in graph
    assert (call[call.index("-frames:v") + 1], call[-1]) == ("10", "file:marked-%d.jpg")


ENDS = "scale=out_color_matrix=bt601:out_range=pc,format=yuvj420p"


def wanted(source: MediaMetaData, extension: str = "jpg") -> Wanted:
    return Wanted(Path("/scratch/in.mp4"), source, ("null",), extension)


def test_pictures_jump_to_their_times() -> None:
    found = pictures.by_jumps(wanted(media()), {0: 0.0, 7: 3.5})
    assert found.count("-protocol_whitelist") == 2
    assert [found[index + 1] for index, name in enumerate(found) if name == "-ss"] == ["3.000"]
    chains = [found[index + 1] for index, name in enumerate(found) if name == "-vf"]
    assert all(chain.endswith("fps=1000:start_time=0:round=up,null," + ENDS) for chain in chains)
    assert ["setpts=PTS-500," in chains[0], "setpts=PTS-500500," in chains[1]] == [True, True]
    assert found[-1] == "file:picture-7.jpg"


@pytest.mark.parametrize(
    ("container", "time", "start", "clock"),
    [
        # Key frames are found by when they are decoded.
        ("mov,mp4,m4a,3gp,3g2,mj2", 3600.0, "3599.500", 0.5),
        ("matroska,webm", 0.0, None, 0.0),
        # Without an index reading begins early enough for a key frame, or at the very start.
        ("mpegts", 3600.0, "3588.000", 12.0),
        ("flv", 5.0, None, 5.0),
        ("h264", 3600.0, None, 3600.0),
        ("gif", 3600.0, None, 3600.0),
        ("jpeg_pipe", 0.02, None, 0.02),
    ],
)
def test_reading_begins_where_the_container_can_be_trusted(
    container: str, time: float, start: str | None, clock: float
) -> None:
    source = media(container=container, duration=7200.0)
    opened, found = winding.opened_at(Path("/in"), source, time)
    assert (opened[opened.index("-ss") + 1] if "-ss" in opened else None) == start
    assert found == pytest.approx(clock)
    assert ("-noaccurate_seek" in opened) == (start is not None)


def test_key_frames_stand_for_the_times_that_they_are_near_to() -> None:
    # 4.9 is a key frame before 5, 11.3 one behind 10 by too much, 14.8 one before 15; nothing is near to 20.
    assert nearest([0.0, 4.9, 11.3, 14.8, 17.0], 5, 1.25, 5) == {0: 0.0, 1: 4.9, 3: 14.8}
    assert nearest([0.0, 0.5, 9.0], 5, 1.25, 1) == {0: 0.0}
    assert (tolerance_s(1), tolerance_s(4), tolerance_s(60)) == (0.25, 1.0, 2.0)


@pytest.mark.parametrize(
    ("template", "source", "filters"),
    [
        ({}, media(), ["setparams=colorspace=bt709", "scale=1280:720", "setsar=1"]),
        ({"Width": 640}, media(), ["setparams=colorspace=bt709", "scale=640:360", "setsar=1"]),
        ({"Height": 360}, media(), ["setparams=colorspace=bt709", "scale=640:360", "setsar=1"]),
        ({"Width": 640, "Height": 360}, media(rotate=90), ["setparams=colorspace=bt709", "scale=360:640", "setsar=1"]),
        (
            {"Width": 400, "Height": 400, "FillType": "white"},
            media(),
            ["setparams=colorspace=bt709", "scale=400:225,pad=400:400:0:86:color=white", "setsar=1"],
        ),
        (
            {},
            media(video_stream_set=[HLG]),
            [*to_sdr(media(video_stream_set=[HLG])), "scale=1280:720", "setsar=1"],
        ),
        ({}, media(facts=MediaFacts(pixel_format="rgba")), [FLATTEN, "scale=1280:720", "setsar=1"]),
        ({}, media(facts=MediaFacts(pixel_format="rgb24")), ["scale=1280:720", "setsar=1"]),
        (
            {},
            media(video_stream_set=[STREAM.model_copy(update={"color_space": "bt709"})]),
            ["scale=1280:720", "setsar=1"],
        ),
    ],
)
def test_what_a_picture_looks_like(template: dict[str, Any], source: MediaMetaData, filters: list[str]) -> None:
    source = source if source.facts else source.model_copy(update={"facts": MediaFacts(pixel_format="yuv420p")})
    checked = SnapshotTemplate.model_validate(template)
    assert list(look(frame_of(checked, source, checked.fill_type), source, checked.fill_type)) == filters


def test_a_sprite_of_a_film() -> None:
    work = sprite(LONG)
    assert (len(work.times), len(work.keys)) == (720, 8)
    assert work.keys[7] == "out/clip_imageSprite_0_7.jpg"
    assert work.web_vtt_key == "out/clip_imageSprite_0.vtt"
    cues = work.web_vtt.split("\n\n")
    assert cues[0] == "WEBVTT"
    assert cues[1] == "00:00:00.000 --> 00:00:10.000\nclip_imageSprite_0_0.jpg#xywh=0,0,142,80"
    assert cues[200] == "00:33:10.000 --> 00:33:20.000\nclip_imageSprite_0_1.jpg#xywh=1278,720,142,80"
    assert cues[720] == "01:59:50.000 --> 02:00:00.000\nclip_imageSprite_0_7.jpg#xywh=1278,80,142,80\n"


def test_cues_name_sheets_by_safe_relative_addresses() -> None:
    work = sprite(
        media(),
        OutputObjectPath="/a/b/50% #{inputName} 片-{number}.{format}",
        WebVttObjectName="vtt/{inputName}.{format}",
        ObjectNumberFormat={"InitialValue": 1, "MinLength": 2},
    )
    assert work.keys == ("a/b/50% #clip 片-01.jpg",)
    assert work.web_vtt_key == "a/b/vtt/clip.vtt"
    assert "\n../50%25%20%23clip%20%E7%89%87-01.jpg#xywh=0,0,142,80\n" in work.web_vtt


def test_tiles_of_a_portrait_and_of_a_short_source() -> None:
    assert (sprite(media(rotate=90)).grid.width, sprite(media(rotate=90)).grid.height) == (80, 142)
    short = sprite(media(duration=3.0, video_duration=2.9))
    assert short.web_vtt == "WEBVTT\n\n00:00:00.000 --> 00:00:03.000\nclip_imageSprite_0_0.jpg#xywh=0,0,142,80\n"
    still = sprite(media(container="png_pipe", duration=0.0, video_duration=0.0))
    assert "00:00:00.000 --> 00:00:00.001" in still.web_vtt


def test_what_no_sheet_can_hold_is_refused() -> None:
    with pytest.raises(ValidationError, match="too large for webp"):
        ImageSpriteTemplate.model_validate(sprite_template(Format="webp", Width=2000)["image_sprite:30001"])
    with pytest.raises(InvalidInput, match="sheet of 12800x72000 pixels"):
        sprite(media(), {"Width": 0, "Height": 0, "RowCount": 100})
    with pytest.raises(InvalidInput, match="7200 sheets"):
        sprite(LONG, {"SampleInterval": 1, "RowCount": 1, "ColumnCount": 1})
    with pytest.raises(SourceFileError) as refused:
        sprite(media(video_stream_set=[]))
    assert refused.value.failure.code is ErrCode.NO_VIDEO


def test_tiles_fill_rows() -> None:
    grid = Grid(rows=2, columns=3, width=10, height=5)
    assert [grid.place(index) for index in (0, 2, 3, 5, 6)] == [(0, 0, 0), (0, 20, 0), (0, 0, 5), (0, 20, 5), (1, 0, 0)]
    call = sprites.sheet_arguments(Path("/tiles"), grid, 7, "webp")
    assert call[call.index("-frames:v") + 1] == "2"
    assert "tile=3x2:color=black" in call[call.index("-vf") + 1]


def animated(start: float, end: float, source: MediaMetaData | None = None) -> animated_graphics.AnimationPlan:
    params = AnimatedGraphicTaskInput(definition=20000, start_time_offset=start, end_time_offset=end)
    return animated_graphics.plan(params, source or media(), NAMES)


@pytest.mark.parametrize(
    ("start", "end", "rule"),
    [
        (10, 12, "StartTimeOffset 10 is beyond"),
        (600, 610, "StartTimeOffset 600"),
        (0, 11, "EndTimeOffset 11 is beyond"),
    ],
)
def test_offsets_beyond_the_end_are_refused(start: float, end: float, rule: str) -> None:
    with pytest.raises(InvalidInput, match=rule) as refused:
        animated(start, end)
    assert refused.value.failure.code is ErrCode.INVALID_TIME_OFFSET


def test_the_moving_part() -> None:
    assert animated(2, 5).part == animation.Part(2, 3, 6)
    assert animated(9, 10.3).part == animation.Part(9, pytest.approx(0.9), 2)
    assert animated(0, 3, media(container="png_pipe", duration=0)).part.frames == 1
    assert animated(0, 3).key == "out/clip_animatedGraphic_0.gif"
    params = AnimatedGraphicTaskInput(definition=30001, start_time_offset=0, end_time_offset=720)
    with pytest.raises(InvalidInput, match="21600 frames"):
        animated_graphics.plan(params, LONG, NAMES, {"animated_graphics:30001": {"Fps": 30}})


def test_a_gif_reads_its_part_twice_and_holds_no_frames() -> None:
    template = AnimatedGraphicsTemplate(fps=10, quality=30)
    made = animation.arguments(Path("/in"), LONG, template, animation.Part(60, 2, 20), ("null",))
    palette, mapped = made.calls
    assert all(call[call.index("-ss") + 1] == "59.500" for call in made.calls)
    assert "trim=end_frame=20,palettegen=max_colors=102:" in palette[palette.index("-vf") + 1]
    assert "split" not in str(made.calls)
    assert mapped[mapped.index("-frames:v") + 1] == "20"
    assert [animation.colours(quality) for quality in (1, 50, 75, 100)] == [16, 171, 256, 256]


@pytest.mark.parametrize(
    ("model", "params", "rule"),
    [
        (AnimatedGraphicTaskInput, {"StartTimeOffset": 3, "EndTimeOffset": 3}, "must be greater than StartTimeOffset"),
        (AnimatedGraphicTaskInput, {"StartTimeOffset": -1, "EndTimeOffset": 3}, "StartTimeOffset"),
        (AnimatedGraphicTaskInput, {"EndTimeOffset": 3}, "StartTimeOffset"),
        (
            AnimatedGraphicTaskInput,
            {"StartTimeOffset": 0, "EndTimeOffset": 3, "OutputObjectPath": "a_{number}.{format}"},
            "has the variable {number}",
        ),
        (ImageSpriteTaskInput, {"OutputObjectPath": "sheet.{format}"}, "must contain {number}"),
        (ImageSpriteTaskInput, {"WebVttObjectName": "/a.{format}"}, "must be relative"),
        (ImageSpriteTaskInput, {"WebVttObjectName": "a_{number}.{format}"}, "has the variable {number}"),
        (ImageSpriteTaskInput, {"ExtInfo": "{}"}, "is not supported yet"),
        (ImageSpriteTaskInput, {"WatermarkSet": []}, "WatermarkSet"),
        (SampleSnapshotTaskInput, {"WatermarkSet": [{"Definition": 0}]}, "RawParameter is required"),
    ],
)
def test_parameters_are_refused_by_name(model: Any, params: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValidationError) as refused:
        model.model_validate({"Definition": 10} | params)
    assert rule in str(refused.value)


@pytest.mark.parametrize(
    ("model", "body", "rule"),
    [
        (ImageSpriteTemplate, {"Width": 8}, "must be 0 or 16 to 4096"),
        (ImageSpriteTemplate, {"FillType": "gauss"}, "stretch"),
        (ImageSpriteTemplate, {"RowCount": 0}, "RowCount"),
        (ImageSpriteTemplate, {"SampleType": "Percent", "SampleInterval": 101}, "1 to 100"),
        (AnimatedGraphicsTemplate, {"Fps": 31}, "Fps"),
        (AnimatedGraphicsTemplate, {"Fps": 5, "Quality": 101}, "Quality"),
        (AnimatedGraphicsTemplate, {"Fps": 5, "Format": "apng"}, "gif"),
        (AnimatedGraphicsTemplate, {"Fps": 5, "Width": 100}, "must be 0 or 128 to 4096"),
    ],
)
def test_templates_are_refused_by_name(model: Any, body: dict[str, Any], rule: str) -> None:
    base = sprite_template()["image_sprite:30001"] if model is ImageSpriteTemplate else {}
    with pytest.raises(ValidationError) as refused:
        model.model_validate(base | body)
    assert rule in str(refused.value)
