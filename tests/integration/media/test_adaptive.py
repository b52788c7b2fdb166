"""The adaptive streaming node on real files with the real ffmpeg; the validator reads what a player would read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import pytest

from services.workers.media.ffmpeg import media_tools
from services.workers.nodes.adaptive import AdaptiveStreaming
from services.workers.nodes.base import NodeOutcome, UploadOrder
from tests.integration.media.context import FakeContext, task_for
from tests.integration.media.streaming_validator import validate_dash, validate_hls

AAC = {"Codec": "aac", "Bitrate": 48, "SampleRate": 44100}
KEY, VECTOR = "00112233445566778899aabbccddeeff", "0102030405060708090a0b0c0d0e0f10"


def rung(height: int, kbps: int, **more: Any) -> dict[str, Any]:
    return {"Video": {"Codec": "h264", "Fps": 0, "Bitrate": kbps, "Height": height, "HlsTime": 1, **more}, "Audio": AAC}


LADDER = [rung(128, 150), rung(180, 300)]


async def stream(template: dict[str, Any], source: Path, folder: Path, **params: Any) -> tuple[NodeOutcome, Path]:
    """Runs the node with an own template; returns its outcome and the folder that stands for the bucket."""
    scratch, bucket = folder / "scratch", folder / "bucket"
    scratch.mkdir()
    task = task_for(
        "adaptive_streaming",
        {"Definition": 100_500, **params},
        templates={"adaptive_streaming:100500": {"Format": "HLS", "StreamInfos": LADDER, **template}},
    )
    context = FakeContext(task, scratch, source)
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
