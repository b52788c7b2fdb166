"""Subtitles, burnt in and as tracks, looked at in the output."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import pytest

from services.workers.media import captions
from services.workers.media.captions import read_captions
from services.workers.media.ffmpeg import media_tools
from services.workers.nodes.base import NodeOutcome
from services.workers.nodes.transcode import Transcode
from shared.model.failure import ErrCode, InvalidInput
from tests.integration.media.conftest import FFMPEG, make
from tests.integration.media.context import FakeContext, task_for
from tests.integration.media.test_drawing import GREY, cos, frames, inked, near

LINES = "1\n00:00:00,000 --> 00:00:00,800\n{}\n\n2\n00:00:01,200 --> 00:00:01,800\n第二\n"
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
Style: A,Impact,60,&H000000FF,&H0,&H0,&H0,0,0,0,0,100,100,0,0,1,0,0,8,0,0,20,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:00.00,0:00:02.00,A,,0,0,0,,口口口
"""
BOTTOM, TOP = (0, 110, 320, 180), (0, 0, 320, 70)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("texts")
    grey = "color=0x808080:size=320x180:rate=25:duration=2"
    make("-f", "lavfi", "-i", grey, "-c:v", "libx264", "-preset", "ultrafast", str(folder / "grey.mp4"))
    (folder / "lines.srt").write_text(LINES.format("口口口口"), "utf-8")
    (folder / "gb.srt").write_bytes(LINES.format("你好，世界").encode("gb18030"))
    (folder / "wide.srt").write_bytes(LINES.format("你好，世界").encode("utf-16"))
    (folder / "lines.vtt").write_text("WEBVTT\n\n00:00.000 --> 00:00.800 line:0\n你好，世界\n", "utf-8")
    (folder / "own.ass").write_text(ASS, "utf-8")
    (folder / "none.srt").write_text("no times in here\n")
    (folder / "empty.srt").write_bytes(b"")
    (folder / "bytes.srt").write_bytes(bytes(range(256)) * 50)
    (folder / "slow.srt").write_text(LINES.format("<font " * 200_000))
    make(
        *("-i", str(folder / "grey.mp4"), "-i", str(folder / "own.ass"), "-map", "0", "-map", "1"),
        *("-c", "copy", str(folder / "inside.mkv")),
    )
    return folder


async def burn(texts: Path, scratch: Path, template: dict[str, Any], source: str = "grey.mp4", **more: Any) -> Path:
    video = {"Codec": "h264", "Fps": 0, "Bitrate": 0, "Vcrf": 8}
    raw = {"Container": "mp4", "VideoTemplate": video, "RemoveAudio": 1, "SubtitleTemplate": template}
    return (await run(texts, scratch, {"Definition": 0, "RawParameter": raw, **more}, source)).files[0].path


async def run(texts: Path, scratch: Path, params: dict[str, Any], source: str = "grey.mp4") -> NodeOutcome:
    objects = {f"in-1/marks/{path.name}": path for path in texts.iterdir()}
    return await Transcode(media_tools()).execute(
        FakeContext(task_for("transcode", params), scratch, texts / source, objects=objects)
    )


async def test_lines_are_burnt_in_at_the_bottom_in_their_times(texts: Path, tmp_path: Path) -> None:
    first, between, second = frames(
        await burn(texts, tmp_path, {"SubtitleFileInput": cos("lines.srt")}), [0.4, 1.0, 1.5]
    )
    assert inked(first, BOTTOM) > 40
    assert inked(second, BOTTOM) > 15
    assert inked(first, TOP) == inked(between) == 0


async def test_a_template_decides_place_colour_and_plate(texts: Path, tmp_path: Path) -> None:
    template = {
        "Path": "/marks/gb.srt",
        "YPos": "70%",
        "FontSize": "20px",
        "FontColor": "0xFF0000",
        "OutlineWidth": 0,
        "BoardY": "60%",
        "BoardHeight": 60,
        "BoardWidth": 50,
        "BoardWidthUnit": 1,
        "BoardColor": "0x0000FF",
        "BoardAlpha": 1,
    }
    shown, between = frames(await burn(texts, tmp_path, template), [0.4, 1.0])
    assert near(shown.getpixel((84, 15)), (0, 0, 255), 40), "from 80 to 240, from 12 to 72"
    assert near(shown.getpixel((236, 68)), (0, 0, 255), 40)
    assert near(shown.getpixel((74, 40)), GREY)
    red = sum(near(shown.getpixel((x, y)), (255, 0, 0), 90) for x in range(80, 240) for y in range(12, 72))
    assert red > 60
    assert inked(between) == 0, "the plate is there while there are lines"


