"""The adaptive streaming node on real files with the real ffmpeg; the validator reads what a player would read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

from services.workers.media.ffmpeg import media_tools
from services.workers.nodes.adaptive import AdaptiveStreaming
from services.workers.nodes.base import NodeOutcome, OutputFile, UploadOrder
from shared.model.failure import ErrCode, NodeError
from tests.integration.media.conftest import BUNNY, make
from tests.integration.media.context import FakeContext, task_for
from tests.integration.media.streaming_validator import subtitles, validate_dash, validate_hls

AAC = {"Codec": "aac", "Bitrate": 48, "SampleRate": 44100}
KEY, VECTOR = "00112233445566778899aabbccddeeff", "0102030405060708090a0b0c0d0e0f10"


def rung(height: int, kbps: int, **more: Any) -> dict[str, Any]:
    return {"Video": {"Codec": "h264", "Fps": 0, "Bitrate": kbps, "Height": height, "HlsTime": 1, **more}, "Audio": AAC}


LADDER = [rung(128, 150), rung(180, 300)]


async def stream(
    template: dict[str, Any], source: Path, folder: Path, *, objects: dict[str, Path] | None = None, **params: Any
) -> tuple[NodeOutcome, Path]:
    """Runs the node with an own template; returns its outcome and the folder that stands for the bucket."""
    scratch, bucket = folder / "scratch", folder / "bucket"
    scratch.mkdir()
    task = task_for(
        "adaptive_streaming",
        {"Definition": 100_500, **params},
        templates={"adaptive_streaming:100500": {"Format": "HLS", "StreamInfos": LADDER, **template}},
    )
    context = FakeContext(task, scratch, source, objects=objects or {})
    outcome = await AdaptiveStreaming(media_tools()).execute(context)
    assert context.progress == sorted(context.progress)
    for file in outcome.files:
        target = bucket / file.key
        target.parent.mkdir(parents=True, exist_ok=True)
        assert not target.exists()
        target.write_bytes(file.path.read_bytes())
    return outcome, bucket


@pytest.mark.parametrize(
    ("kind", "apart"),
    [
        ("", False),
        ("ts-segment", False),
        ("ts-byterange", False),
        ("mp4-segment", False),
        ("mp4-byterange", False),
        ("ts-ts-segment", True),
        ("ts-ts-byterange", True),
        ("mp4-mp4-segment", True),
        ("mp4-mp4-byterange", True),
    ],
)
async def test_every_package_of_hls_plays(clips: Path, tmp_path: Path, kind: str, apart: bool) -> None:
    outcome, bucket = await stream({"SegmentType": kind}, clips / "plain.mp4", tmp_path)
    variants, sounds = validate_hls(bucket, outcome.payload["Path"][1:])
    assert [each.size for each in variants] == [(228, 128), (320, 180)]
    assert [each.frames for each in variants] == [50, 50]
    assert len(variants[0].segments) == 2
    assert len(sounds) == (1 if apart else 0)
    assert all((each.audio is None) is apart for each in variants)


@pytest.mark.parametrize("kind", ["", "mp4-byterange"])
async def test_dash_is_one_indexed_file_for_each_rendition(clips: Path, tmp_path: Path, kind: str) -> None:
    outcome, bucket = await stream({"Format": "MPEG-DASH", "SegmentType": kind}, clips / "plain.mp4", tmp_path)
    stem = "out/clip_adaptiveDynamicStreaming_100500"
    assert [(file.key.removeprefix(stem), file.order) for file in outcome.files] == [
        ("_0.mp4", UploadOrder.DATA),
        ("_1.mp4", UploadOrder.DATA),
        ("_2.mp4", UploadOrder.DATA),
        (".mpd", UploadOrder.MANIFEST),
    ]
    found = validate_dash(bucket, outcome.payload["Path"][1:])
    assert [(each.size, each.frames) for each in found[:2]] == [((228, 128), 50), ((320, 180), 50)]
    assert outcome.payload["Package"] == "MPEG-DASH"


@pytest.mark.parametrize(("kind", "vector"), [("ts-segment", ""), ("ts-ts-segment", VECTOR), ("mp4-segment", VECTOR)])
async def test_encrypted_segments_need_the_key_and_play_with_it(
    clips: Path, tmp_path: Path, kind: str, vector: str
) -> None:
    key_file = tmp_path / "key"
    key_file.write_bytes(bytes.fromhex(KEY))
    drm = {"Type": "SimpleAES", "SimpleAesDrm": {"Uri": key_file.as_uri(), "Key": KEY, "Vector": vector}}
    outcome, bucket = await stream({"SegmentType": kind}, clips / "plain.mp4", tmp_path, DrmInfo=drm)
    master = outcome.payload["Path"][1:]
    variants, sounds = validate_hls(bucket, master, bytes.fromhex(KEY))
    assert all(each.encrypted for each in (*variants, *sounds))
    for path in (path for path in bucket.rglob("*") if path.is_file()):
        assert KEY.encode() not in path.read_bytes()
        assert bytes.fromhex(KEY) not in path.read_bytes()
    # Another's eyes: ffmpeg fetches the key as a player does.
    assert played(bucket / master) == 50
    key_file.write_bytes(bytes(16))
    assert played(bucket / master) == 0, "another key"


def played(master: Path) -> int:
    """Frames of the second variant that ffmpeg can decode."""
    try:
        with av.open(str(master), options={"allowed_extensions": "ALL"}) as player:
            return sum(1 for _ in player.decode(video=1))
    except (av.error.FFmpegError, IndexError):
        return 0


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("rotated.mp4", [(128, 228), (180, 320)]),
        ("anamorphic.mp4", [(456, 128), (640, 180)]),
        ("vfr.mp4", [(228, 128), (320, 180)]),
        ("silent.mp4", [(228, 128), (320, 180)]),
        ("hdr.mp4", [(228, 128), (320, 180)]),
        ("odd.mkv", [(170, 128), (240, 180)]),
    ],
)
async def test_odd_sources_make_ladders_that_play(
    clips: Path, tmp_path: Path, name: str, sizes: list[tuple[int, int]]
) -> None:
    outcome, bucket = await stream({"SegmentType": "mp4-mp4-segment"}, clips / name, tmp_path)
    variants, sounds = validate_hls(bucket, outcome.payload["Path"][1:])
    assert [each.size for each in variants] == sizes
    assert len(sounds) == (1 if name in ("rotated.mp4", "vfr.mp4") else 0)


async def test_a_recording_that_begins_late_keeps_its_times(clips: Path, tmp_path: Path) -> None:
    make("-i", str(clips / "plain.mp4"), "-c", "copy", "-output_ts_offset", "3600", str(tmp_path / "late.ts"))
    infos = [rung(side, 150, Codec="h265", RawPts=1, Fps=0) for side in (128, 144)]
    outcome, bucket = await stream({"SegmentType": "mp4-segment", "StreamInfos": infos}, tmp_path / "late.ts", tmp_path)
    variants, _ = validate_hls(bucket, outcome.payload["Path"][1:])
    assert [each.frames for each in variants] == [50, 50]
    assert variants[0].segments[0].start == pytest.approx(3600, abs=2)


AUDIO_ALONE = {"RemoveVideo": 1, "Video": {"Codec": "copy"}, "Audio": AAC}
AC3 = {"Codec": "ac3", "Bitrate": 96, "SampleRate": 48000, "AudioLanguage": "chi", "AudioName": "旁白"}


async def test_a_ladder_of_sounds(clips: Path, tmp_path: Path) -> None:
    infos = [AUDIO_ALONE, AUDIO_ALONE | {"Audio": AC3}]
    outcome, bucket = await stream({"PureAudio": 1, "StreamInfos": infos}, clips / "sound.m4a", tmp_path)
    variants, _ = validate_hls(bucket, outcome.payload["Path"][1:])
    assert [each.audio.codec.canonical_name for each in variants] == ["aac", "ac3"]
    (tmp_path / "dash").mkdir()
    opus = {"Codec": "opus", "Bitrate": 64, "SampleRate": 48000}
    template = {"Format": "MPEG-DASH", "PureAudio": 1, "StreamInfos": [AUDIO_ALONE, AUDIO_ALONE | {"Audio": opus}]}
    outcome, bucket = await stream(template, clips / "sound.m4a", tmp_path / "dash")
    assert [each.uri for each in validate_dash(bucket, outcome.payload["Path"][1:])] == ["0", "1"]


async def test_sounds_apart_are_made_once_and_one_may_be_heard_alone(clips: Path, tmp_path: Path) -> None:
    infos = [
        rung(128, 150),
        rung(144, 200, Bframes=0, FillType="gauss", Width=400) | {"Audio": AC3},
        rung(180, 300, Mode="ABR", FillType="gauss", Width=400) | {"Audio": AC3},
        AUDIO_ALONE,
    ]
    outcome, bucket = await stream(
        {"SegmentType": "ts-ts-segment", "StreamInfos": infos}, clips / "plain.mp4", tmp_path
    )
    variants, sounds = validate_hls(bucket, outcome.payload["Path"][1:])
    assert [each.uri[-6] for each in variants] == ["0", "1", "2", "3"]
    assert [each.uri[-6] for each in sounds] == ["3", "4"], "the sound of stream 3 is that of stream 0"
    assert [each.attributes["AUDIO"] for each in variants[:3] if each.attributes] == ["audio0", "audio1", "audio1"]
    (plain, named) = [each.attributes for each in sounds]
    assert plain is not None
    assert named is not None
    assert (plain["NAME"], named["NAME"], named["LANGUAGE"]) == ("audio", "旁白", "chi")
    assert [each.size for each in variants[:3]] == [(228, 128), (400, 144), (400, 180)]


@pytest.mark.parametrize(
    ("name", "template", "error", "text"),
    [
        ("sound.m4a", {}, ErrCode.NO_VIDEO, "no video"),
        ("silent.mp4", {"PureAudio": 1, "StreamInfos": [AUDIO_ALONE]}, ErrCode.SOURCE_FILE, "no audio"),
        ("cut.mp4", {}, ErrCode.SOURCE_FILE, "truncated or damaged"),
        ("cut.mkv", {"Format": "MPEG-DASH"}, ErrCode.SOURCE_FILE, "truncated or damaged"),
        ("text.mp4", {}, ErrCode.SOURCE_FILE, "cannot be read"),
        ("plain.mp4", {"StreamInfos": []}, ErrCode.INVALID_INPUT, "StreamInfos"),
    ],
)
async def test_what_cannot_be_a_ladder_says_why(
    clips: Path, tmp_path: Path, name: str, template: dict[str, Any], error: ErrCode, text: str
) -> None:
    with pytest.raises(NodeError, match=text) as refused:
        await stream(template, clips / name, tmp_path)
    assert refused.value.failure.code is error
    assert not refused.value.failure.retryable


def stored(name: str) -> dict[str, Any]:
    return {"Type": "COS", "CosInputInfo": {"Bucket": "in-1", "Region": "ap-guangzhou", "Object": f"/{name}"}}


async def test_watermarks_are_on_every_rung_in_its_size(clips: Path, tmp_path: Path) -> None:
    red = tmp_path / "red.png"
    Image.new("RGB", (80, 40), (255, 0, 0)).save(red)
    first, second = (Image.new("RGB", (40, 40), colour) for colour in ((0, 0, 255), (0, 255, 0)))
    first.save(tmp_path / "moving.gif", save_all=True, append_images=[second], duration=1000)

    def mark(name: str, left: str, **more: Any) -> dict[str, Any]:
        image = {"ImageContent": stored(name), "Width": "25%", "Height": "50%"}
        place = {"CoordinateOrigin": "TopLeft", "XPos": left, "YPos": "0%"}
        return {"Definition": 0, "RawParameter": {"Type": "image", "ImageTemplate": image, **place}, **more}

    outcome, bucket = await stream(
        {"SegmentType": "ts-ts-segment"},
        clips / "plain.mp4",
        tmp_path,
        objects={f"in-1/{path.name}": path for path in (red, tmp_path / "moving.gif")},
        WatermarkSet=[mark("red.png", "0%", StartTimeOffset=1), mark("moving.gif", "50%")],
    )
    variants, _ = validate_hls(bucket, outcome.payload["Path"][1:])
    for each in variants:
        with av.open(str(bucket / "out" / each.uri)) as playlist:
            pictures = [frame.to_image() for frame in playlist.decode(video=0)]  # type: ignore[no-untyped-call]
        width, height = each.size
        marked, moving = (width // 8, height // 4), (width * 5 // 8, height // 4)
        assert not _like(pictures[10].getpixel(marked), (255, 0, 0))
        assert _like(pictures[40].getpixel(marked), (255, 0, 0))
        assert not _like(pictures[40].getpixel((width * 3 // 8, height // 4)), (255, 0, 0))
        assert _like(pictures[10].getpixel(moving), (0, 0, 255))
        assert _like(pictures[40].getpixel(moving), (0, 255, 0))
    assert outcome.echo is not None
    assert len(outcome.echo["WatermarkSet"]) == 2


def _like(pixel: Any, colour: tuple[int, int, int]) -> bool:
    return all(abs(own - wanted) < 40 for own, wanted in zip(pixel, colour, strict=True))


@pytest.mark.parametrize("kind", ["ts-segment", "mp4-mp4-segment"])
async def test_finished_segments_of_all_rungs_are_offered_while_the_encode_goes_on(tmp_path: Path, kind: str) -> None:
    outcome, early = await offered(tmp_path, kind)
    assert len({file.path.name.split("_")[1] for file in early}) == (3 if kind == "mp4-mp4-segment" else 2)
    assert set(early) < set(outcome.files)
    assert all(file.path.read_bytes() == body for file, body in early.items()), "they were finished"


@pytest.mark.parametrize("kind", ["ts-segment", "mp4-byterange"])
async def test_segments_that_are_still_to_be_encrypted_or_in_one_file_are_not_offered(
    tmp_path: Path, kind: str
) -> None:
    aes = {"Type": "SimpleAES", "SimpleAesDrm": {"Uri": "https://keys.example/1", "Key": KEY}}
    _, early = await offered(tmp_path, kind, **({"DrmInfo": aes} if kind == "ts-segment" else {}))
    assert early == {}


async def offered(folder: Path, kind: str, **params: Any) -> tuple[NodeOutcome, dict[OutputFile, bytes]]:
    """Encodes a clip of five seconds with one thread; what came out, and what was offered before."""
    template = {"Format": "HLS", "SegmentType": kind, "StreamInfos": [rung(480, 700), rung(360, 400)]}
    task = task_for(
        "adaptive_streaming",
        {"Definition": 100_500, **params},
        templates={"adaptive_streaming:100500": template},
    )
    context = FakeContext(task, folder, BUNNY)
    outcome = await AdaptiveStreaming(replace(media_tools(), threads=1)).execute(context)
    return outcome, context.early


SRT = "1\n00:00:00,500 --> 00:00:01,500\n字幕 <i>one</i> & two\n\n2\n00:00:09,000 --> 00:00:10,000\nnever\n"


def track(name: str, **more: Any) -> dict[str, Any]:
    return {"Type": "subtitle-stream", "Subtitle": stored(name), "SubtitleLanguage": "chi", **more}


@pytest.mark.parametrize(("kind", "begins_s"), [("ts-segment", 1.46), ("mp4-mp4-segment", 0.08)])
async def test_subtitles_beside_the_pictures_are_in_time(
    clips: Path, tmp_path: Path, kind: str, begins_s: float
) -> None:
    (tmp_path / "a.srt").write_text(SRT)
    outcome, bucket = await stream(
        {"SegmentType": kind},
        clips / "plain.mp4",
        tmp_path,
        objects={"in-1/a.srt": tmp_path / "a.srt"},
        AddOnSubtitles=[track("a.srt", SubtitleName="中文", DefaultTrack=True), track("a.srt", SubtitleName="中文")],
    )
    master = outcome.payload["Path"][1:]
    variants, _ = validate_hls(bucket, master)
    assert len(variants) == 2
    (first, text), (second, _) = subtitles(bucket, master)
    assert (first["NAME"], first["LANGUAGE"], first["DEFAULT"]) == ("中文", "chi", "YES")
    assert (second["NAME"], second["LANGUAGE"], second["DEFAULT"]) == ("中文 2", "chi", "NO")
    clock = int(text.splitlines()[1].split("MPEGTS:")[1].split(",")[0]) / 90_000
    assert clock == pytest.approx(begins_s, abs=0.03)
    assert "00:00:00.500 --> 00:00:01.500" in text
    assert "字幕 <i>one</i> &amp; two" in text
    assert "never" not in text, "the film is over"
    with av.open(str(bucket / master), options={"allowed_extensions": "ALL"}) as player:
        assert len(player.streams.subtitles) >= 1, "ffmpeg knows them for subtitles"


async def test_subtitles_of_dash_are_a_set_of_their_own(clips: Path, tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_text(SRT)
    outcome, bucket = await stream(
        {"Format": "MPEG-DASH"},
        clips / "plain.mp4",
        tmp_path,
        objects={"in-1/a.srt": tmp_path / "a.srt"},
        AddOnSubtitles=[track("a.srt")],
    )
    manifest = outcome.payload["Path"][1:]
    validate_dash(bucket, manifest)
    text = (bucket / manifest).read_text()
    assert 'contentType="text" mimeType="text/vtt" lang="chi"' in text
    assert "clip_adaptiveDynamicStreaming_100500_3.vtt" in text


async def test_subtitles_burnt_in_are_on_every_rung(clips: Path, tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_text(SRT)
    outcome, bucket = await stream(
        {},
        clips / "plain.mp4",
        tmp_path,
        objects={"in-1/a.srt": tmp_path / "a.srt"},
        SubtitleTemplate={"SubtitleFileInput": stored("a.srt"), "FontSize": "15%", "FontColor": "0xFF0000"},
    )
    variants, _ = validate_hls(bucket, outcome.payload["Path"][1:])
    for each in variants:
        with av.open(str(bucket / "out" / each.uri)) as playlist:
            pictures = [frame.to_image() for frame in playlist.decode(video=0)]  # type: ignore[no-untyped-call]
        bottom = (0, each.size[1] * 3 // 4, *each.size)
        reds = [
            sum(_like(pixel, (255, 0, 0)) for pixel in picture.crop(bottom).get_flattened_data())
            for picture in (pictures[5], pictures[25])
        ]
        assert reds[1] > reds[0] + 50


async def test_unreadable_subtitles_are_named(clips: Path, tmp_path: Path) -> None:
    with pytest.raises(NodeError, match=r"AddOnSubtitles\[0\].Subtitle"):
        await stream({}, clips / "plain.mp4", tmp_path, AddOnSubtitles=[track("nowhere.srt")])
