"""A filter that is slow is no stall."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from services.workers.media import ffmpeg
from services.workers.media.ffmpeg import SIGN_OF_LIFE, media_tools
from services.workers.media.process import ProcessTimeout

# The encoder keeps all of the frames to itself until the end; ten of them come a second.
SLOW = "realtime=speed=0.4"
ENCODER = ["-c:v", "libx264", "-preset", "fast", "-rc-lookahead", "60"]


@pytest.mark.parametrize("life", [True, False])
async def test_frames_that_come_slowly_are_progress(tmp_path: Path, life: bool) -> None:
    plain = media_tools(threads=1)
    tools = replace(plain, limits=replace(plain.limits, stall_s=1.2))
    arguments = ["-f", "lavfi", "-i", "testsrc2=size=64x64:rate=25:duration=1"]
    filters = f"{SLOW},{SIGN_OF_LIFE}" if life else SLOW
    call = ffmpeg.call(tools, [*arguments, "-vf", filters, *ENCODER, "file:out.mp4"], tmp_path)
    if life:
        await call
        assert (tmp_path / "out.mp4").stat().st_size > 0
        return
    with pytest.raises(ProcessTimeout, match="no progress"):
        await call
