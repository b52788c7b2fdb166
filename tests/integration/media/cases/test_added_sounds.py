"""AddonAudioStream: sounds of other files beside the source's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest

from services.workers.media.ffmpeg import media_tools
from services.workers.nodes.transcode import Transcode
from shared.model.failure import InvalidInput
from shared.mps.presets import PARAMETERS, check_templates
from shared.mps.presets.catalogue import TemplateMisfit
from tests.integration.media.cases import sources
from tests.integration.media.cases.case import Wire
from tests.integration.media.context import FakeContext, task_for

SMALL = {"VideoTemplate": {"Height": 128, "Bitrate": 0}}


def added(*keys: str, **override: Any) -> Wire:
    files = [{"Type": "COS", "CosInputInfo": {"Bucket": "in-1", "Region": "r", "Object": f"/{key}"}} for key in keys]
    return {"Definition": 100010, "OverrideParameter": SMALL | {"AddonAudioStream": files} | override}


@pytest.fixture
def made(tmp_path: Path) -> Callable[[str], Path]:
    folder = tmp_path / "sources"
    folder.mkdir()
    return sources.make(folder)


async def run(params: Wire, source: str, made: Callable[[str], Path], tmp_path: Path, *names: str) -> Path:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    objects = {f"in-1/{name}": made(name) for name in names}
    context = FakeContext(task_for("transcode", params), scratch, made(source), objects=objects)
    return (await Transcode(media_tools(threads=1)).execute(context)).files[-1].path


def told(path: Path) -> list[tuple[str, int, int, str | None, bool]]:
    """Of each sound its codec, channels, rate, language, and whether it is the default."""
    with av.open(str(path)) as container:
        return [
            (
                stream.codec_context.codec.canonical_name,
                stream.codec_context.channels,
                stream.codec_context.sample_rate,
                stream.language,
                bool(stream.disposition & av.stream.Disposition.default),
            )
            for stream in container.streams.audio
        ]


def lasts(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [float((stream.duration or 0) * (stream.time_base or 0)) for stream in container.streams.audio]


async def test_sounds_are_encoded_like_the_sources_and_follow_it(made: Callable[[str], Path], tmp_path: Path) -> None:
    path = await run(added("titled.mkv", "surround.mkv"), "plain.mp4", made, tmp_path, "titled.mkv", "surround.mkv")
    own, german, surround = told(path)
    assert own == ("aac", 2, 44100, "und", True)
    assert german == ("aac", 2, 44100, "ger", False)
    assert surround == ("aac", 2, 44100, "und", False)


async def test_they_are_cut_like_the_source_and_never_longer(made: Callable[[str], Path], tmp_path: Path) -> None:
    params = added("noisy.mp4") | {"StartTimeOffset": 0.5, "EndTimeOffset": 1.5}
    path = await run(params, "plain.mp4", made, tmp_path, "noisy.mp4")
    assert lasts(path) == pytest.approx([1.0, 1.0], abs=0.1)


async def test_a_longer_one_does_not_make_the_output_longer(made: Callable[[str], Path], tmp_path: Path) -> None:
    path = await run(added("noisy.mp4"), "plain.mp4", made, tmp_path, "noisy.mp4")
    assert lasts(path) == pytest.approx([2.0, 2.0], abs=0.1)


async def test_a_silent_source_gets_the_first_one_as_its_sound(made: Callable[[str], Path], tmp_path: Path) -> None:
    path = await run(added("tone.mp3"), "silent.mp4", made, tmp_path, "tone.mp3")
    assert told(path) == [("aac", 2, 44100, "und", True)]


@pytest.mark.parametrize(
    ("name", "text"),
    [("silent.mp4", "no audio"), ("text.mp4", "cannot be read"), ("nowhere.mp4", "there is no object nowhere.mp4")],
)
async def test_what_has_no_sound_is_named(made: Callable[[str], Path], tmp_path: Path, name: str, text: str) -> None:
    there = () if name == "nowhere.mp4" else (name,)
    with pytest.raises(InvalidInput, match=text) as failed:
        await run(added("tone.mp3", name), "plain.mp4", made, tmp_path, "tone.mp3", *there)
    assert "OverrideParameter.AddonAudioStream[1]" in failed.value.failure.message


@pytest.mark.parametrize(
    ("override", "rule"),
    [
        ({"Container": "hls"}, "hls has one sound"),
        ({"RemoveAudio": 1}, "RemoveAudio is 1"),
        ({"AudioTemplate": {"Codec": "copy", "Bitrate": 0, "SampleRate": 0, "AudioChannel": 0}}, "Codec is copy"),
    ],
)
def test_a_template_without_a_place_for_them_is_refused_at_save(override: Wire, rule: str) -> None:
    with pytest.raises(TemplateMisfit, match=rule) as refused:
        check_templates(PARAMETERS["transcode"].model_validate(added("a.mp3", **override)))
    assert refused.value.field == "OverrideParameter.AddonAudioStream"
