"""The transcode node on real files with the real ffmpeg."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import pytest

from services.workers.media.ffmpeg import media_tools
from services.workers.nodes.base import NodeOutcome, UploadOrder
from services.workers.nodes.transcode import Transcode
from shared.model.failure import ErrCode, InvalidInput, NodeError, SourceFileError
from shared.model.task import OutputTarget
from tests.integration.media.conftest import BUNNY
from tests.integration.media.context import FakeContext, task_for

COPY_AUDIO = {"Codec": "copy", "Bitrate": 0, "SampleRate": 0}
AAC = {"Codec": "aac", "Bitrate": 64, "SampleRate": 44100}
H264 = {"Codec": "h264", "Fps": 0, "Bitrate": 0}


def raw(container: str, video: dict[str, Any] | None = None, audio: dict[str, Any] | None = None) -> dict[str, Any]:
    """Parameters with a raw template; what is not given is removed."""
    template: dict[str, Any] = {"Container": container}
    template |= {"VideoTemplate": video} if video else {"RemoveVideo": 1}
    template |= {"AudioTemplate": audio} if audio else {"RemoveAudio": 1}
    return {"Definition": 0, "RawParameter": template}


async def transcode(params: dict[str, Any], source: Path, scratch: Path, **more: Any) -> NodeOutcome:
    context = FakeContext(task_for("transcode", params, **more), scratch, source)
    outcome = await Transcode(media_tools()).execute(context)
    assert context.progress == sorted(context.progress)
    return outcome


def decoded(path: Path) -> tuple[int, float, tuple[int, int]]:
    """Frames, seconds and size of the picture, all of it decoded."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        return len(frames), float(container.duration or 0) / 1e6, (frames[0].width, frames[0].height)


async def test_preset_makes_the_short_side_and_tells_about_it(tmp_path: Path) -> None:
    outcome = await transcode({"Definition": 100010}, BUNNY, tmp_path)
    (file,) = outcome.files
    assert (file.bucket, file.key, file.content_type) == ("out-1", "out/clip_transcode_100010.mp4", "video/mp4")
    assert outcome.media == 0
    frames, duration, size = decoded(file.path)
    assert size == (640, 360)
    assert duration == pytest.approx(5.3, abs=0.1)
    assert frames == pytest.approx(132, abs=1)
    payload, echo = outcome.payload, outcome.echo
    assert echo is not None
    assert payload["Path"] == echo["OutputObjectPath"] == "/out/clip_transcode_100010.mp4"
    assert payload["Md5"] == hashlib.md5(file.path.read_bytes()).hexdigest()
    assert payload["Size"] == file.path.stat().st_size
    assert payload["OutputStorage"]["CosOutputStorage"] == {"Bucket": "out-1", "Region": "ap-guangzhou"}
    assert payload["AudioStreamSet"][0]["Channel"] == 2, "six channels become two"
    assert payload["AudioStreamSet"][0]["SamplingRate"] == 44100
    assert echo["ObjectNumberFormat"] == {"InitialValue": 0, "Increment": 1, "MinLength": 1, "PlaceHolder": "0"}
    assert echo["WatermarkSet"] == echo["MosaicSet"] == []
    head = file.path.read_bytes()
    assert head.index(b"moov") < head.index(b"mdat")


