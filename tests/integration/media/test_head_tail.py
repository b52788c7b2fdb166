"""Opening and closing clips of other sizes, rates and channels, looked at and listened to in the output."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import pytest

from services.workers.media.ffmpeg import media_tools
from services.workers.nodes.base import NodeOutcome
from services.workers.nodes.transcode import Transcode
from shared.model.failure import InvalidInput
from tests.integration.media.conftest import make
from tests.integration.media.context import FakeContext, task_for
from tests.integration.media.test_drawing import BLUE, GREY, RED, cos, frames, near

BLACK = (0, 0, 0)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    fast = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac"]

    def film(name: str, picture: str, *sound: str) -> None:
        make("-f", "lavfi", "-i", f"color={picture}", *sound, *fast, str(folder / name))

    tone = ("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100:duration=1", "-ac", "2")
    film("film.mp4", "0x808080:size=320x180:rate=25:duration=1", *tone)
    # Upright, another rate, one channel, sound that ends early.
    film(
        "head.mp4", "red:size=90x160:rate=30:duration=0.8", *tone[:3], "sine=sample_rate=22050:duration=0.4", "-ac", "1"
    )
    film("tail.mp4", "blue:size=640x360:rate=24:duration=0.6")
    (folder / "text.mp4").write_text("This is not a film. " * 200)
    return folder


async def join(parts: Path, scratch: Path, head_tail: dict[str, Any], **more: Any) -> NodeOutcome:
    video = {"Codec": "h264", "Fps": 0, "Bitrate": 0, "Vcrf": 8} | more.pop("video", {})
    audio = {"Codec": "aac", "Bitrate": 64, "SampleRate": 44100}
    template = {"Container": "mp4", "VideoTemplate": video, "AudioTemplate": audio} | more.pop("raw", {})
    params = {"Definition": 0, "RawParameter": template, "HeadTailParameter": head_tail, **more}
    objects = {f"in-1/marks/{path.name}": path for path in parts.iterdir()}
    context = FakeContext(task_for("transcode", params), scratch, parts / "film.mp4", objects=objects)
    return await Transcode(media_tools()).execute(context)


def loudness(path: Path, at: float) -> float:
    """The highest sample within 0.1 s from that moment."""
    highest = 0.0
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            if frame.time is not None and at <= frame.time < at + 0.1:
                highest = max(highest, float(abs(frame.to_ndarray()).max()))
    return highest


BOTH = {"HeadSet": [cos("head.mp4")], "TailSet": [cos("tail.mp4")]}


async def test_clips_stand_before_and_behind_in_the_films_form(parts: Path, tmp_path: Path) -> None:
    mosaic = {"MosaicSet": [{}]}
    outcome = await join(parts, tmp_path, BOTH, **mosaic)
    path = outcome.files[0].path
    assert outcome.payload["Duration"] == pytest.approx(2.4, abs=0.1)
    assert (outcome.payload["Width"], outcome.payload["Height"]) == (320, 180)
    head, film, tail = frames(path, [0.4, 1.3, 2.1])
    assert near(head.getpixel((160, 90)), RED, 40)
    assert near(head.getpixel((20, 90)), BLACK), "upright in the middle, black beside it"
    assert near(film.getpixel((160, 90)), GREY)
    assert near(tail.getpixel((160, 90)), BLUE, 40)
    assert loudness(path, 0.1) > 0.05, "the head's own sound"
    assert loudness(path, 0.55) < 0.01, "which ended early"
    assert loudness(path, 1.2) > 0.05
    assert loudness(path, 2.0) < 0.01, "the tail has none"
    assert outcome.payload["AudioStreamSet"][0]["Channel"] == 2
    assert outcome.echo is not None
    assert outcome.echo["HeadTailParameter"] == BOTH


async def test_two_passes_and_a_cut_of_the_film_alone(parts: Path, tmp_path: Path) -> None:
    video = {"Codec": "h264", "Fps": 25, "Bitrate": 300, "Mode": "ABR", "FillType": "gauss"}
    template = {"Container": "mp4", "VideoTemplate": video, "RemoveAudio": 1, "AudioTemplate": None}
    outcome = await join(parts, tmp_path, {"HeadSet": [cos("head.mp4")] * 2}, raw=template, StartTimeOffset=0.5)
    assert outcome.payload["Duration"] == pytest.approx(2.1, abs=0.1)
    assert outcome.payload["AudioStreamSet"] == []
    second, film = frames(outcome.files[0].path, [1.2, 1.8])
    assert near(second.getpixel((20, 90)), RED, 60), "blurred beside it"
    assert near(film.getpixel((160, 90)), GREY)


@pytest.mark.parametrize(
    ("head_tail", "message"),
    [
        ({"HeadSet": [cos("gone.mp4")]}, "HeadTailParameter.HeadSet[0]: there is no object marks/gone.mp4 in in-1"),
        ({"TailSet": [cos("tail.mp4"), cos("text.mp4")]}, "HeadTailParameter.TailSet[1]: the clip cannot be used"),
    ],
)
async def test_a_clip_that_cannot_be_used_is_named(
    parts: Path, tmp_path: Path, head_tail: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInput) as failed:
        await join(parts, tmp_path, head_tail)
    assert message in failed.value.failure.message
