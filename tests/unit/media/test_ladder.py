"""Ladders of adaptive streaming: which renditions a source gets, what is refused, what the manifests say."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from services.api.domain.activities import read_activities
from services.api.domain.errors import ApiError
from services.api.domain.outputs import written_by
from services.workers.media import hls
from services.workers.media.dash import Index, NotIndexed, Representation, index_of, manifest
from services.workers.media.geometry import geometry
from services.workers.media.ladder import pictures, rungs, steady_rate
from services.workers.media.master import Pace, Sound, Variant, master_playlist, pace
from services.workers.nodes.adaptive_plan import plan
from shared.mps.adaptive import AdaptiveDynamicStreamingTaskInput
from shared.mps.adaptive_template import AdaptiveTemplate
from shared.mps.facts import MediaFacts
from shared.mps.media import MediaAudioStreamItem, MediaMetaData, MediaVideoStreamItem
from shared.mps.naming import OutputNames
from shared.mps.presets import ADAPTIVE, adaptive_ladder
from shared.mps.schedule import Activity

AAC = {"Codec": "aac", "Bitrate": 48, "SampleRate": 44100}
COPY = {"RemoveVideo": 1, "Video": {"Codec": "copy"}, "Audio": AAC}
DRM = {"Type": "simpleaes", "SimpleAesDrm": {"Uri": "https://keys.example/1", "Key": "0" * 32}}


def rung(height: int, kbps: int, **more: Any) -> dict[str, Any]:
    return {"Video": {"Codec": "h264", "Fps": 0, "Bitrate": kbps, "Height": height, **more}, "Audio": AAC}


def ladder(*infos: dict[str, Any], **more: Any) -> AdaptiveTemplate:
    return AdaptiveTemplate.model_validate({"Format": "HLS", "StreamInfos": list(infos), **more})


def film(width: int = 320, height: int = 180, rate: Fraction = Fraction(25), **facts: Any) -> MediaMetaData:
    video = MediaVideoStreamItem(
        width=width,
        height=height,
        codec="h264",
        bitrate=300_000,
        fps_numerator=rate.numerator,
        fps_denominator=rate.denominator,
    )
    return MediaMetaData(
        width=width,
        height=height,
        duration=10.0,
        video_duration=10.0,
        audio_duration=10.0,
        video_stream_set=[video],
        audio_stream_set=[MediaAudioStreamItem(codec="aac", channel=2, sampling_rate=44100)],
        facts=MediaFacts(**facts),
    )


@pytest.mark.parametrize(
    ("changes", "sizes", "kbps"),
    [
        ({}, [(228, 128), (320, 180), (640, 360)], [150, 300, 900]),
        ({"DisableHigherVideoResolution": 1}, [(228, 128), (320, 180)], [150, 300]),
        ({"DisableHigherVideoBitrate": 1}, [(228, 128), (320, 180), (640, 360)], [150, 300, 300]),
        (
            {"DisableHigherVideoResolution": 1, "StreamInfos": [rung(720, 300), rung(360, 150), COPY]},
            [(320, 180)],
            [150],
        ),
        (
            {"DisableHigherVideoResolution": 1, "StreamInfos": [rung(128, 150), rung(186, 300)]},
            [(228, 128), (320, 180)],
            [150, 300],
        ),
    ],
)
def test_rungs_above_the_source(changes: dict[str, Any], sizes: list[tuple[int, int]], kbps: list[int]) -> None:
    given = {"Format": "HLS", "StreamInfos": [rung(128, 150), rung(180, 300), rung(360, 900)]}
    found = rungs(AdaptiveTemplate.model_validate(given | changes), film())
    videos = [each.video for each in found if each.video]
    frames = [geometry(video, film()) for video in videos]
    assert [(frame.width, frame.height) for frame in frames] == sizes
    assert [video.bitrate for video in videos] == kbps


@pytest.mark.parametrize(
    ("size", "short_sides"),
    [((1920, 1080), [240, 480, 720, 1080]), ((1080, 1920), [240, 480, 720, 1080]), ((1280, 720), [240, 480, 720])],
)
def test_system_templates_stop_at_the_source_but_for_dash(size: tuple[int, int], short_sides: list[int]) -> None:
    source = film(*size)
    for number, template in ADAPTIVE.items():
        videos = [each.video for each in rungs(template, source) if each.video]
        found = [min(frame.width, frame.height) for frame in (geometry(video, source) for video in videos)]
        assert found == (short_sides if number != 20 else [240, 480, 720, 1080, 1440, 2160])
        assert {video.fps for video in videos} == {24}


def test_all_rungs_have_the_frame_rate_of_the_first() -> None:
    found = rungs(ladder(rung(128, 150, Fps=30000, FpsDenominator=1001), rung(180, 300, Fps=50)), film())
    assert {(each.video.fps, each.video.fps_denominator) for each in found if each.video} == {(30000, 1001)}


@pytest.mark.parametrize(
    ("average", "base", "steady"),
    [
        ("30000/1001", "30000/1001", "30000/1001"),
        ("119/4", "30", "30"),
        ("30000/1001", "60000/1001", "30000/1001"),
        ("4", "25", "25"),
        ("3", "90000", "30"),
        ("27", "1000", "27"),
        ("0", "90000", "25"),
        ("25", "0", "25"),
    ],
)
def test_a_ladder_has_a_steady_rate(average: str, base: str, steady: str) -> None:
    regular = Fraction(base)
    source = film(
        rate=Fraction(average), base_rate_numerator=regular.numerator, base_rate_denominator=regular.denominator
    )
    assert steady_rate(source) == Fraction(steady)


def test_one_decoder_makes_all_pictures_and_does_common_things_once() -> None:
    videos = [each.video for each in rungs(ladder(rung(128, 150), rung(180, 300)), film()) if each.video]
    source = film(interlaced=True)
    source = source.model_copy(
        update={"video_stream_set": [source.video_stream_set[0].model_copy(update={"hdr_type": "hdr10"})]}
    )
    graph = pictures(videos, source).graph
    assert graph.count("bwdif") == graph.count("tonemap=tonemap") == graph.count("fps=") == 1
    assert graph.index("fps=") < graph.index("split=2[s0][s1]")
    mixed = [videos[0], videos[1].model_copy(update={"bit_depth": 10})]
    graph = pictures(mixed, source).graph
    assert "tonemap=tonemap" in graph.split(";")[1], "ten bits keep what eight cannot"
    assert "tonemap=tonemap" not in graph.split(";")[2]


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        (
            {"Format": "MPEG-DASH", "SegmentType": "ts-segment"},
            "SegmentType must be mp4-byterange or mp4-mp4-byterange",
        ),
        ({"SegmentType": "ts-packed-audio-byterange"}, "not supported yet; ts-ts-byterange has the audio apart"),
        ({"SegmentType": "mkv"}, "Input should be"),
        (
            {"StreamInfos": [rung(128, 150, Codec="av1")]},
            r"StreamInfos\[0\].Video.Codec av1 does not go into ts-segment",
        ),
        (
            {"StreamInfos": [rung(128, 150) | {"Audio": AAC | {"Codec": "opus", "SampleRate": 48000}}]},
            "opus does not go",
        ),
        ({"StreamInfos": [rung(128, 150), rung(180, 300, HlsTime=4)]}, r"StreamInfos\[1\].Video.HlsTime must be that"),
        ({"StreamInfos": [{"Video": {"Codec": "copy"}, "Audio": AAC}]}, "Codec must not be copy"),
        ({"StreamInfos": [rung(128, 150, SegmentType=7)]}, "the SegmentType of the ladder counts"),
        ({"StreamInfos": [rung(128, 150) | {"RemoveAudio": 1, "RemoveVideo": 1}]}, "must not both be 1"),
        ({"StreamInfos": [{"Audio": AAC}]}, "Video is required unless RemoveVideo is 1"),
        ({"StreamInfos": [rung(128, 150) | {"AudioList": [AAC]}]}, "not supported yet"),
        ({"StreamInfos": [rung(128, 150)] * 11}, "at most 10"),
        ({"PureAudio": 1}, r"StreamInfos\[0\].RemoveVideo must be 1 when PureAudio is 1"),
        ({"Colour": 1}, "Extra inputs"),
    ],
)
def test_templates_that_cannot_be(changes: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        AdaptiveTemplate.model_validate({"Format": "hls", "StreamInfos": [rung(128, 150)]} | changes)


def saved(**params: Any) -> None:
    """As CreateSchedule checks it."""
    graph: list[dict[str, Any]] = [
        {"ActivityType": "input", "ReardriveIndex": [1]},
        {
            "ActivityType": "action-adaptive-substream",
            "ReardriveIndex": [2],
            "ActivityPara": {"AdaptiveDynamicStreamingTask": params},
        },
        {"ActivityType": "output"},
    ]
    read_activities([Activity.model_validate(each) for each in graph], "1250000000", "ap-guangzhou")


@pytest.mark.parametrize(
    ("params", "member", "rule"),
    [
        ({"Definition": 11}, "Definition", "there is no adaptive_streaming template 11"),
        ({"Definition": 12}, "DrmInfo", "is required when Definition is 12"),
        ({"Definition": 20, "DrmInfo": DRM}, "DrmInfo.Type", "simpleaes is for HLS"),
        ({"Definition": 10, "DrmInfo": DRM | {"Type": "Widevine+FairPlay"}}, "DrmInfo.Type", "not supported yet"),
        ({"Definition": 10, "DrmInfo": {"Type": "simpleaes"}}, "DrmInfo.SimpleAesDrm", "is required when Type"),
        (
            {"Definition": 10, "DrmInfo": {"Type": "simpleaes", "SimpleAesDrm": {"Uri": 'a"b', "Key": "0" * 32}}},
            "DrmInfo.SimpleAesDrm.Uri",
            "must be a URI",
        ),
        (
            {"Definition": 10, "DrmInfo": {"Type": "simpleaes", "SimpleAesDrm": {"Uri": "a", "Key": "0" * 31}}},
            "DrmInfo.SimpleAesDrm.Key",
            "pattern",
        ),
        (
            {"Definition": 10, "DrmInfo": DRM | {"SpekeDrm": {"ResourceId": "r"}}},
            "DrmInfo.SpekeDrm",
            "not supported yet",
        ),
        ({"Definition": 10, "DefinitionType": "PureAudio"}, "DefinitionType", "must be that of template 10"),
        ({"Definition": 10, "KeyPTSList": [1000]}, "KeyPTSList", "not supported yet"),
        ({"Definition": 10, "AddOnAudios": [{"AudioName": "x"}]}, "AddOnAudios", "not supported yet"),
        ({"Definition": 10, "SubStreamObjectName": "x.{format}"}, "SubStreamObjectName", "{subStreamNumber}"),
        ({"Definition": 10, "SubStreamObjectName": "/x_{subStreamNumber}.{format}"}, "SubStreamObjectName", "relative"),
        (
            {"Definition": 10, "SegmentObjectName": "x_{subStreamNumber}.{format}"},
            "SegmentObjectName",
            "{segmentNumber}",
        ),
        ({"Definition": 20, "StdExtStreamInfos": [rung(9, 1)]}, "StdExtStreamInfos[0].Video", "must be 0 or"),
    ],
)
def test_nodes_that_cannot_be_saved_say_which_member(params: dict[str, Any], member: str, rule: str) -> None:
    with pytest.raises(ApiError) as refused:
        saved(**params)
    field = "Activities[1].ActivityPara.AdaptiveDynamicStreamingTask" + (f".{member}" if member else "")
    assert str(refused.value).startswith(field)
    assert rule in str(refused.value)


@pytest.mark.parametrize("params", [{"Definition": 10}, {"Definition": 20}, {"Definition": 12, "DrmInfo": DRM}])
def test_nodes_of_the_system_templates_can_be_saved(params: dict[str, Any]) -> None:
    saved(**params)


SRT = {
    "Type": "subtitle-stream",
    "Subtitle": {"Type": "COS", "CosInputInfo": {"Bucket": "b", "Region": "r", "Object": "/s"}},
}
NAMED = {
    "OutputObjectPath": "/a/{inputName}/master.{format}",
    "SubStreamObjectName": "v{subStreamNumber}/index.{format}",
    "SegmentObjectName": "v{subStreamNumber}/{segmentNumber}.{format}",
}


@pytest.mark.parametrize("kind", ["ts-segment", "mp4-mp4-segment", "mp4-byterange", "DASH"])
@pytest.mark.parametrize(
    "named", [{}, NAMED, {"OutputObjectPath": "{inputName}.{format}"}, {"AddOnSubtitles": [SRT] * 2}]
)
def test_what_is_written_is_known_at_save(kind: str, named: dict[str, Any]) -> None:
    template = {"Format": "HLS", "StreamInfos": [rung(128, 150), rung(180, 300)], "SegmentType": kind}
    if kind == "DASH":
        template |= {"Format": "MPEG-DASH", "SegmentType": ""}
    own = {"adaptive_streaming:1000001": template}
    params = AdaptiveDynamicStreamingTaskInput.model_validate({"Definition": 1_000_001, **named})
    names = OutputNames("in/clip.mov", 1_000_001, "/out/")
    work = plan(params, adaptive_ladder(params, own), film(), names)
    worker = [work.key]
    for stream in work.streams:
        worker.append(stream.key)
        if not work.packaging.dash:
            worker.append(work.segment_key(names, stream, 7))
        if kind == "mp4-mp4-segment":
            worker.append(work.init_key(stream))
    for text in work.texts:
        worker += {text.key, text.segment_key}
    saved = [each.path.replace("{inputName}", "clip").replace("\x00", "7") for each in written_by(params, "/out/", own)]
    assert sorted(saved) == sorted(f"/{key}" for key in worker)
    if not named and kind == "ts-segment":
        stem = "/out/clip_adaptiveDynamicStreaming_1000001"
        assert saved[:3] == [f"{stem}.m3u8", f"{stem}_0.m3u8", f"{stem}_0_7.ts"], "the names of the contract"


def test_the_peak_is_of_whole_segments() -> None:
    assert pace([(2.0, 1000), (2.0, 3000), (0.1, 900)]) == Pace(12_000, round(4900 * 8 / 4.1))


def test_master_playlist_escapes_nothing_but_takes_no_quotation_marks() -> None:
    text = master_playlist(
        [Variant("v.m3u8", Pace(2, 1), ("avc1.640015", ""), 320, 180, 24, "smpte2084", "a")],
        [Sound("a", 'say "hi"\n', "s.m3u8", "eng", 2)],
        fragmented=True,
    )
    assert 'NAME="say  hi  ",LANGUAGE="eng"' in text
    assert "VIDEO-RANGE=PQ" in text
    assert "CODECS" not in text, "one of them has no name"


def test_a_key_stands_behind_the_initialisation_segment() -> None:
    text = hls.with_key(
        '#EXTM3U\n#EXT-X-MAP:URI="i.mp4"\n#EXTINF:1.0,\n0.m4s\n#EXT-X-ENDLIST\n', "https://k", "0f" * 16
    )
    lines = text.splitlines()
    assert lines[2] == f'#EXT-X-KEY:METHOD=AES-128,URI="https://k",IV=0x{"0f" * 16}'
    assert lines[3] == "#EXTINF:1.0,"


def test_manifest_of_dash_groups_what_a_player_may_switch() -> None:
    index = Index(100, 199, ((2.0, 10),))
    members = [
        Representation("0", "video", "v 0.mp4", "avc1.640015", 1, index, 320, 180, frame_rate=Fraction(24)),
        Representation("1", "video", "v1.mp4", "avc1.64001e", 1, index, 640, 360, frame_rate=Fraction(24)),
        Representation("2", "audio", "a.mp4", "mp4a.40.2", 1, index, sampling_rate=44100, language="chi", label="<1>"),
    ]
    text = manifest(members, 2.0)
    assert text.count("<AdaptationSet") == 2
    assert '<SegmentBase indexRange="100-199">' in text
    assert '<Initialization range="0-99" />' in text
    assert "<Label>&lt;1&gt;</Label>" in text


@pytest.mark.parametrize("head", [b"", b"\x00\x00\x00\x08moof", b"\x00\x00\x00\x03ftyp", b"\x00\x00\x01\x00sidx\x00"])
def test_a_file_without_an_index_is_none(head: bytes) -> None:
    with pytest.raises(NotIndexed):
        index_of(head)