@pytest.mark.parametrize("segment_type", [0, 7])
async def test_hls_plays_under_its_names_in_the_bucket(clips: Path, tmp_path: Path, segment_type: int) -> None:
    video = H264 | {"HlsTime": 1, "SegmentType": segment_type}
    params = raw("hls", video, AAC) | {
        "OutputObjectPath": "/films/{inputName}/index.{format}",
        "SegmentObjectName": "teile 1#/{inputName}-{number}.{format}",
        "ObjectNumberFormat": {"InitialValue": 1, "MinLength": 3},
    }
    outcome = await transcode(params, clips / "plain.mp4", tmp_path, key="in/a 片.mp4")
    *segments, playlist = outcome.files
    assert playlist.key == "films/a 片/index.m3u8"
    assert playlist.order is UploadOrder.MANIFEST
    assert all(segment.order is UploadOrder.DATA for segment in segments)
    kind = "m4s" if segment_type else "ts"
    media = [segment.key for segment in segments if segment.key.endswith(kind)]
    assert media == [f"films/a 片/teile 1#/a 片-{number:03d}.{kind}" for number in (1, 2)]
    assert outcome.media is None, "the next node reads what this one read"
    assert outcome.payload["Size"] == sum(file.path.stat().st_size for file in outcome.files)
    assert outcome.payload["Container"] == "hls"
    assert outcome.payload["AudioStreamSet"][0]["Bitrate"] > 30_000

    bucket = tmp_path / "bucket"
    for file in outcome.files:
        target = bucket / file.key
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.path.read_bytes())
    lines = [line for line in (bucket / playlist.key).read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == f"teile%201%23/a%20%E7%89%87-001.{kind}"
    # No HTTP server here: undo the quoting, which a file path does not have.
    text = re.sub("%20", " ", (bucket / playlist.key).read_text()).replace("%23", "#").replace("%E7%89%87", "片")
    (bucket / playlist.key).write_text(text)
    frames, duration, size = decoded(bucket / playlist.key)
    assert (frames, size) == (50, (320, 180))
    assert duration == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize(("definition", "names"), [(875, ["clip_transcode_875.mp4"]), (876, None)])
async def test_remux_copies_the_streams(clips: Path, tmp_path: Path, definition: int, names: list[str] | None) -> None:
    outcome = await transcode({"Definition": definition}, clips / "plain.mp4", tmp_path)
    keys = [file.key.removeprefix("out/") for file in outcome.files]
    assert keys == (names or ["clip_transcode_876_0.ts", "clip_transcode_876.m3u8"])
    assert decoded(outcome.files[-1].path if names else outcome.files[0].path)[2] == (320, 180)


@pytest.mark.parametrize(
    ("name", "more", "size"),
    [
        ("odd.mkv", {}, (160, 120)),
        ("rotated.mp4", {}, (180, 320)),
        ("rotated.mp4", {"Width": 640, "Height": 0}, (360, 640)),
        ("rotated.mp4", {"Width": 0, "Height": 240, "ResolutionAdaptive": "close"}, (136, 240)),
        ("anamorphic.mp4", {}, (640, 180)),
        ("anamorphic.mp4", {"Width": 0, "Height": 128}, (456, 128)),
        ("plain.mp4", {"Width": 321, "Height": 241}, (320, 240)),
        ("plain.mp4", {"Width": 320, "Height": 240, "FillType": "gauss"}, (320, 240)),
        ("plain.mp4", {"Width": 320, "Height": 240, "FillType": "stretch"}, (320, 240)),
        ("vfr.mp4", {"Fps": 30}, (320, 180)),
        ("vfr.mp4", {"Gop": 1, "GopUnit": "second", "Mode": "CBR", "Bitrate": 300}, (320, 180)),
        ("hdr.mp4", {"VideoProfile": "main", "VideoLevel": "3.1", "Vcrf": 30}, (320, 180)),
    ],
)
async def test_pictures_come_out_upright_even_and_undistorted(
    clips: Path, tmp_path: Path, name: str, more: dict[str, Any], size: tuple[int, int]
) -> None:
    outcome = await transcode(raw("mp4", H264 | more, AAC), clips / name, tmp_path)
    path = outcome.files[0].path
    assert decoded(path)[2] == size
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert stream.sample_aspect_ratio in (None, 1)
        assert next(container.decode(stream)).rotation == 0


async def test_black_bars_are_the_default(clips: Path, tmp_path: Path) -> None:
    outcome = await transcode(raw("mp4", H264 | {"Width": 320, "Height": 320}), clips / "silent.mp4", tmp_path)
    with av.open(str(outcome.files[0].path)) as container:
        picture = next(container.decode(video=0)).to_image()  # type: ignore[no-untyped-call]
    assert max(picture.getpixel((160, 10))) < 20
    assert max(picture.getpixel((10, 160))) > 20


@pytest.mark.parametrize(
    ("start", "end", "lasts"), [(0.5, 0, 1.5), (0, 1.5, 1.5), (-1, 0, 1.0), (0.5, -0.5, 1.0), (0, 2.2, 2.0)]
)
async def test_offsets_cut(clips: Path, tmp_path: Path, start: float, end: float, lasts: float) -> None:
    params = raw("mp4", H264, AAC) | {"StartTimeOffset": start, "EndTimeOffset": end}
    outcome = await transcode(params, clips / "plain.mp4", tmp_path)
    assert outcome.payload["Duration"] == pytest.approx(lasts, abs=0.1)


@pytest.mark.parametrize(("start", "end"), [(5, 0), (0, 9), (-5, 0), (1, -1.5)])
async def test_offsets_outside_the_source_are_invalid(clips: Path, tmp_path: Path, start: float, end: float) -> None:
    params = {"Definition": 100010, "StartTimeOffset": start, "EndTimeOffset": end}
    with pytest.raises(InvalidInput) as refused:
        await transcode(params, clips / "plain.mp4", tmp_path)
    assert refused.value.failure.code is ErrCode.INVALID_TIME_OFFSET


async def test_a_silent_source_has_a_silent_output(clips: Path, tmp_path: Path) -> None:
    outcome = await transcode({"Definition": 100210}, clips / "silent.mp4", tmp_path)
    assert outcome.payload["AudioStreamSet"] == []
    assert outcome.payload["Height"] == 360


async def test_sound_alone_is_remuxed_but_not_made_a_video(clips: Path, tmp_path: Path) -> None:
    outcome = await transcode({"Definition": 875}, clips / "sound.m4a", tmp_path)
    assert outcome.payload["VideoStreamSet"] == []
    (tmp_path / "again").mkdir()
    with pytest.raises(SourceFileError) as refused:
        await transcode({"Definition": 100010}, clips / "sound.m4a", tmp_path / "again")
    assert refused.value.failure.code is ErrCode.NO_VIDEO


@pytest.mark.parametrize(
    ("name", "params", "error", "text"),
    [
        ("cut.mp4", {"Definition": 100010}, SourceFileError, "truncated or damaged"),
        ("cut.mp4", {"Definition": 875}, SourceFileError, "truncated or damaged"),
        ("cut.mkv", {"Definition": 100010}, SourceFileError, "truncated or damaged"),
        ("no_moov.mp4", {"Definition": 100010}, SourceFileError, "cannot be read"),
        ("text.mp4", {"Definition": 100010}, SourceFileError, "cannot be read"),
        ("empty.mp4", {"Definition": 100010}, SourceFileError, "0 bytes"),
        ("silent.mp4", {"Definition": 1110}, SourceFileError, "no audio"),
        ("plain.mp4", {"Definition": 4711}, InvalidInput, "no transcode template 4711"),
        ("plain.mp4", raw("mp4", H264 | {"Codec": "h266"}), InvalidInput, "h266 is not supported yet"),
        ("plain.mp4", raw("flac", None, COPY_AUDIO), InvalidInput, "aac cannot be copied into flac"),
        ("plain.mp4", {"Definition": 100010, "OutputObjectPath": "/a/b"}, InvalidInput, r"end with \.\{format\}"),
    ],
)
async def test_what_cannot_be_done_is_not_retried_and_says_why(
    clips: Path, tmp_path: Path, name: str, params: dict[str, Any], error: type[NodeError], text: str
) -> None:
    with pytest.raises(error, match=text) as refused:
        await transcode(params, clips / name, tmp_path)
    assert not refused.value.failure.retryable
    assert "\n" not in refused.value.failure.message


async def test_the_source_is_never_overwritten(clips: Path, tmp_path: Path) -> None:
    params = {
        "Definition": 875,
        "OutputStorage": {"Type": "COS", "CosOutputStorage": {"Bucket": "in-1"}},
        "OutputObjectPath": "/in/{inputName}.{format}",
    }
    with pytest.raises(InvalidInput, match="overwrite the source"):
        await transcode(params, clips / "plain.mp4", tmp_path)


async def test_metadata_of_the_probe_is_used(clips: Path, tmp_path: Path) -> None:
    metadata = {"Duration": 2.0, "AudioDuration": 2.0, "AudioStreamSet": [{"Codec": "aac"}], "Container": "mov,mp4"}
    (tmp_path / "old").mkdir()
    await transcode({"Definition": 100010}, clips / "plain.mp4", tmp_path / "old", metadata=metadata)
    metadata |= {"Facts": {}}
    with pytest.raises(SourceFileError, match="no video"):
        await transcode({"Definition": 100010}, clips / "plain.mp4", tmp_path, metadata=metadata)


@pytest.mark.parametrize("segment_type", [0, 7])
async def test_finished_segments_are_offered_while_the_encode_goes_on(tmp_path: Path, segment_type: int) -> None:
    params = raw("hls", H264 | {"HlsTime": 1, "SegmentType": segment_type, "Height": 540}, AAC)
    (tmp_path / "a").mkdir()
    context = FakeContext(task_for("transcode", params), tmp_path / "a", BUNNY)
    tools = replace(media_tools(), threads=1)
    outcome = await Transcode(tools).execute(context)
    segments = [file for file in outcome.files if file.path.suffix in (".ts", ".m4s")]
    assert len(segments) == 6
    assert 1 <= len(context.early) < 6, "the last one comes when all has been checked"
    assert list(context.early) == segments[: len(context.early)]
    for file, body in context.early.items():
        assert file.path.read_bytes() == body, "it was finished"


@pytest.mark.parametrize(
    "more",
    [{"SegmentType": 2}, {"SegmentSpecificInfo": {"Switch": "on", "FragmentTime": 2, "FragmentEndNum": 2}}],
    ids=["one file", "joined afterwards"],
)
async def test_segments_that_are_not_final_are_not_offered(tmp_path: Path, more: dict[str, Any]) -> None:
    params = raw("hls", H264 | {"HlsTime": 1, "Height": 240} | more, AAC)
    context = FakeContext(task_for("transcode", params), tmp_path, BUNNY)
    await Transcode(replace(media_tools(), threads=1)).execute(context)
    assert context.early == {}


async def test_no_segment_over_the_source_is_offered(tmp_path: Path) -> None:
    params = raw("hls", H264 | {"HlsTime": 1, "Height": 240}, AAC) | {"SegmentObjectName": "clip_{number}.{format}"}
    task = task_for("transcode", params, key="out/clip_1.ts")
    there = OutputTarget(bucket=task.source.bucket, region=task.source.region, dir="/out/")
    context = FakeContext(task.with_changes(target=there), tmp_path, BUNNY)
    with pytest.raises(InvalidInput, match="would overwrite the source"):
        await Transcode(replace(media_tools(), threads=1)).execute(context)
    assert [file.key for file in context.early] in ([], ["out/clip_0.ts"])


async def test_mpeg2_without_a_gop_of_its_own_is_encoded(clips: Path, tmp_path: Path) -> None:
    params = raw("mxf", {"Codec": "mpeg2", "Fps": 0, "Bitrate": 1500}, None)
    outcome = await transcode(params, clips / "plain.mp4", tmp_path)
    assert outcome.payload["VideoStreamSet"][0]["Codec"] == "mpeg2video"
