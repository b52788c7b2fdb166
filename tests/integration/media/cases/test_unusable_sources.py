"""Sources that nothing can be made of: a clean failure that is not retried, and no output."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from services.workers.media.ffmpeg import media_tools
from services.workers.nodes.transcode import Transcode
from shared.model.failure import SourceFileError
from tests.integration.media.cases import sources
from tests.integration.media.cases.case import Wire, audio, raw, video
from tests.integration.media.context import FakeContext, task_for

PICTURE = raw("mp4", video(), audio())
SOUND = raw("m4a", None, audio())


@pytest.fixture
def made(tmp_path: Path) -> Callable[[str], Path]:
    folder = tmp_path / "sources"
    folder.mkdir()
    return sources.make(folder)


@pytest.mark.parametrize(
    ("name", "params", "text"),
    [
        ("empty.mp4", PICTURE, "0 bytes"),
        ("text.mp4", PICTURE, "cannot be read as media"),
        ("noise.mp4", PICTURE, "cannot be read as media"),
        ("cut.mp4", PICTURE, "cannot be read as media|truncated or damaged"),
        ("huge.png", PICTURE, "no size|too large|cannot be read|nothing of it can be decoded"),
        ("sound.m4a", PICTURE, "has no video"),
        ("silent.mp4", SOUND, "has no audio"),
        ("slides.mp4", PICTURE | {"StartTimeOffset": 1.5}, "no picture in that part"),
    ],
)
async def test_it_fails_once_and_says_why(
    made: Callable[[str], Path], tmp_path: Path, name: str, params: Wire, text: str
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    context = FakeContext(task_for("transcode", params), scratch, made(name))
    with pytest.raises(SourceFileError, match=text) as failed:
        await Transcode(media_tools(threads=1)).execute(context)
    assert not failed.value.failure.retryable
    assert "\n" not in failed.value.failure.message
    assert str(tmp_path) not in failed.value.failure.message
