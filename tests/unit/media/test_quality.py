"""Quality control without ffmpeg: parameters, what is read, segments, checks, score, diagnosis."""

from __future__ import annotations

import math
from array import array
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.workers.media.quality import container, measuring
from services.workers.media.quality.checks import check_of, one_colour
from services.workers.media.quality.measuring import Sample, read, sample_distance
from services.workers.media.quality.packets_child import Track, judge
from services.workers.media.quality.score import opinion, picture_score, score
from services.workers.media.quality.segments import Hit, confidence, segments, standing
from shared.mps import quality
from shared.mps.facts import MediaFacts
from shared.mps.media import MediaAudioStreamItem, MediaMetaData, MediaVideoStreamItem
from shared.mps.presets import PARAMETERS, QUALITY_CONTROL, UnknownTemplate, check_templates
from shared.mps.quality_control import CHECKED, HEARD, SEEN, QualityControlItemConfig, QualityControlTemplate

NORMAL = {
    "blur": 4.5,
    "block": 1.1,
    **{f"signalstats.{plane}{side}": value for plane in "YUV" for side, value in (("MIN", 20.0), ("MAX", 220.0))},
    "signalstats.YLOW": 50.0,
    "signalstats.YHIGH": 190.0,
    "signalstats.YAVG": 118.0,
    **{f"signalstats.{plane}DIF": 6.0 for plane in "YUV"},
}


def sample(at_s: float = 0.0, **values: float) -> Sample:
    return Sample(at_s, NORMAL | {name.replace("__", "."): value for name, value in values.items()})


def source(**more: Any) -> MediaMetaData:
    video = MediaVideoStreamItem(width=640, height=360, codec="h264", fps=25, fps_numerator=25)
    audio = MediaAudioStreamItem(codec="aac", channel=2)
    base = {"video_stream_set": [video], "audio_stream_set": [audio], "width": 640, "height": 360, "duration": 10.0}
    return MediaMetaData.model_validate({**base, "container": "mov,mp4", "facts": MediaFacts(), **more})


def test_every_item_that_is_checked_is_one_of_the_contract_and_can_be_reported() -> None:
    assert CHECKED <= quality.ITEMS
    for item in SEEN.keys() | HEARD.keys() - {"LowEvaluation"}:
        rule = SEEN.get(item) or HEARD[item]
        assert rule.least <= rule.threshold <= rule.most
        assert item == "LowEvaluation" or check_of(item, rule.threshold, 640, 360) is not None
    everything = {item: [1.0] for item in CHECKED}
    assert {each.type for each in container.items(everything, CHECKED)} == CHECKED - (
        (SEEN.keys() | HEARD.keys()) - {"VideoDuplicatedFrame", "AudioOutOfPhase"}
    )


