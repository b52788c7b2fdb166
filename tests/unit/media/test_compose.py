"""What EnhanceConfig makes of a template and a source, without ffmpeg."""

from __future__ import annotations

from typing import Any

import pytest

from services.workers.media.brightness import Brightness, brightness_of
from services.workers.media.compose import NOTHING_PREPARED, Composed, Prepared, compose
from services.workers.media.effects import Effects, joined
from services.workers.media.enhance_sound import DECLICK, DENOISE, GAIN_CONTROL
from services.workers.media.loudness import Levelling, Loudness, corrected, levelling, loudness_of
from shared.model.failure import InternalError, InvalidInput
from shared.mps.media import MediaMetaData
from shared.mps.transcode import RawTranscodeParameter
from tests.unit.media.test_plans import media

OFF = {"Switch": "OFF"}


def composed(
    enhance: dict[str, Any], source: MediaMetaData | None = None, prepared: Prepared = NOTHING_PREPARED, **video: Any
) -> Composed:
    template = RawTranscodeParameter.model_validate(
        {
            "Container": "mp4",
            "VideoTemplate": {"Codec": "h264", "Fps": 0, "Bitrate": 0} | video,
            "AudioTemplate": {"Codec": "aac", "Bitrate": 0, "SampleRate": 0},
            "EnhanceConfig": enhance,
        }
    )
    return compose(template, source or media(), prepared)


@pytest.mark.parametrize(
    "enhance",
    [
        {},
        {"VideoEnhance": {}, "AudioEnhance": {}},
        {"VideoEnhance": {"Denoise": OFF, "FrameRate": OFF, "SuperResolution": OFF, "DiffusionEnhance": {}}},
        {"VideoEnhance": {"ScratchRepair": {"Intensity": 0}, "FrameRate": {"Fps": 0}}},
        {"AudioEnhance": {"Denoise": OFF, "VolumeBalance": OFF, "Beautify": OFF, "Separate": OFF}},
    ],
)
def test_what_is_off_changes_nothing(enhance: dict[str, Any]) -> None:
    made = composed(enhance)
    assert made.effects == Effects()
    assert made.template.video_template is not None
    assert made.template.video_template.fps == 0


def test_super_resolution_doubles_what_is_seen_and_leaves_a_smaller_wish_alone() -> None:
    enhance = {"VideoEnhance": {"SuperResolution": {"Type": "hq"}}}
    turned = composed(enhance, media(rotate=90))
    assert turned.template.video_template is not None
    assert (turned.template.video_template.width, turned.template.video_template.height) == (1440, 2560)
    assert turned.effects.before_size == ("scale=1440:2560:flags=lanczos", "cas=0.4")
    assert composed(enhance, Width=640, Height=0).effects == Effects()
    with pytest.raises(InvalidInput, match="SuperResolution would give a picture of 20000x"):
        composed(enhance, media(width=10000))


def test_a_frame_rate_of_the_enhancement_goes_before_that_of_the_template() -> None:
    made = composed({"VideoEnhance": {"FrameRateWithDen": {"FpsNum": 60000, "FpsDen": 1001}}}, Fps=25)
    assert made.template.video_template is not None
    assert made.template.video_template.rate == pytest.approx(59.94, abs=0.001)
    assert made.effects.frame_rate is not None
    assert "minterpolate=fps=60000/1001:" in made.effects.frame_rate[0]
    slower = composed({"VideoEnhance": {"FrameRate": {"Fps": 24}}}, Fps=25)
    assert slower.effects == Effects()


@pytest.mark.parametrize(
    ("bright", "filters"),
    [(Brightness(0.5, 0.8), 0), (Brightness(0.2, 0.3), 1), (Brightness(0.2, 0.7), 2), (Brightness(0.0, 0.0), 1)],
)
def test_light_is_lifted_as_far_as_it_is_missing(bright: Brightness, filters: int) -> None:
    made = composed({"VideoEnhance": {"LowLightEnhance": {}}}, prepared=Prepared(brightness=bright))
    assert len(made.effects.after_size) == filters


def test_brightness_is_read_from_what_the_filter_wrote() -> None:
    lines = ["lavfi.signalstats.YAVG=125.5", "lavfi.signalstats.YHIGH=235", "lavfi.signalstats.YMIN=16", "frame:1"]
    assert brightness_of(lines) == Brightness(0.5, 1.0)
    assert brightness_of([]) is None


def test_clicks_go_before_noise_and_loudness_comes_last() -> None:
    enhance = {"AudioEnhance": {"Denoise": {}, "Beautify": {}, "VolumeBalance": {}}}
    made = composed(enhance, prepared=Prepared(level=Levelling(3.0, limited=False)))
    assert made.effects.before_mix == (DECLICK, *DENOISE)
    assert made.effects.after_mix == ("volume=3.00dB:precision=float",)
    even = composed({"AudioEnhance": {"VolumeBalance": {"Type": "gainControl"}}})
    assert even.effects.after_mix == (GAIN_CONTROL,)


@pytest.mark.parametrize(
    ("measured", "gain", "limited"),
    [
        (Loudness(-26, -12), 10.0, False),
        (Loudness(-26, -10), 10.0, True),
        (Loudness(-10, 1), -6.0, False),
        (Loudness(-60, -50), 30.0, False),
        (Loudness(-70, float("-inf")), 0.0, False),
        (Loudness(float("nan"), 0.0), 0.0, False),
    ],
)
def test_one_gain_and_a_limiter_where_peaks_would_go_over(measured: Loudness, gain: float, limited: bool) -> None:
    assert levelling(measured) == Levelling(gain, limited=limited)


def test_what_the_limiter_took_is_given_back_within_bounds() -> None:
    assert corrected(Levelling(10.0, limited=True), Loudness(-18, -1.5)).gain_db == 12
    assert corrected(Levelling(10.0, limited=True), Loudness(-30, -1.5)).gain_db == 16
    assert corrected(Levelling(10.0, limited=True), Loudness(-15, -1.5)).gain_db == 10


def test_the_last_summary_counts_and_none_is_an_error() -> None:
    summary = "Summary:\n  Integrated loudness:\n    I:  {} LUFS\n  True peak:\n    Peak:  {} dBFS\n"
    assert loudness_of(summary.format("-1.0", "0.0") + summary.format("-23.4", "-inf")) == Loudness(
        -23.4, float("-inf")
    )
    with pytest.raises(InternalError):
        loudness_of("nothing")


def test_effects_join_stage_by_stage() -> None:
    first = Effects(before_size=("a",), frame_rate=("x",), after_mix=("m",))
    second = Effects(before_size=("b",), tone_map=(), overlays=("o",))
    assert joined(first, second) == Effects(
        before_size=("a", "b"), tone_map=(), frame_rate=("x",), overlays=("o",), after_mix=("m",)
    )
    assert joined() == Effects()
