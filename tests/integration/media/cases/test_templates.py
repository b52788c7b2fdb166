"""A tenant's own template, as the run brought it, through the node."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.workers.media.ffmpeg import media_tools
from services.workers.nodes.transcode import Transcode
from shared.model.failure import ErrCode, InvalidInput
from tests.integration.media.cases.case import Wire
from tests.integration.media.cases.measured import measure
from tests.integration.media.context import FakeContext, task_for

OWN = {
    "transcode:1000001": {
        "Container": "mkv",
        "VideoTemplate": {"Codec": "h264", "Fps": 10, "Bitrate": 0, "Width": 160},
        "AudioTemplate": {"Codec": "mp3", "Bitrate": 64, "SampleRate": 44100},
    }
}


@pytest.mark.parametrize(("override", "codec"), [(None, "h264"), ({"VideoTemplate": {"Codec": "h265"}}, "hevc")])
async def test_a_node_does_what_the_own_template_says(
    clips: Path, tmp_path: Path, override: Wire | None, codec: str
) -> None:
    params = {"Definition": 1_000_001} | ({"OverrideParameter": override} if override else {})
    task = task_for("transcode", params, templates=OWN)
    context = FakeContext(task, tmp_path, clips / "plain.mp4")
    (file,) = (await Transcode(media_tools()).execute(context)).files
    assert file.key == "out/clip_transcode_1000001.mkv"
    found = measure(file.path)
    assert found.video is not None
    assert found.audio is not None
    assert (found.video.codec, found.size, round(found.video.fps), found.audio.codec) == (codec, (160, 90), 10, "mp3")


async def test_a_template_that_was_deleted_fails_the_node_and_is_named(clips: Path, tmp_path: Path) -> None:
    context = FakeContext(task_for("transcode", {"Definition": 1_000_001}), tmp_path, clips / "plain.mp4")
    with pytest.raises(InvalidInput, match="no transcode template 1000001") as failed:
        await Transcode(media_tools()).execute(context)
    assert failed.value.failure.code is ErrCode.DEFINITION_NOT_EXIST
    assert not failed.value.failure.retryable
