"""Estimates of cost: the model counts what the nodes really do, and the figures make sense."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.workers.media.geometry import geometry
from services.workers.media.ladder import rungs
from services.workers.nodes.transcode_plan import plan
from shared.estimates import estimate
from shared.estimates.coefficients import Coefficients, coefficients
from shared.estimates.demand import Demand
from shared.estimates.estimate import demand
from shared.estimates.frame import frame_size
from shared.estimates.transcode import kbps_of, passes, speed
from shared.model.failure import InvalidInput
from shared.model.pipeline import Node
from shared.mps.adaptive import AdaptiveDynamicStreamingTaskInput
from shared.mps.facts import MediaFacts
from shared.mps.media import MediaAudioStreamItem, MediaMetaData, MediaVideoStreamItem
from shared.mps.naming import OutputNames
from shared.mps.presets import TRANSCODE, adaptive_ladder, resolve
from shared.mps.transcode import TranscodeTaskInput, VideoTemplateInfo

AAC = {"Codec": "aac", "Bitrate": 128, "SampleRate": 44100}
ROUND = Coefficients(
    note="for this test",
    cpu_s={
        "start": 1,
        "decode h264": 0.01,
        "decode hevc": 0.02,
        "encode h264 plain": 0.1,
        "encode jpg": 0.05,
        "copy": 0.001,
    },
    output_bytes={"bits h264": 10_000, "picture jpg": 100_000},
)


def film(width: int = 1280, height: int = 720, seconds: float = 100, **more: Any) -> MediaMetaData:
    video = MediaVideoStreamItem(
        width=width, height=height, codec="h264", fps=25, fps_numerator=25, bitrate=round(width * height * 25 * 0.07)
    )
    audio = MediaAudioStreamItem(codec="aac", channel=2, sampling_rate=48000, bitrate=128_000)
    shown: dict[str, Any] = {
        "container": "mov,mp4",
        "width": width,
        "height": height,
        "duration": seconds,
        "video_duration": seconds,
        "audio_duration": seconds,
        "video_stream_set": [video],
        "audio_stream_set": [audio],
    }
    return MediaMetaData(**(shown | more))


def raw(video: dict[str, Any] | None, audio: dict[str, Any] | None = AAC, **more: Any) -> dict[str, Any]:
    container = more.pop("Container", "mp4")
    template: dict[str, Any] = {"Container": container, **more.pop("Template", {})}
    template |= {"VideoTemplate": {"Fps": 0, "Bitrate": 0} | video} if video else {"RemoveVideo": 1}
    template |= {"AudioTemplate": audio} if audio else {"RemoveAudio": 1}
    return {"Definition": 0, "RawParameter": template, **more}


def need_of(params: dict[str, Any], source: MediaMetaData | None = None, kind: str = "transcode") -> Demand:
    found = demand(Node(kind=kind, params=params), source or film())
    assert found is not None
    return found


def one(params: dict[str, Any], source: MediaMetaData | None = None, kind: str = "transcode") -> tuple[float, int]:
    (found,) = estimate([Node(kind=kind, params=params)], source or film(), ROUND)
    assert found is not None
    return found.cpu_s, found.output_bytes


# -- the model does what the encoder does -------------------------------------------------------------------------


@given(
    source=st.tuples(st.integers(16, 4096), st.integers(16, 4096)),
    asked=st.tuples(*(st.one_of(st.just(0), st.integers(128, 4096)) for _ in range(2))),
    adaptive=st.sampled_from(["open", "close"]),
    rotate=st.sampled_from([0, 90]),
    sar=st.sampled_from(["1:1", "2:1"]),
)
def test_size_is_that_of_the_encoder(
    source: tuple[int, int], asked: tuple[int, int], adaptive: str, rotate: int, sar: str
) -> None:
    width, height = sorted(asked, reverse=True) if all(asked) else asked
    video = VideoTemplateInfo.model_validate(
        {"Codec": "h264", "Fps": 0, "Bitrate": 0, "Width": width, "Height": height}
        | {"ResolutionAdaptive": adaptive, "Sar": sar}
    )
    facts = MediaFacts(sar_numerator=4, sar_denominator=3)
    media = film(*source, rotate=rotate, facts=facts)
    try:
        wanted = geometry(video, media)
    except InvalidInput:
        return
    found = frame_size(width, height, media, close=adaptive == "close", sar=2 if sar == "2:1" else 1)
    assert found == (wanted.width, wanted.height)


TEMPLATES = (
    {"Codec": "h264"},
    {"Codec": "h264", "Bitrate": 500},
    {"Codec": "h264", "Bitrate": 500, "Mode": "ABR"},
    {"Codec": "h264", "Bitrate": 500, "Mode": "CBR"},
    {"Codec": "h264", "Bitrate": 500, "Mode": "VCRF"},
    {"Codec": "h264", "Bitrate": 500, "Vcrf": 30},
    {"Codec": "h264", "Mode": "VBR"},
    {"Codec": "h264", "Mode": "VBR", "Compress": 50},
    {"Codec": "h264", "ScenarioBased": 1, "SceneType": "pgc", "CompressType": "ultra_compress"},
    {"Codec": "h265", "Bitrate": 500},
    {"Codec": "h265", "Bitrate": 500, "Mode": "ABR"},
    {"Codec": "av1", "Bitrate": 500},
    {"Codec": "av1"},
    {"Codec": "av1", "Bitrate": 500, "Mode": "CBR"},
    {"Codec": "vp9", "Bitrate": 500, "Mode": "CBR"},
    {"Codec": "vp8", "Bitrate": 500},
)
PRESETS = {"plain": ("fast", "9", ""), "slower": ("medium", "7", ""), "slowest": ("slow", "")}


def _with_top_speed(video: dict[str, Any]) -> bool:
    """Whether it may have that as well."""
    return video["Codec"] != "vp8" and video.get("Mode") not in ("ABR", "CBR") and not video.get("Compress")


@pytest.mark.parametrize("seconds", [3, 100])
@pytest.mark.parametrize(
    ("video", "top_speed"),
    [(video, on) for video in TEMPLATES for on in (False, True) if not on or _with_top_speed(video)],
    ids=lambda value: " ".join(map(str, value.values())) if isinstance(value, dict) else str(value),
)
def test_rate_passes_and_speed_are_those_of_the_encoder(video: dict[str, Any], top_speed: bool, seconds: float) -> None:
    container = "webm" if video["Codec"].startswith("vp") else "mp4"
    more = {"TEHDConfig": {"Type": "TEHD-100"}} if top_speed else {}
    params = TranscodeTaskInput.model_validate(raw(video, None, Container=container, Template=more))
    template = resolve(params)
    wanted = template.video_template
    assert wanted is not None
    source = film(seconds=seconds)
    work = plan(params, template, source, OutputNames("in/a.mp4", 0, "/"))
    arguments = work.after
    given_preset = arguments[arguments.index("-preset") + 1] if "-preset" in arguments else ""
    assert given_preset in PRESETS[speed(wanted, template.tehd_config)]
    assert passes(wanted, template.tehd_config, source, seconds) == (2 if work.first_pass else 1)
    kbps, by_quality = kbps_of(wanted, template.tehd_config, film())
    assert by_quality == ("-crf" in arguments)
    if not by_quality:
        assert arguments[arguments.index("-b:v") + 1] == f"{kbps}k"


@pytest.mark.parametrize("definition", sorted(TRANSCODE))
def test_every_preset_has_a_price(definition: int) -> None:
    (found,) = estimate([Node(kind="transcode", params={"Definition": definition})], film())
    assert found is not None
    assert 0.05 < found.cpu_s < 10_000
    assert 10_000 < found.output_bytes < 1_000_000_000
    need = need_of({"Definition": definition})
    known = coefficients()
    assert set(need.units) <= set(known.cpu_s)
    assert set(need.guessed) <= set(known.output_bytes)


@pytest.mark.parametrize("definition", [10, 20])
@pytest.mark.parametrize("size", [(320, 180), (1280, 720), (720, 1280), (1920, 1080)])
def test_ladder_has_the_rungs_of_the_encoder_and_one_decode(definition: int, size: tuple[int, int]) -> None:
    source = film(*size)
    params = AdaptiveDynamicStreamingTaskInput(definition=definition)
    made = rungs(adaptive_ladder(params), source)
    frames = [geometry(rung.video, source) for rung in made if rung.video]
    need = need_of({"Definition": definition}, source, "adaptive_streaming")
    encoded = sum(count for name, count in need.units.items() if name.startswith("encode "))
    rate = next(rung.video.rate for rung in made if rung.video) or 25
    wanted = sum(frame.width * frame.height for frame in frames) * rate * 100 / 1e6
    # A source that is smaller than all rungs, or a little smaller than one, is not looked at so closely.
    assert wanted <= encoded * 1.001
    assert encoded == pytest.approx(wanted, rel=0.15 if size[0] > 320 else 2)
    assert need.units["decode h264"] == pytest.approx(size[0] * size[1] * 2500 / 1e6)


def test_quality_control_pays_for_what_it_looks_at() -> None:
    everything = need_of({"Definition": 10}, film(size=5_000_000), "quality_control")
    assert {"examine", "decode h264", "inspect", "listen"} <= set(everything.units)
    picture = need_of({"Definition": 40}, film(size=5_000_000), "quality_control")
    assert "inspect" in picture.units
    assert not {"examine", "listen"} & set(picture.units)


# -- figures ------------------------------------------------------------------------------------------------------


def test_cost_is_counted_in_pixels_decoded_and_encoded() -> None:
    cpu_s, _ = one(raw({"Codec": "h264", "Height": 360}, None))
    frames = 25 * 100
    assert cpu_s == pytest.approx(1 + 0.01 * 0.9216 * frames + 0.1 * 0.2304 * frames, rel=1e-3)


def test_size_is_rate_times_time() -> None:
    _, size = one(raw({"Codec": "h264", "Bitrate": 1000}))
    assert size == (1000 + 128) * 125 * 100
    _, stream = one(raw({"Codec": "h264", "Bitrate": 1000}, Container="hls"))
    assert 1.03 < stream / size < 1.1, "a transport stream has its price"


def test_a_part_costs_a_part() -> None:
    whole = need_of(raw({"Codec": "h264", "Bitrate": 1000}))
    for offsets in ({"EndTimeOffset": 25}, {"StartTimeOffset": -25}, {"StartTimeOffset": 25, "EndTimeOffset": 50}):
        part = need_of(raw({"Codec": "h264", "Bitrate": 1000}, **offsets))
        assert part.known_bytes == pytest.approx(whole.known_bytes / 4)
        assert part.units["encode h264 plain"] == pytest.approx(whole.units["encode h264 plain"] / 4)


def test_two_passes_decode_twice() -> None:
    single = need_of(raw({"Codec": "h264", "Bitrate": 1000}))
    double = need_of(raw({"Codec": "h264", "Bitrate": 1000, "Mode": "ABR"}))
    assert double.units["decode h264"] == 2 * single.units["decode h264"]
    assert double.units["first h264 plain"] == double.units["encode h264 plain"]


def test_remux_is_paid_by_the_byte() -> None:
    need = need_of({"Definition": 875})
    assert set(need.units) == {"copy", "read back", "start"}
    assert need.known_bytes == pytest.approx((film().video_stream_set[0].bitrate + 128_000) / 8 * 100)


def test_finer_quality_and_more_detail_make_more_bytes() -> None:
    plain = need_of(raw({"Codec": "h264"})).guessed["bits h264"]
    finer = need_of(raw({"Codec": "h264", "Vcrf": 17})).guessed["bits h264"]
    assert finer == pytest.approx(2 * plain)
    video = film().video_stream_set[0].model_copy(update={"bitrate": film().video_stream_set[0].bitrate * 4})
    rich = film(video_stream_set=[video])
    assert need_of(raw({"Codec": "h264"}), rich).guessed["bits h264"] == pytest.approx(2 * plain)


def test_peak_of_top_speed_is_no_aim() -> None:
    template = {"TEHDConfig": {"Type": "TEHD-100", "MaxVideoBitrate": 100_000}}
    need = need_of(raw({"Codec": "h264"}, None, Template=template))
    assert need.known_bytes == 0
    assert need.guessed


ENHANCED = {
    "Denoise": ("denoise weak", 1.0),
    "ArtifactRepair": ("repair weak", 1.0),
    "ColorEnhance": ("colour", 0.25),
    "ImageQualityEnhance": ("clearer", 1.25),
}


@pytest.mark.parametrize("member", ENHANCED)
def test_enhancement_is_paid_where_it_works(member: str) -> None:
    """Before the picture is made smaller, or behind that."""
    name, share = ENHANCED[member]
    config = {"EnhanceConfig": {"VideoEnhance": {member: {"Switch": "ON"}}}}
    need = need_of(raw({"Codec": "h264", "Height": 360}, Template=config))
    assert need.units[name] == pytest.approx(share * 0.9216 * 2500)


def test_enhancement_that_makes_more_pixels_pays_for_them() -> None:
    plain = need_of(raw({"Codec": "h264"}))
    larger = {"EnhanceConfig": {"VideoEnhance": {"SuperResolution": {"Switch": "ON", "Type": "hq"}}}}
    assert need_of(raw({"Codec": "h264"}, Template=larger)).units["encode h264 plain"] == pytest.approx(
        4 * plain.units["encode h264 plain"]
    )
    faster = {"EnhanceConfig": {"VideoEnhance": {"FrameRate": {"Switch": "ON", "Fps": 50}}}}
    need = need_of(raw({"Codec": "h264"}, Template=faster))
    assert need.units["encode h264 plain"] == pytest.approx(2 * plain.units["encode h264 plain"])
    assert need.units["interpolate"] == need.units["encode h264 plain"]


def test_sound_enhancement_and_drawing_are_paid() -> None:
    sound = {"EnhanceConfig": {"AudioEnhance": {"VolumeBalance": {"Switch": "ON", "Type": "loudNorm"}}}}
    assert need_of(raw({"Codec": "h264"}, Template=sound)).units["balance loudNorm"] == 100
    mark = {"Definition": 0, "RawParameter": {"Type": "text", "TextTemplate": {"FontSize": "24px", "TextContent": "a"}}}
    drawn = need_of(raw({"Codec": "h264"}, WatermarkSet=[mark, mark]))
    assert drawn.units["drawn"] == pytest.approx(2 * 0.9216 * 2500)


def test_pictures_are_paid_by_number_and_size() -> None:
    params = {"Definition": 10, "ExtTimeOffsetSet": ["1s", "2s", "50%"], "OutputObjectPath": "a_{number}.{format}"}
    cpu_s, size = one(params, kind="snapshot_by_time")
    assert size == pytest.approx(3 * 0.9216 * 100_000, rel=1e-3)
    assert cpu_s > 1
    sampled = need_of({"Definition": 10}, kind="sample_snapshot")
    assert sampled.units["pictures"] == 10


def test_a_chained_node_reads_what_its_predecessor_made() -> None:
    small = raw({"Codec": "h265", "Height": 180})
    nodes = [
        Node(kind="input", successors=(1,)),
        Node(kind="transcode", params=small, successors=(2, 3)),
        Node(kind="transcode", params=raw({"Codec": "h264"}, None), successors=(4,)),
        Node(kind="transcode", params=raw({"Codec": "h264"}, None), source="original", successors=(4,)),
        Node(kind="output"),
    ]
    found = estimate(nodes, film(), ROUND)
    assert found[2] is not None
    assert found[3] is not None
    frames = 25 * 100
    assert found[2].cpu_s == pytest.approx(1 + (0.02 + 0.1) * 320 * 180 * frames / 1e6, rel=1e-3)
    assert found[3].cpu_s == pytest.approx(1 + (0.01 + 0.1) * 0.9216 * frames, rel=1e-3)
    assert found[4] is not None
    assert (found[4].cpu_s, found[4].output_bytes) == (0, 0)


def test_unknown_kind_has_no_estimate() -> None:
    nodes = [Node(kind="input", successors=(1,)), Node(kind="somebody_elses", successors=(2,)), Node(kind="output")]
    assert estimate(nodes, film())[1] is None


def test_source_without_picture_or_length_is_no_error() -> None:
    nothing = MediaMetaData(container="mp3", audio_stream_set=[MediaAudioStreamItem(codec="mp3", channel=2)])
    for definition in (100010, 875, 1110):
        (found,) = estimate([Node(kind="transcode", params={"Definition": definition})], nothing)
        assert found is not None
    (still,) = estimate([Node(kind="sample_snapshot", params={"Definition": 10})], film(seconds=0))
    assert still is not None


def test_what_was_never_measured_costs_like_its_relative() -> None:
    assert ROUND.seconds({"decode cinepak": 100}) == ROUND.seconds({"decode h264": 100})
    assert ROUND.seconds({"unheard of": 100}) == 0
