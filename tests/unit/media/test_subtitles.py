"""Subtitles: what is refused at save, and the script that is drawn."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from pysubs2 import Alignment, Color, SSAEvent, SSAFile

from services.workers.media.canvas import Canvas
from services.workers.media.captions import Captions
from services.workers.media.effects import SubtitleTrack
from services.workers.media.geometry import Geometry
from services.workers.media.subtitle_tracks import subtitle_tracks
from services.workers.media.subtitles import plain_track, script, web_track
from shared.mps.presets import TemplateMisfit, check_templates
from shared.mps.subtitle import SubtitleTemplate
from shared.mps.transcode import TranscodeTaskInput
from tests.unit.media.test_watermarks import cos

FRAME = Geometry(1280, 720, 1280, 720)
SRT = (
    "1\n00:00:01,000 --> 00:00:03,000\nOne {\\pos(1,2)\\fnArial\\fs99\\c&HFF&}x\n\n"
    "2\n00:00:05,000 --> 00:00:06,000\nTwo\n"
)
STYLE = (
    "Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, "
    "StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, "
    "Encoding"
)
ASS = f"""[Script Info]
PlayResX: 640
PlayResY: 360

[V4+ Styles]
Format: {STYLE}
Style: A,Impact,30,&H0000FFFF,&H0,&H0,&H0,0,0,0,0,100,100,0,0,1,4,0,8,0,0,11,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:01.00,0:00:02.00,A,,0,0,0,,{{\\fnComic Sans MS\\i1}}Hi
"""


def plain() -> Captions:
    return Captions(SSAFile.from_string(SRT, format_="srt"), styled=False)


def styled() -> Captions:
    return Captions(SSAFile.from_string(ASS, format_="ass"), styled=True)


def made(captions: Captions, canvas: Canvas | None = None, **members: Any) -> SSAFile:
    template = SubtitleTemplate.model_validate({"Path": "/a.srt", **members})
    return SSAFile.from_string(script(captions, template, canvas or Canvas(FRAME, lasts_s=10)), format_="ass")


@pytest.mark.parametrize(
    ("template", "field", "rule"),
    [
        ({"FontSize": "20px"}, "", "SubtitleFileInput is required"),
        ({"Path": "https://example.com/a.srt"}, "Path", "an address is not supported yet"),
        ({"Path": "/a.srt", "FontType": "korean.ttf"}, "FontType", "hei.ttf"),
        ({"Path": "/a.srt", "FontSize": "0px"}, "FontSize", "more than 0"),
        ({"Path": "/a.srt", "FontSize": "-1px"}, "FontSize", "not negative"),
        ({"Path": "/a.srt", "FontColor": "red"}, "FontColor", "0xRRGGBB"),
        ({"Path": "/a.srt", "FontAlpha": 0}, "FontAlpha", "greater than 0"),
        ({"Path": "/a.srt", "YPos": "101%"}, "YPos", "at most 100%"),
        ({"Path": "/a.srt", "BoardWidth": 101, "BoardWidthUnit": 1}, "", "BoardWidth must be at most 100"),
        ({"Path": "/a.srt", "LineSpacing": 3}, "LineSpacing", "is not supported yet"),
        ({"Path": "/a.srt", "FontFileInput": cos()}, "FontFileInput", "is not supported yet"),
        ({"Path": "/a.srt", "Alignment": "left"}, "Alignment", "top"),
        ({"StreamIndex": -1}, "StreamIndex", "greater than or equal to 0"),
    ],
)
def test_what_cannot_be_is_refused_by_name(template: dict[str, Any], field: str, rule: str) -> None:
    with pytest.raises(ValidationError) as refused:
        TranscodeTaskInput.model_validate({"Definition": 100010, "OverrideParameter": {"SubtitleTemplate": template}})
    first = refused.value.errors()[0]
    assert ".".join(map(str, first["loc"])).removeprefix("OverrideParameter.SubtitleTemplate").strip(".") == field
    assert rule in first["msg"]


@pytest.mark.parametrize(
    ("tracks", "rule"),
    [
        ([{"Subtitle": cos(), "Type": "close-caption-708"}], "subtitle-stream"),
        ([{"Subtitle": cos(), "OutputFormat": "TTML"}], "WebVTT"),
        ([{"Subtitle": cos(), "SubtitleName": "a/b"}], "at most 64 letters"),
        ([{"Subtitle": cos(), "SubtitleLanguage": "e"}], "must be a language"),
        ([{"Subtitle": cos(), "DefaultTrack": True}] * 2, "at most one"),
        ([{}], "required"),
    ],
)
def test_tracks_that_cannot_be_are_refused(tracks: list[dict[str, Any]], rule: str) -> None:
    with pytest.raises(ValidationError, match=rule):
        TranscodeTaskInput.model_validate({"Definition": 100010, "OverrideParameter": {"AddOnSubtitles": tracks}})


@pytest.mark.parametrize(
    ("definition", "override", "field"),
    [
        (1010, {"SubtitleTemplate": {"Path": "/a.srt"}}, "OverrideParameter.SubtitleTemplate"),
        (875, {"SubtitleTemplate": {"Path": "/a.srt"}}, "OverrideParameter.SubtitleTemplate"),
        (100210, {"AddOnSubtitles": [{"Subtitle": cos()}]}, "OverrideParameter.AddOnSubtitles"),
    ],
)
def test_subtitles_need_a_place(definition: int, override: dict[str, Any], field: str) -> None:
    params = TranscodeTaskInput.model_validate({"Definition": definition, "OverrideParameter": override})
    with pytest.raises(TemplateMisfit) as refused:
        check_templates(params)
    assert refused.value.field == field


def test_plain_lines_get_the_contracts_defaults() -> None:
    found = made(plain())
    style = found.styles["Default"]
    assert (found.info["PlayResX"], found.info["PlayResY"]) == ("1280", "720")
    assert style.fontname == "Noto Sans SC"
    assert style.fontsize == pytest.approx(36 * 1.44), "5 % of the height, as the height of an em"
    assert style.outline == pytest.approx(2.2, abs=0.1), "0.3 %"
    assert (style.alignment, style.marginv) == (Alignment.BOTTOM_CENTER, 29)
    assert "Arial" not in found.events[0].text


def test_what_the_template_says_goes_before_what_the_lines_say() -> None:
    found = made(
        plain(),
        FontType="simkai.ttf",
        FontSize="10%",
        FontColor="0x112233",
        FontAlpha=0.5,
        YPos="100px",
        OutlineWidth=1,
        OutlineWidthUnit=1,
        OutlineColor="445566",
        ShadowWidth=4,
    )
    style = found.styles["Default"]
    assert style.fontname == "Noto Serif SC"
    assert style.fontsize == pytest.approx(72 * 1.44)
    assert style.primarycolor == Color(0x11, 0x22, 0x33, 128)
    assert style.outlinecolor == Color(0x44, 0x55, 0x66, 0)
    assert (style.outline, style.shadow, style.marginv) == (7.2, 4, 100)
    assert found.events[0].text == "One x"


def test_ass_keeps_its_looks_but_never_its_fonts() -> None:
    found = made(styled())
    style = found.styles["A"]
    assert (style.fontname, style.fontsize, style.marginv) == ("Noto Sans SC", 30, 11)
    assert style.primarycolor == Color(255, 255, 0)
    assert found.events[0].text == "{\\i1}Hi"
    assert found.info["PlayResY"] == "360"


def test_pixels_of_the_template_are_converted_for_ass() -> None:
    style = made(styled(), YPos="100px", FontSize="72px").styles["A"]
    assert (style.marginv, style.alignment) == (50, Alignment.BOTTOM_CENTER)
    assert style.fontsize == pytest.approx(36 * 1.44)


def test_the_upper_edge_stands_when_lines_are_aligned_at_the_top() -> None:
    style = made(plain(), Alignment="top", YPos="90%").styles["Default"]
    assert (style.alignment, style.marginv) == (Alignment.TOP_CENTER, 72)


def test_lines_move_with_the_cut_and_those_outside_are_dropped() -> None:
    found = made(plain(), Canvas(FRAME, lasts_s=3.5, cut_s=2))
    assert [(event.start, event.end) for event in found.events] == [(0, 1000), (3000, 3500)]
    own_times = made(plain(), Canvas(FRAME, lasts_s=0.9, cut_s=2, begins_s=12))
    assert [(event.start, event.end) for event in own_times.events] == [(12000, 12900)]


def test_a_plate_stands_behind_the_lines_once_for_each_stretch() -> None:
    captions = plain()
    captions.subs.events[1].start = 2500
    found = made(captions, BoardY="10%", BoardWidth=50, BoardWidthUnit=1, BoardHeight=90, BoardColor="0x0000FF")
    plates = [event for event in found.events if event.style == "Board"]
    assert [(plate.start, plate.end) for plate in plates] == [(1000, 6000)]
    assert "\\pos(640.0,648.0)" in plates[0].text
    assert "l 640.0 0 640.0 90.0" in plates[0].text
    assert found.styles["Board"].primarycolor == Color(0, 0, 255, 51)
    assert all(event.layer > plates[0].layer for event in found.events if event.style != "Board")


def test_tracks_have_the_outputs_times_and_no_looks() -> None:
    text = plain_track(plain(), Canvas(FRAME, lasts_s=10, cut_s=1))
    assert "00:00:00,000 --> 00:00:02,000" in text
    assert "Arial" not in text
    assert "\\pos" not in text


@pytest.mark.parametrize(
    ("text", "web"),
    [
        (r"a < b & {\i1}c{\i0} --> d", "a &lt; b &amp; <i>c</i> --&gt; d"),
        # An empty line would end the cue.
        (r"\N{\an8}\N one\N {\b0}\Ntwo\N", "one \ntwo"),
    ],
)
def test_what_web_vtt_would_misread_is_written_for_it(text: str, web: str) -> None:
    subs = SSAFile()
    subs.events = [SSAEvent(start=0, end=1000, text=text)]
    track = web_track(Captions(subs, styled=True), Canvas(FRAME, lasts_s=10))
    assert [line for line in track.split("\n\n", 2)[1].splitlines() if line][2:] == web.splitlines()


@pytest.mark.parametrize(("container", "codec"), [("mp4", "mov_text"), ("mkv", "webvtt"), ("webm", "webvtt")])
def test_each_container_has_its_form_of_a_track(container: str, codec: str) -> None:
    found = subtitle_tracks([SubtitleTrack("a.srt", "chi", "中文", default=True), SubtitleTrack("b.srt")], container, 3)
    assert found.inputs == ("-f", "srt", "-i", "file:a.srt", "-f", "srt", "-i", "file:b.srt")
    assert found.arguments[:6] == ("-map", "3:s:0", "-c:s:0", codec, "-disposition:s:0", "default")
    assert "language=chi" in found.arguments
    assert found.arguments[-6:] == ("-map", "4:s:0", "-c:s:1", codec, "-disposition:s:1", "0")