async def test_ass_keeps_its_place_and_a_cut_moves_the_lines(texts: Path, tmp_path: Path) -> None:
    (image,) = frames(await burn(texts, tmp_path, {"SubtitleFileInput": cos("own.ass")}), [0.5])
    assert inked(image, TOP) > 200
    assert inked(image, BOTTOM) == 0
    (tmp_path / "cut").mkdir()
    cut = await burn(texts, tmp_path / "cut", {"SubtitleFileInput": cos("wide.srt")}, StartTimeOffset=1)
    gap, late = frames(cut, [0.1, 0.5])
    assert inked(gap) == 0
    assert inked(late, BOTTOM) > 15


@pytest.mark.parametrize("index", [0, 1])
async def test_a_stream_of_the_source_by_its_number_or_its_turn(texts: Path, tmp_path: Path, index: int) -> None:
    (image,) = frames(await burn(texts, tmp_path, {"StreamIndex": index}, "inside.mkv"), [0.5])
    assert inked(image, TOP) > 200


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (
            {"SubtitleFileInput": cos("gone.srt")},
            "SubtitleFileInput: there is no object marks/gone.srt",
        ),
        ({"Path": "/marks/gone.srt"}, "SubtitleTemplate.Path: there is no object"),
        ({"SubtitleFileInput": cos("none.srt")}, "SubtitleFileInput: the subtitles cannot be read"),
        ({"SubtitleFileInput": cos("empty.srt")}, "SubtitleFileInput: the subtitles cannot be read"),
        ({"SubtitleFileInput": cos("bytes.srt")}, "SubtitleFileInput: the subtitles cannot be read"),
        ({"StreamIndex": 3}, "SubtitleTemplate.StreamIndex: the source has no text subtitles with the number 3"),
    ],
)
async def test_subtitles_that_cannot_be_read_say_which_and_why(
    texts: Path, tmp_path: Path, template: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInput) as failed:
        await burn(texts, tmp_path, template)
    assert failed.value.failure.code is ErrCode.INVALID_INPUT
    assert message in failed.value.failure.message


async def test_a_text_that_would_take_hours_is_given_up(
    texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(captions, "LIMITS", replace(captions.LIMITS, cpu_s=1))
    with pytest.raises(InvalidInput, match=r"too complex|too long"):
        await read_captions(texts / "slow.srt", tmp_path)


@pytest.mark.parametrize(("container", "codec"), [("mp4", "mov_text"), ("mkv", "webvtt")])
async def test_tracks_are_added_with_language_name_and_default(
    texts: Path, tmp_path: Path, container: str, codec: str
) -> None:
    tracks = [
        {"Subtitle": cos("lines.vtt"), "SubtitleName": "中文", "SubtitleLanguage": "chi"},
        {"Subtitle": cos("lines.srt"), "SubtitleLanguage": "eng", "DefaultTrack": True},
    ]
    override = {"Container": container, "RemoveAudio": 1, "AddOnSubtitles": tracks}
    outcome = await run(texts, tmp_path, {"Definition": 875, "OverrideParameter": override})
    path = outcome.files[0].path
    with av.open(str(path)) as made:
        streams = made.streams.subtitles
        assert [stream.codec_context.name for stream in streams] == [codec, codec]
        assert [stream.language for stream in streams] == ["chi", "eng"]
        assert [bool(stream.disposition & 1) for stream in streams] == [False, True]
    text = subprocess.run(
        [FFMPEG, "-v", "error", "-i", str(path), "-map", "0:s:1", "-f", "srt", "-"], capture_output=True, check=True
    ).stdout.decode()
    assert "00:00:01,200 --> 00:00:01,800\n第二" in text
    assert outcome.echo is not None
    assert outcome.echo["OverrideParameter"]["AddOnSubtitles"][1]["DefaultTrack"] is True