@pytest.mark.parametrize("item", sorted(quality.ITEMS - CHECKED))
def test_items_that_cannot_be_done_are_refused_by_name(item: str) -> None:
    with pytest.raises(ValidationError, match=f"Type {item} is not supported yet"):
        QualityControlItemConfig.model_validate({"Type": item})
    assert QualityControlItemConfig.model_validate({"Type": item, "Switch": "OFF"}).switch == "OFF"


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"Type": "Blurr"}, "not a quality-control item"),
        ({"Type": "Blur", "Threshold": "sharp"}, "Threshold must be a number from 2 to 100"),
        ({"Type": "NoVoice", "Threshold": "10"}, "Threshold must be a number from -120 to -20"),
        ({"Type": "NoVoice", "IntervalTime": 500}, "IntervalTime is for checks of the picture"),
        ({"Type": "Blur", "IntervalTime": 50}, "at least 100 ms"),
        ({"Type": "VideoRotation", "Duration": 500}, "Duration must be absent: VideoRotation has none"),
        ({"Type": "Blur", "Sampling": "Frame"}, "Sampling"),
        ({"Type": "Blur", "Colour": 1}, "Colour"),
    ],
)
def test_configurations_that_make_no_sense_are_refused(config: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        QualityControlTemplate.model_validate({"QualityControlItemSet": [config]})


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ({"QualityControlItemSet": []}, "at least 1"),
        ({"QualityControlItemSet": [{"Type": "Blur", "Switch": "OFF"}]}, "must have an item that is ON"),
        ({"QualityControlItemSet": [{"Type": "Blur"}, {"Type": "Blur"}]}, "names Blur twice"),
        ({"QualityControlItemSet": [{"Type": "Blur"}], "Strategy": {"StrategyType": "TimeSpotCheck"}}, "not supported"),
    ],
)
def test_templates_that_make_no_sense_are_refused(template: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        QualityControlTemplate.model_validate(template)


def test_the_node_names_its_template() -> None:
    model = PARAMETERS["quality_control"]
    for number in QUALITY_CONTROL:
        check_templates(model.model_validate({"Definition": number}))
    with pytest.raises(UnknownTemplate):
        check_templates(model.model_validate({"Definition": 7}))
    with pytest.raises(ValidationError, match="not supported"):
        model.model_validate({"Definition": 10, "ChannelExtPara": "{}"})


def test_what_ffmpeg_prints_is_read() -> None:
    lines = [
        "frame:0    pts:0       pts_time:0\n",
        "lavfi.blur=4.5\n",
        "lavfi.astats.Overall.RMS_level=-inf\n",
        "lavfi.signalstats.YAVG=nothing\n",
        "frame:1    pts:NOPTS   pts_time:NOPTS\n",
        "lavfi.blur=1\n",
        "frame:2    pts:10      pts_time:0.4\n",
        "lavfi.blur=-nan\n",
    ]
    first, second = read(lines)
    assert (first.at_s, first.get("blur"), first.get("astats.Overall.RMS_level")) == (0.0, 4.5, -math.inf)
    assert first.get("signalstats.YAVG") is None
    assert (second.at_s, second.get("blur")) == (0.4, None)


@given(st.lists(st.one_of(st.none(), st.floats(1, 100_000)), max_size=50))
def test_blocks_of_each_picture_are_got_back_from_the_running_mean(values: list[float | None]) -> None:
    lines, total, count, mean = [], 0.0, 0, math.nan
    for index, value in enumerate(values):
        if value is not None:
            total, count = total + value, count + 1
            mean = total / count
        blur = math.nan if value is None else 4.0
        lines += [f"frame:{index} pts_time:{index}", f"lavfi.block={mean!r}", f"lavfi.blur={blur}"]
    for value, each in zip(values, read(lines), strict=True):
        found = each.get("block")
        if value is None:
            assert found is None
        else:
            assert found == pytest.approx(value, rel=1e-6, abs=1e-3)


def test_pictures_of_long_films_are_further_apart() -> None:
    assert sample_distance(60) == 0.2
    assert sample_distance(60, 0.5) == 0.5
    assert sample_distance(10 * 3600) == 2.0


def test_the_call_measures_what_is_there_and_asked_for() -> None:
    both = measuring.arguments(Path("/x"), source(), 0.2, picture_fd=5, sound_fd=6)
    assert "-vf" in both
    assert "-af" in both
    assert r"pipe\:5" in both[both.index("-vf") + 1]
    assert "-af" not in measuring.arguments(Path("/x"), source(), 0.2, picture_fd=5, sound_fd=None)
    silent = source(audio_stream_set=[])
    assert measuring.arguments(Path("/x"), silent, 0.2, picture_fd=None, sound_fd=6) == []


def test_segments_need_their_time_and_bridge_one_miss() -> None:
    def bad(each: Sample) -> Hit | None:
        return Hit(0.8) if each.get("blur") == 9 else None

    blurred = {2, 3, 5, 6, 9, 14}
    samples = [sample(index / 5, blur=9 if index in blurred else 4) for index in range(15)]
    found = segments(samples, bad, 0.6, 3.0)
    assert [(each.start_s, each.end_s) for each in found] == [(0.4, 1.4)]
    assert [(each.start_s, each.end_s) for each in segments(samples, bad, 0.0, 3.0)] == [
        (0.4, 1.4),
        (1.8, 2.0),
        (2.8, 3.0),
    ]
    assert segments([], bad, 0.0, 3.0) == []


@given(st.lists(st.booleans(), max_size=60), st.floats(0, 3))
def test_segments_are_in_order_inside_the_source_and_long_enough(wrong: list[bool], lasting_s: float) -> None:
    samples = [sample(index / 5, blur=9 if each else 4) for index, each in enumerate(wrong)]
    end_s = len(wrong) / 5
    found = segments(samples, lambda each: Hit(1.0) if each.get("blur") == 9 else None, lasting_s, end_s)
    for each in found:
        assert 0 <= each.start_s < each.end_s <= end_s + 1e-3
        assert each.end_s - each.start_s >= lasting_s - 2e-3
    assert all(one.end_s <= other.start_s for one, other in pairwise(found))


def test_what_stands_still_begins_with_the_picture_before_and_gaps_count() -> None:
    check = check_of("VideoDuplicatedFrame", 0.25, 640, 360)
    assert check is not None
    moving = [0.0, 0.2, 0.4]
    still = {f"signalstats__{plane}DIF": 0.01 for plane in "YUV"}
    samples = [*(sample(at) for at in moving), *(sample(at, **still) for at in (0.6, 1.6, 2.6)), sample(2.8)]
    assert [(each.start_s, each.end_s) for each in standing(samples, check, 2, 3.0)] == [(0.4, 2.6)]
    one = [sample(0.0)]
    assert [(each.start_s, each.end_s) for each in standing(one, check, 2, 5.0)] == [(0.0, 5.0)]
    sparse = [sample(0.0), sample(4.0), sample(4.2)]
    assert [(each.start_s, each.end_s) for each in standing(sparse, check, 2, 4.4)] == [(0.0, 4.0)]


@pytest.mark.parametrize(
    ("item", "values", "found"),
    [
        ("Blur", {"blur": 8.5}, True),
        ("Blur", {"blur": math.nan}, False),
        ("Mosaic", {"block": 40}, True),
        ("Mosaic", {"block": 2}, False),
        ("LowLighting", {"signalstats__YAVG": 25}, True),
        ("HighLighting", {"signalstats__YAVG": 220}, True),
        ("HighLighting", {}, False),
        ("SolidColorScreen", {"signalstats__YMAX": 30}, True),
        ("SolidColorScreen", {}, False),
        # A black picture is not badly lit, it is black.
        ("LowLighting", {"signalstats__YAVG": 16, "signalstats__YMAX": 30}, False),
        ("NoVoice", {"astats__Overall__RMS_level": -math.inf}, True),
        ("NoVoice", {"astats__Overall__RMS_level": -30}, False),
        ("LowVoice", {"r128__M": -50}, True),
        ("LowVoice", {"r128__M": -120.7}, False),
        ("HighVoice", {"r128__M": -4}, True),
        ("AudioOutOfPhase", {"aphasemeter__phase": -1, "astats__Overall__RMS_level": -20}, True),
        ("AudioOutOfPhase", {"aphasemeter__phase": -1, "astats__Overall__RMS_level": -90}, False),
    ],
)
def test_checks(item: str, values: dict[str, float], found: bool) -> None:
    rule = SEEN.get(item) or HEARD[item]
    check = check_of(item, rule.threshold, 640, 360)
    assert check is not None
    hit = check(sample(**values))
    assert (hit is not None) is found
    assert hit is None or 0.5 <= hit.confidence <= 1


@pytest.mark.parametrize(
    ("x1", "y1", "x2", "y2", "area"),
    [
        (0, 45, 639, 314, (0, 45, 640, 315)),
        (80, 0, 559, 359, (80, 0, 560, 360)),
        (0, 0, 639, 359, None),
        (0, 0, 559, 359, None),  # one side alone: a dark corner
        (639, 359, 0, 0, None),  # nothing but black
    ],
)
def test_bars_come_in_pairs(x1: float, y1: float, x2: float, y2: float, area: tuple[int, ...] | None) -> None:
    check = check_of("BlackWhiteEdge", 5, 640, 360)
    assert check is not None
    sides = {"cropdetect__x1": x1, "cropdetect__y1": y1, "cropdetect__x2": x2, "cropdetect__y2": y2}
    hit = check(sample(**sides))
    assert (hit.area if hit else None) == area


def test_confidence_grows_from_a_half_to_one() -> None:
    assert [confidence(value, 8, 14) for value in (8, 11, 14, 99)] == [0.5, 0.75, 1.0, 1.0]
    assert confidence(-80, -60, -80) == 1.0


@given(st.floats(2, 30), st.floats(1, 1e5), st.floats(0, 255), st.floats(0, 3))
def test_more_faults_never_make_a_better_score(blur: float, block: float, mean: float, more: float) -> None:
    base = picture_score(sample(blur=blur, block=block, signalstats__YAVG=mean))
    worse = picture_score(sample(blur=blur * (1 + more), block=block * (1 + more), signalstats__YAVG=mean))
    assert base is not None
    assert worse is not None
    assert 0 <= worse <= base <= 100
    assert 1 <= opinion(base) <= 5


def test_nothing_to_judge_has_no_score() -> None:
    black = sample(signalstats__YMAX=20)
    assert one_colour(black)
    assert score([black]) is None
    assert score([black, sample()]) == picture_score(sample())


class _Packets:
    """A track with the given times."""

    @staticmethod
    def track(times: list[float], kind: str = "video") -> Track:
        track = Track(SimpleNamespace(index=0, type=kind, time_base=1.0), 0.0)
        track.dts, track.pts = array("d", times), array("d", times)
        return track


def test_packets_are_judged() -> None:
    even = [index / 25 for index in range(150)]
    assert judge(_Packets.track(even)) == {}
    jump = [time + (5 if time >= 3 else 0) for time in even]
    assert judge(_Packets.track(jump))["DtsJitter"] == [8.0]
    back = [*even[:50], 1.0, *even[50:]]
    assert judge(_Packets.track(back))["TimestampFallback"] == [1.0]
    hole = [*even[:50], *even[53:]]
    assert judge(_Packets.track(hole)) == {"VideoDroppingFrames": [2.12]}
    assert judge(_Packets.track(hole, "audio")) == {"AudioDroppingFrames": [2.12]}
    varying = [index * index / 100 for index in range(60)]
    assert "VideoDroppingFrames" not in judge(_Packets.track(varying))
    assert judge(_Packets.track([])) == {}


def test_diagnosis_of_streams_and_decoders() -> None:
    complaints = "[h264 @ 0x5581] error while decoding MB 3 4\n[aist#0:1/aac @ 0x7] [dec:aac @ 0x8] Error submitting"
    assert container.decoders_that_failed(source(), complaints) == ["VideoDecodeFailed", "AudioDecodeFailed"]
    assert container.decoders_that_failed(source(), "[mov,mp4 @ 0x1] moov atom not found") == []
    tags = container.Packets(tags={"video": ["hevc", "hev1"]}, timecode=True)
    found = container.diagnose(source(rotate=90, audio_stream_set=[]), tags, "", {"VideoDuplicatedFrame": [2.0]})
    assert found.keys() == {
        "VideoRotation",
        "AudioStreamLack",
        "TimecodeTrackExist",
        "Mp4InvalidCodecFourcc",
        "VideoDuplicatedFrame",
    }
    listed = container.items(found, ["VideoRotation", "VideoDuplicatedFrame", "DtsJitter"])
    assert [(each.type, each.timestamp_set) for each in listed] == [
        ("VideoDuplicatedFrame", [2.0]),
        ("VideoRotation", []),
    ]
    squeezed = source(facts=MediaFacts(sar_numerator=9, sar_denominator=1))
    assert "DarOrSarInvalid" in container.diagnose(squeezed, container.Packets(), "", {})
