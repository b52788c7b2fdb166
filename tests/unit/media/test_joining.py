"""Opening and closing clips: what is refused, and how segments are brought together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from services.workers.media.effects import Clip, Effects
from services.workers.nodes import transcode
from services.workers.nodes.transcode_plan import TranscodePlan
from shared.model.failure import InvalidInput
from shared.mps.media import MediaAudioStreamItem, MediaMetaData, MediaVideoStreamItem
from shared.mps.naming import NumberFormat, OutputNames
from shared.mps.presets import TemplateMisfit, check_templates
from shared.mps.presets.transcode import TRANSCODE
from shared.mps.transcode import TranscodeTaskInput
from tests.unit.media.test_watermarks import cos

NAMES = OutputNames("in/clip.mp4", 0, "/out/", NumberFormat())
SOUND = MediaAudioStreamItem(sampling_rate=48000, codec="aac", channel=2)


def media(seconds: float = 10, *, sound: bool = True, picture: bool = True, rate: int = 30) -> MediaMetaData:
    video = MediaVideoStreamItem(width=640, height=360, codec="h264", fps=rate, fps_numerator=rate, fps_denominator=1)
    return MediaMetaData(
        container="mov,mp4",
        width=640 if picture else 0,
        height=360 if picture else 0,
        duration=seconds,
        video_stream_set=[video] if picture else [],
        audio_stream_set=[SOUND] if sound else [],
        video_duration=seconds if picture else 0,
        audio_duration=seconds if sound else 0,
    )


def clip(facts: MediaMetaData, name: str = "HeadSet[0]") -> Clip:
    return Clip(f"HeadTailParameter.{name}", Path("/clip.mp4"), facts)


def joined(film: MediaMetaData, effects: Effects, definition: int = 100010, **more: Any) -> TranscodePlan:
    params = TranscodeTaskInput(definition=definition, **more)
    return transcode.plan(params, TRANSCODE[definition], film, NAMES, effects)


def graphs(work: TranscodePlan) -> list[str]:
    return [work.after[index + 1] for index, each in enumerate(work.after) if each == "-filter_complex"]


def test_segments_have_one_size_rate_and_form_and_their_order() -> None:
    effects = Effects(heads=(clip(media(3)),), tails=(clip(media(2), "TailSet[0]"),))
    work = joined(media(10), effects)
    picture, sound = graphs(work)
    assert picture.endswith("[clip0_v][film_v][clip1_v]concat=n=3:v=1:a=0,fps=25/1[joined_v]")
    assert picture.count("scale=640:360") == 3
    assert picture.count("fps=25/1,tpad=") == 3
    assert [f"trim=end={seconds}.000000" in picture for seconds in (10, 3, 2)] == [True] * 3
    assert sound.endswith("[clip0_a][film_a][clip1_a]concat=n=3:v=0:a=1[joined_a]")
    assert sound.count("aformat=sample_fmts=fltp:sample_rates=44100:channel_layouts=stereo") == 3
    assert work.expected_s == 15
    assert "-filter:a:0" not in work.after


def test_what_has_no_sound_is_silent_as_long_as_its_picture() -> None:
    _, sound = graphs(joined(media(10, sound=False), Effects(heads=(clip(media(3)),))))
    assert "anullsrc=r=44100:cl=stereo" in sound
    assert "atrim=end=10.000000" in sound
    assert len(graphs(joined(media(10, sound=False), Effects(heads=(clip(media(3, sound=False)),))))) == 1


def test_only_the_film_is_cut_and_nothing_is_drawn_on_clips() -> None:
    effects = Effects(heads=(clip(media(3)),), mosaics=("boxblur",))
    work = joined(media(10), effects, start_time_offset=2, end_time_offset=6)
    assert work.before == ("-ss", "2.000", "-t", "4.000")
    assert "-t" not in work.after
    assert graphs(work)[0].count("boxblur") == 1
    assert work.expected_s == 7


def test_sound_alone_is_joined_too() -> None:
    work = joined(media(10), Effects(tails=(clip(media(4, picture=False)),)), 1010)
    (sound,) = graphs(work)
    assert "[1:a:0]" in sound
    assert work.expected_s == 14


@pytest.mark.parametrize(
    ("facts", "definition", "message"),
    [
        (media(3, picture=False), 100010, r"HeadTailParameter\.HeadSet\[0\]: the clip has no picture"),
        (media(3, sound=False), 1010, r"HeadTailParameter\.HeadSet\[0\]: the clip has no sound"),
        (media(0), 100010, r"HeadTailParameter\.HeadSet\[0\]: it is not known how long the clip lasts"),
    ],
)
def test_a_clip_that_does_not_fit_is_named(facts: MediaMetaData, definition: int, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        joined(media(10), Effects(heads=(clip(facts),)), definition)


def test_hdr_and_sdr_are_not_joined_in_ten_bits() -> None:
    template = TRANSCODE[510]
    assert template.video_template is not None
    deep = template.model_copy(update={"video_template": template.video_template.model_copy(update={"bit_depth": 10})})
    film = media(10)
    hdr = film.model_copy(
        update={"video_stream_set": [film.video_stream_set[0].model_copy(update={"hdr_type": "hdr10"})]}
    )
    effects = Effects(heads=(clip(film),))
    with pytest.raises(InvalidInput, match="HDR and SDR cannot be joined"):
        transcode.plan(TranscodeTaskInput(definition=510), deep, hdr, NAMES, effects)


def test_clips_need_an_encode_and_a_bucket() -> None:
    params = TranscodeTaskInput.model_validate({"Definition": 875, "HeadTailParameter": {"HeadSet": [cos()]}})
    with pytest.raises(TemplateMisfit) as refused:
        check_templates(params)
    assert refused.value.field == "HeadTailParameter"
    url = {"Type": "URL", "UrlInputInfo": {"Url": "http://127.0.0.1/"}}
    for clips, rule in (([url], "URL is not supported yet"), ([cos()] * 11, "at most 10 items")):
        with pytest.raises(ValidationError, match=rule):
            TranscodeTaskInput.model_validate({"Definition": 100010, "HeadTailParameter": {"TailSet": clips}})
