"""The probe on real files."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.workers.media.probe import probe
from services.workers.nodes.probe import Probe
from shared.model.failure import SourceFileError
from tests.integration.media.conftest import BUNNY
from tests.integration.media.context import FakeContext, task_for


async def test_metadata_of_the_clip_is_as_in_the_contract(tmp_path: Path) -> None:
    outcome = await Probe().execute(FakeContext(task_for("probe", {}), tmp_path, BUNNY))
    data = outcome.metadata
    assert data is not None
    assert data["Container"] == "mov,mp4,m4a,3gp,3g2,mj2"
    assert (data["Width"], data["Height"], data["Rotate"], data["Size"]) == (1280, 720, 0, BUNNY.stat().st_size)
    assert data["Duration"] == pytest.approx(5.31, abs=0.01)
    assert data["VideoDuration"] == pytest.approx(5.28, abs=0.01)
    video, audio = data["VideoStreamSet"][0], data["AudioStreamSet"][0]
    assert (video["Codec"], video["Codecs"], video["Fps"]) == ("h264", "avc1.4D401F", 25)
    assert (video["FpsNumerator"], video["FpsDenominator"]) == (25, 1)
    assert video["Bitrate"] == pytest.approx(1_205_000, rel=0.01)
    assert (audio["Codec"], audio["Codecs"], audio["Channel"]) == ("aac", "mp4a.40.2", 6)
    assert audio["SamplingRate"] == 48000
    assert not outcome.files
    assert outcome.payload is None


async def test_rotation_is_clockwise_degrees(clips: Path) -> None:
    data = await probe(clips / "rotated.mp4")
    assert (data.width, data.height) == (320, 180)
    # ffmpeg's -display_rotation turns anticlockwise.
    assert data.rotate == 270
    assert data.shown_portrait


async def test_hdr_is_named(clips: Path) -> None:
    video = (await probe(clips / "hdr.mp4")).video
    assert video is not None
    assert (video.hdr_type, video.color_transfer, video.color_primaries, video.color_space) == (
        "hdr10",
        "smpte2084",
        "bt2020",
        "bt2020nc",
    )
    assert video.codecs.startswith("hvc1.2.4.L")


async def test_sound_alone_has_no_picture(clips: Path) -> None:
    data = await probe(clips / "sound.m4a")
    assert data.video is None
    assert data.audio is not None
    assert data.audio_duration == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("empty.mp4", "0 bytes"),
        ("text.mp4", "cannot be read as media"),
        ("noise.mp4", "cannot be read as media"),
        ("no_moov.mp4", "cannot be read as media"),
        ("playlist.mp4", "cannot be read as media"),
        ("list.mp4", "cannot be read as media"),
    ],
)
async def test_what_is_no_media_is_refused_in_one_line_without_paths(clips: Path, name: str, reason: str) -> None:
    with pytest.raises(SourceFileError, match=reason) as refused:
        await probe(clips / name)
    message = refused.value.failure.message
    assert "\n" not in message
    assert "/" not in message
    assert not refused.value.failure.retryable
