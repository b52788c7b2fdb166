"""The adaptive streaming node on real files with the real ffmpeg; the validator reads what a player would read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from services.workers.media.ffmpeg import media_tools
from services.workers.nodes.adaptive import AdaptiveStreaming
from services.workers.nodes.base import NodeOutcome
from tests.integration.media.context import FakeContext, task_for
from tests.integration.media.streaming_validator import validate_hls

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
