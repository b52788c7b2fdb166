"""Watermarks and mosaics: what is refused at save, and where things come to lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from services.workers.media.canvas import Canvas
from services.workers.media.filtergraph import Overlay
from services.workers.media.geometry import Geometry
from services.workers.media.mosaics import mosaics
from services.workers.media.watermarks import Mark, Picture, drawn
from shared.mps.extra_input import extra_inputs
from shared.mps.mosaic import MosaicInput
from shared.mps.presets import TemplateMisfit, UnknownTemplate, check_templates, resolve_watermarks
from shared.mps.svg import harmless_svg
from shared.mps.transcode import TranscodeTaskInput
from shared.mps.watermark import WatermarkInput

FRAME = Geometry(640, 360, 640, 360)
LOGO = Picture(Path("/logo"), "png_pipe", 200, 100)
SVG = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 9 9'>{}</svg>"


def cos(key: str = "logo.png") -> dict[str, Any]:
    return {
        "Type": "COS",
        "CosInputInfo": {"Bucket": "in-1250000000", "Region": "ap-guangzhou", "Object": f"/{key}"},
    }


def image(**members: Any) -> dict[str, Any]:
    """A raw watermark from a bucket; members go where they belong."""
    picture = {"ImageContent": cos()} | {
        name: members.pop(name) for name in ("Width", "Height", "RepeatType", "ImageContent") if name in members
    }
    times = {name: members.pop(name) for name in ("StartTimeOffset", "EndTimeOffset") if name in members}
    return {"Definition": 0, "RawParameter": {"Type": "image", "ImageTemplate": picture, **members}, **times}


def node(*marks: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"Definition": 100010, "WatermarkSet": list(marks), **more}


def overlay(mark: dict[str, Any], canvas: Canvas | None = None, picture: Picture = LOGO) -> Overlay:
    (resolved,) = resolve_watermarks([WatermarkInput.model_validate(mark)])
    (found,) = drawn([Mark(resolved, picture)], canvas or Canvas(FRAME, lasts_s=10))
    assert isinstance(found, Overlay)
    return found


@pytest.mark.parametrize(
    ("params", "field", "rule"),
    [
        (node(*[image()] * 11), "WatermarkSet", "at most 10 items"),
        (node(image(Width="-5px")), "WatermarkSet.0.RawParameter.ImageTemplate.Width", "not negative"),
        (node(image(Width="4px")), "WatermarkSet.0.RawParameter.ImageTemplate.Width", "8px to 4096px"),
        (node(image(XPos="120%")), "WatermarkSet.0.RawParameter.XPos", "at most 100%"),
        (node(image(YPos="10")), "WatermarkSet.0.RawParameter.YPos", "like 100px or 10%"),
        (node(image(XPos="10W%")), "WatermarkSet.0.RawParameter.XPos", "like 100px or 10%"),
        (node(image(CoordinateOrigin="Center")), "WatermarkSet.0.RawParameter.CoordinateOrigin", "TopLeft"),
        (node(image(StartTimeOffset=5, EndTimeOffset=4)), "WatermarkSet.0", "EndTimeOffset must be greater"),
        (
            node(image(ImageContent={"Type": "URL", "UrlInputInfo": {"Url": "http://127.0.0.1/"}})),
            "WatermarkSet",
            "URL",
        ),
        (node({"Definition": 0}), "WatermarkSet.0", "RawParameter is required when Definition is 0"),
        (node(image() | {"TextContent": "x"}), "WatermarkSet.0", "TextContent must be absent"),
        (node({"Definition": 7, "TextContent": "x" * 101}), "WatermarkSet.0.TextContent", "at most 100 characters"),
        (node({"Definition": 7, "TextContent": "a\x1bb"}), "WatermarkSet.0.TextContent", "control characters"),
        (
            node({"Definition": 7, "SvgContent": SVG.format("<image href='/etc/passwd'/>")}),
            "WatermarkSet.0.SvgContent",
            "outside of it",
        ),
        (node(MosaicSet=[{"Width": "0px"}]), "MosaicSet.0", "Width must be more than 0"),
        (node(MosaicSet=[{"XPos": "100%"}]), "MosaicSet.0", "XPos must be less than 100%"),
        (node(MosaicSet=[{"CoordinateOrigin": "TopRight"}]), "MosaicSet.0.CoordinateOrigin", "TopLeft"),
        (node(MosaicSet=[{}] * 11), "MosaicSet", "at most 10 items"),
        (node(BlindWatermark={"Definition": 1}), "BlindWatermark", "is not supported yet"),
    ],
)
def test_what_cannot_be_is_refused_by_name(params: dict[str, Any], field: str, rule: str) -> None:
    with pytest.raises(ValidationError) as refused:
        TranscodeTaskInput.model_validate(params)
    first = refused.value.errors()[0]
    assert ".".join(map(str, first["loc"])).startswith(field)
    assert rule in first["msg"]


@pytest.mark.parametrize(
    ("definition", "marks", "field"),
    [
        (1010, [image()], "WatermarkSet"),
        (875, [image()], "WatermarkSet"),
        (100010, [{"Definition": 30, "TextContent": "x"}], "WatermarkSet[0]"),
        (100010, [image(), {"Definition": 31}], "WatermarkSet[1]"),
    ],
)
def test_marks_must_fit_their_templates(definition: int, marks: list[dict[str, Any]], field: str) -> None:
    own = {
        "watermark:30": {"Type": "svg", "SvgTemplate": {}},
        "watermark:31": {"Type": "text", "TextTemplate": {"FontSize": "20px"}},
    }
    params = TranscodeTaskInput.model_validate({"Definition": definition, "WatermarkSet": marks})
    with pytest.raises(TemplateMisfit) as refused:
        check_templates(params, own)
    assert refused.value.field == field


def test_a_template_that_is_gone_is_named_with_its_place() -> None:
    params = TranscodeTaskInput.model_validate(node(image(), {"Definition": 77}))
    with pytest.raises(UnknownTemplate) as refused:
        check_templates(params)
    assert (refused.value.field, refused.value.definition) == ("WatermarkSet[1].Definition", 77)


def test_files_beside_the_source_are_found_with_their_paths() -> None:
    params = TranscodeTaskInput.model_validate(node({"Definition": 7}, image()))
    assert [path for path, _ in extra_inputs(params)] == ["WatermarkSet[1].RawParameter.ImageTemplate.ImageContent"]


@pytest.mark.parametrize(
    ("origin", "place"),
    [("TopLeft", (64, 10)), ("TopRight", (512, 10)), ("BottomLeft", (64, 318)), ("BottomRight", (512, 318))],
)
def test_each_origin_counts_from_its_own_corner(origin: str, place: tuple[int, int]) -> None:
    found = overlay(image(CoordinateOrigin=origin, XPos="10%", YPos="10px"))
    assert (int(found.x), int(found.y)) == place
    assert "scale=64:32:flags=lanczos" in found.filters


@pytest.mark.parametrize(
    ("members", "size"),
    [
        ({}, "64:32"),
        ({"Width": "0px", "Height": "0px"}, "64:32"),
        ({"Width": "100px"}, "100:50"),
        ({"Height": "90px"}, "180:90"),
        ({"Width": "50%", "Height": "50%"}, "320:180"),
        ({"Width": "0px", "Height": "10%"}, "72:36"),
    ],
)
def test_a_side_that_is_not_given_follows_from_the_other(members: dict[str, str], size: str) -> None:
    assert f"scale={size}:flags=lanczos" in overlay(image(**members)).filters


def test_an_odd_place_is_kept_to_the_pixel() -> None:
    found = overlay(image(XPos="11px", YPos="3px", Width="100px"))
    assert (found.x, found.y) == ("10", "2"), "the overlay filter works on pairs of pixels"
    assert found.filters[-1] == "pad=101:51:1:1:color=black@0"


@pytest.mark.parametrize(
    ("start", "end", "enabled"),
    [
        (None, None, None),
        (0, 0, None),
        (2, 0, "enable='gte(t,1.9995)'"),
        (0, 4, "enable='gte(t,-0.0005)*lt(t,3.9995)'"),
        (-3, -1, "enable='gte(t,6.9995)*lt(t,8.9995)'"),
        (2, -1, "enable='gte(t,1.9995)*lt(t,8.9995)'"),
        (-99, 0, None),
    ],
)
def test_windows_count_from_both_ends(start: float | None, end: float | None, enabled: str | None) -> None:
    found = overlay(image(StartTimeOffset=start, EndTimeOffset=end))
    assert [option for option in found.options if option.startswith("enable")] == ([enabled] if enabled else [])


def test_a_window_without_a_moment_draws_nothing() -> None:
    (resolved,) = resolve_watermarks([WatermarkInput.model_validate(image(StartTimeOffset=8, EndTimeOffset=-4))])
    assert drawn([Mark(resolved, LOGO)], Canvas(FRAME, lasts_s=10)) == ()


def test_times_of_a_stream_that_keeps_its_own_are_shifted() -> None:
    found = overlay(image(StartTimeOffset=2), Canvas(FRAME, lasts_s=10, begins_s=100))
    assert "enable='gte(t,101.9995)'" in found.options


@pytest.mark.parametrize(
    ("repeat", "demuxer", "arguments", "options"),
    [
        ("repeat", "gif", ["-ignore_loop", "1", "-stream_loop", "-1"], ["shortest=1"]),
        ("once", "gif", ["-ignore_loop", "1"], ["enable='gte(t,-0.0005)*lt(t,1.4995)'"]),
        ("repeat_last_frame", "gif", ["-ignore_loop", "1"], []),
        ("repeat", "apng", ["-stream_loop", "-1"], ["shortest=1"]),
        ("repeat", "png_pipe", [], []),
    ],
)
def test_moving_pictures_repeat_as_asked(repeat: str, demuxer: Any, arguments: list[str], options: list[str]) -> None:
    found = overlay(image(RepeatType=repeat), picture=Picture(Path("/x"), demuxer, 60, 60, lasts_s=1.5))
    assert all(argument in found.arguments for argument in arguments)
    assert [option for option in found.options if option.startswith(("shortest", "enable"))] == options


def test_a_moving_picture_ends_even_if_there_is_no_frame_to_lie_on() -> None:
    found = overlay(image(), Canvas(FRAME, lasts_s=10), Picture(Path("/x"), "gif", 60, 60, lasts_s=1.5))
    assert found.arguments[found.arguments.index("-t") + 1] == "11.000"


def test_text_reaches_the_filter_as_a_file_only() -> None:
    hostile = "%{pts}':,[x];\\n"
    mark = {
        "Definition": 0,
        "TextContent": hostile,
        "RawParameter": {
            "Type": "text",
            "CoordinateOrigin": "BottomRight",
            "XPos": "5%",
            "TextTemplate": {"FontSize": "30px", "FontColor": "0xFF8000", "FontAlpha": 0.5},
        },
    }
    (resolved,) = resolve_watermarks([WatermarkInput.model_validate(mark)])
    (found,) = drawn([Mark(resolved, text_file="mark-0.txt")], Canvas(FRAME, lasts_s=10))
    assert isinstance(found, str)
    assert hostile not in found
    assert "textfile=mark-0.txt:expansion=none:fontsize=30:fontcolor=0xFF8000@0.5:x=w-text_w-32:y=h-text_h-0" in found


def test_white_is_dimmed_on_hdr_and_deep_pictures_stay_deep() -> None:
    found = overlay(image(), Canvas(FRAME, deep=True, hdr="hdr10"))
    assert "format=yuv420p10" in found.options
    assert "colorchannelmixer=rr=0.58:gg=0.58:bb=0.58" in found.filters


def test_an_area_is_enlarged_to_even_pixels_and_cut_at_the_frame() -> None:
    area = MosaicInput.model_validate({"XPos": "601px", "YPos": "50%", "Width": "100px", "Height": "33px"})
    (found,) = mosaics([area], Canvas(FRAME))
    assert "crop=40:34:600:180" in found
    assert "overlay=600:180:format=yuv420" in found


def test_an_area_that_hides_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"^MosaicSet\[1\]: it would lie outside of the picture"):
        mosaics([MosaicInput(), MosaicInput(x_pos="640px")], Canvas(FRAME))


@pytest.mark.parametrize(
    "inside",
    [
        "<image href='logo.png'/>",
        "<image xmlns:x='http://www.w3.org/1999/xlink' x:href='file:///etc/passwd'/>",
        "<image href='data:image/svg+xml;base64,AAAA'/>",
        "<feImage href='http://127.0.0.1/'/>",
        "<rect style='fill:url(http://127.0.0.1/#a)'/>",
        "<style>@import 'x.css';</style>",
        "<script>1</script>",
        "<foreignObject/>",
        "<use href='other.svg#a'/>",
        "<g>" * 250 + "</g>" * 250,
    ],
)
def test_drawings_refer_to_nothing_outside(inside: str) -> None:
    with pytest.raises(ValueError, match="must"):
        harmless_svg(SVG.format(inside))


@pytest.mark.parametrize("text", ["", "<svg/>", "<html xmlns='http://www.w3.org/1999/xhtml'/>", "<svg", "{}"])
def test_what_is_no_drawing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be an SVG drawing"):
        harmless_svg(text)


def test_entities_are_refused() -> None:
    with pytest.raises(ValueError, match="document type"):
        harmless_svg("<!DOCTYPE svg [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>" + SVG.format("&a;"))


def test_own_parts_and_embedded_pictures_are_kept() -> None:
    inside = "<style>.a{fill:url(#g)}</style><use href='#b'/><image href='data:image/png;base64,iVBORw0KGgo='/>"
    assert "data:image/png" in harmless_svg(SVG.format(inside))
