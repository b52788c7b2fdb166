"""Plans of the media nodes, without ffmpeg."""

from __future__ import annotations

from typing import Any

import pytest

from services.workers.media import hls
from services.workers.media.codecs import audio_codecs, video_codecs
from services.workers.media.effects import Effects
from services.workers.media.ffmpeg import FORMATS, failure, source
from services.workers.media.filtergraph import Overlay
from services.workers.media.process import Ended
from services.workers.media.verify import check_duration
from services.workers.nodes import transcode
from services.workers.scratch import ScratchFull
from shared.model.failure import InternalError, InvalidInput, NodeError, SourceFileError
from shared.mps.media import MediaAudioStreamItem, MediaMetaData, MediaVideoStreamItem
from shared.mps.naming import OutputNames
from shared.mps.presets import TRANSCODE, resolve
from shared.mps.transcode import TranscodeTaskInput

NAMES = OutputNames("in/clip.mov", 0, "/out/")


def media(**more: Any) -> MediaMetaData:
    video = MediaVideoStreamItem(width=1280, height=720, codec="h264", fps=25, fps_numerator=25)
    audio = MediaAudioStreamItem(codec="aac", channel=6, sampling_rate=48000, bitrate=384_000)
    shown: dict[str, Any] = {
        "container": "mov,mp4,m4a,3gp,3g2,mj2",
        "width": 1280,
        "height": 720,
        "duration": 10.0,
        "video_duration": 9.9,
        "audio_duration": 10.0,
        "video_stream_set": [video],
        "audio_stream_set": [audio],
    }
    return MediaMetaData(**(shown | more))


def planned(template: dict[str, Any], source: MediaMetaData | None = None, **more: Any) -> transcode.TranscodePlan:
    params = TranscodeTaskInput.model_validate({"Definition": 0, "RawParameter": template} | more)
    return transcode.plan(params, resolve(params), source or media(), NAMES)


def value(arguments: tuple[str, ...], name: str) -> str | None:
    return arguments[arguments.index(name) + 1] if name in arguments else None


VIDEO = {"Codec": "h264", "Fps": 0, "Bitrate": 0}
AUDIO = {"Codec": "aac", "Bitrate": 0, "SampleRate": 0}


DOWNMIX = (
    "asidedata=mode=delete:type=DOWNMIX_INFO,aresample=out_chlayout=stereo:internal_sample_fmt=fltp:out_sample_fmt=fltp:center_mix_level=1:"
    "surround_mix_level=0.707:rematrix_maxval=8,volume=0.707,alimiter=limit=0.97:level=disabled:latency=1"
)


def test_a_preset_in_full() -> None:
    work = transcode.plan(TranscodeTaskInput(definition=100010), TRANSCODE[100010], media(), NAMES)
    assert work.after == (
        *("-map_chapters", "-1", "-sn", "-dn", "-max_muxing_queue_size", "4096"),
        *("-map", "0:V:0", "-vf"),
        "scale=640:360:out_range=tv,setsar=1,fps=25/1,format=yuv420p",
        *("-fps_mode", "vfr", "-c:v", "libx264", "-preset", "fast"),
        *("-b:v", "400k", "-maxrate", "600k", "-bufsize", "800k", "-profile:v", "high"),
        *("-map", "0:a:0", "-filter:a:0", f"aresample=async=1:min_hard_comp=0.1:first_pts=0,{DOWNMIX}"),
        *("-c:a:0", "aac", "-b:a:0", "64k", "-ar:a:0", "44100", "-ac:a:0", "2", "-map_metadata:s:a:0", "-1"),
        *("-disposition:a:0", "default"),
        *("-f", "mp4", "-movflags", "+faststart", "file:output.mp4"),
    )
    assert (work.key, work.expected_s, work.before) == ("out/clip_transcode_0.mp4", 10.0, ())


EFFECTS = Effects(
    before_size=("hqdn3d",),
    after_size=("unsharp",),
    mosaics=("boxblur",),
    overlays=(Overlay(("-i", "file:mark.png"), "10", "20"),),
    subtitles=("subtitles=f",),
    before_mix=("afftdn",),
    after_mix=("loudnorm",),
)


def test_effects_have_their_places() -> None:
    params = TranscodeTaskInput(definition=100010)
    work = transcode.plan(params, TRANSCODE[100010], media(), NAMES, EFFECTS)
    graph = value(work.after, "-filter_complex")
    assert graph is not None
    stages = ["hqdn3d", "scale=640:360", "fps=25/1", "unsharp", "boxblur", "overlay=", "subtitles=f", "format=yuv420p"]
    assert sorted(stages, key=graph.index) == stages
    assert work.inputs == ("-i", "file:mark.png")
    sound = value(work.after, "-filter:a:0")
    assert sound is not None
    assert sorted(["afftdn", "out_chlayout=stereo", "loudnorm"], key=sound.index) == [
        "afftdn",
        "out_chlayout=stereo",
        "loudnorm",
    ]


@pytest.mark.parametrize("effects", [Effects(mosaics=("boxblur",)), Effects(after_mix=("loudnorm",))])
def test_effects_need_an_encode(effects: Effects) -> None:
    with pytest.raises(InvalidInput, match="Codec is copy"):
        transcode.plan(TranscodeTaskInput(definition=875), TRANSCODE[875], media(), NAMES, effects)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, {"-crf": "23", "-b:v": None}),
        ({"Vcrf": 18}, {"-crf": "18"}),
        ({"Bitrate": 1000, "Mode": "VCRF"}, {"-crf": "23", "-maxrate": None}),
        ({"Bitrate": 1000, "Vcrf": 30}, {"-crf": "30", "-maxrate": "1000k"}),
        ({"Bitrate": 1000, "Mode": "ABR"}, {"-b:v": "1000k", "-maxrate": None}),
        ({"Bitrate": 1000, "Mode": "CBR"}, {"-b:v": "1000k", "-minrate": "1000k", "-maxrate": "1000k"}),
        ({"Bitrate": 1000}, {"-b:v": "1000k", "-maxrate": "1500k", "-bufsize": "2000k"}),
        ({"Gop": 50}, {"-g": "50"}),
        ({"Gop": 2, "GopUnit": "second"}, {"-g": "50"}),
        ({"Gop": 2, "GopUnit": "second", "Fps": 60}, {"-g": "120"}),
        ({"Gop": 1, "GopUnit": "second", "Fps": 30000, "FpsDenominator": 1001}, {"-g": "30"}),
        ({"VideoProfile": "baseline", "VideoLevel": "3.1"}, {"-profile:v": "baseline", "-level": "3.1"}),
        ({"BitDepth": 10}, {"-profile:v": "high10"}),
        ({"Bframes": 0, "NoScenecut": 1}, {"-bf": "0", "-sc_threshold": "0"}),
        ({"Codec": "libx265"}, {"-c:v": "libx265", "-tag:v": "hvc1", "-crf": "28"}),
        ({"Codec": "h265", "NoScenecut": 1}, {"-x265-params": "log-level=error:open-gop=0:scenecut=0"}),
    ],
)
def test_video_parameters(more: dict[str, Any], expected: dict[str, str | None]) -> None:
    work = planned({"Container": "mp4", "RemoveAudio": 1, "VideoTemplate": VIDEO | more})
    assert {name: value(work.after, name) for name in expected} == expected


def test_audio_bit_rate_follows_the_source_within_reason() -> None:
    work = planned({"Container": "m4a", "AudioTemplate": AUDIO | {"AudioChannel": 0}})
    assert value(work.after, "-b:a:0") == "384k"
    assert value(work.after, "-ac:a:0") == "6"
    assert value(work.after, "-ar:a:0") == "48000"
    assert "0:V:0" not in work.after


def test_hls_has_key_frames_at_segments() -> None:
    template = {"Container": "hls", "VideoTemplate": VIDEO | {"HlsTime": 4}, "AudioTemplate": AUDIO}
    work = planned(template)
    assert value(work.after, "-force_key_frames") == "expr:gte(t,n_forced*4)"
    assert value(work.after, "-hls_time") == "4"
    assert work.key == "out/clip_transcode_0.m3u8"
    assert work.segment_template == "{inputName}_transcode_{definition}_{number}.{format}"
    assert planned(template, OutputObjectPath="/a/b.{format}").segment_template == "b_{number}.{format}"
    fragmented = planned(template | {"VideoTemplate": VIDEO | {"SegmentType": 7}})
    assert value(fragmented.after, "-hls_segment_type") == "fmp4"


def test_a_rotated_source_is_portrait() -> None:
    template = {"Container": "mp4", "RemoveAudio": 1, "VideoTemplate": VIDEO | {"Width": 640, "Height": 360}}
    assert "scale=360:640" in str(planned(template, media(rotate=90)).after)
    assert "scale=640:360" in str(planned(template).after)
    square = template | {"VideoTemplate": VIDEO | {"Width": 640, "Height": 640}}
    assert "scale=640:360:out_range=tv,pad=640:640:0:140:color=black" in str(planned(square).after)


@pytest.mark.parametrize(
    ("start", "end", "before", "length", "expected"),
    [
        (0, 0, (), None, 10.0),
        (2.5, 0, ("-ss", "2.500"), None, 7.5),
        (0, 4, (), "4.000", 4.0),
        (-3, -1, ("-ss", "7.000"), "2.000", 2.0),
        (0, 10.3, (), "10.300", 10.0),
    ],
)
def test_offsets(start: float, end: float, before: tuple[str, ...], length: str | None, expected: float) -> None:
    template = {"Container": "mp4", "VideoTemplate": VIDEO, "AudioTemplate": AUDIO}
    work = planned(template, StartTimeOffset=start, EndTimeOffset=end)
    assert (work.before, value(work.after, "-t")) == (before, length)
    assert work.expected_s == pytest.approx(expected)


def test_copies_must_fit_the_container() -> None:
    copy = {"Codec": "copy", "Fps": 0, "Bitrate": 0}
    odd = media(video_stream_set=[MediaVideoStreamItem(width=2, height=2, codec="prores")])
    with pytest.raises(InvalidInput, match="prores cannot be copied into mp4"):
        planned({"Container": "mp4", "RemoveAudio": 1, "VideoTemplate": copy}, odd)
    assert planned({"Container": "mkv", "RemoveAudio": 1, "VideoTemplate": copy}, odd).copied


def test_sources_are_opened_with_both_white_lists(tmp_path: Any) -> None:
    found = source(tmp_path / "-y.png")
    assert found[-2:] == ["-i", f"file:{tmp_path}/-y.png"]
    assert found[found.index("-protocol_whitelist") + 1] == "file,pipe"
    assert not {"hls", "concat", "lavfi", "tty", "dash"} & set(FORMATS.split(","))


@pytest.mark.parametrize(
    ("code", "text", "kind", "retried"),
    [
        (-9, "", InternalError, True),
        (137, "", InternalError, True),
        (1, "[out] Error writing trailer: No space left on device", ScratchFull, True),
        (1, "[mov @ 0x55] moov atom not found\nError opening input file file:/x/y.mp4.", SourceFileError, False),
        (1, "[x @ 0x1] Error while opening encoder - maybe incorrect parameters", InvalidInput, False),
        (
            1,
            "[enc:aac @ 0x5601] Error while opening encoder - maybe incorrect parameters\n"
            "[out#0 @ 0x5602] Could not write header (incorrect codec parameters ?): Invalid data found\n"
            "Output file does not contain any stream",
            InvalidInput,
            False,
        ),
        (
            1,
            "[h264 @ 0x1] Invalid data found when processing input\n"
            "[enc:libx264 @ 0x2] Could not open encoder before EOF",
            SourceFileError,
            False,
        ),
        (1, "something new", InternalError, True),
    ],
)
def test_failures_are_told_apart(code: int, text: str, kind: type[NodeError], retried: bool) -> None:
    error = failure(Ended(code, text))
    assert type(error) is kind
    assert error.failure.retryable is retried
    assert "/x/" not in error.failure.message
    assert "0x" not in error.failure.message


def test_short_outputs_mean_a_damaged_source() -> None:
    check_duration(media(), 9.6, 10.0, "")
    check_duration(media(), 12.0, 10.0, "")
    check_duration(media(container="mp3"), 5.0, 10.0, "")
    check_duration(media(container="matroska,webm"), 5.0, 10.0, "")
    with pytest.raises(SourceFileError):
        check_duration(media(container="matroska,webm"), 5.0, 10.0, "File ended prematurely")
    with pytest.raises(SourceFileError, match=r"5\.0 s of 10\.0 s"):
        check_duration(media(), 5.0, 10.0, "")


def test_playlists_are_rewritten() -> None:
    text = '#EXTM3U\n#EXT-X-MAP:URI="init.mp4"\n#EXTINF:2.0,\nsegment_000000.m4s\n#EXT-X-ENDLIST\n'
    assert hls.local_names(text) == ["init.mp4", "segment_000000.m4s"]
    names = {"init.mp4": "x y_init.mp4", "segment_000000.m4s": "#1/片:%.m4s"}
    assert hls.renamed(text, names) == (
        '#EXTM3U\n#EXT-X-MAP:URI="x%20y_init.mp4"\n#EXTINF:2.0,\n%231/%E7%89%87%3A%25.m4s\n#EXT-X-ENDLIST\n'
    )


@pytest.mark.parametrize(
    ("codec", "extradata", "profile", "level", "found"),
    [
        ("h264", "0164001fffe1", "High", 31, "avc1.64001F"),
        ("h264", "00000001674d401f", "Main", 31, "avc1.4D401F"),
        ("h264", "", "High", 40, "avc1.640028"),
        ("hevc", "010160000000900000000000 5d".replace(" ", ""), "Main", 93, "hvc1.1.6.L93.90"),
        ("av1", "81050c00", "Main", 5, "av01.0.05M.08"),
        ("prores", "", "", 0, ""),
    ],
)
def test_video_codec_strings(codec: str, extradata: str, profile: str, level: int, found: str) -> None:
    assert video_codecs(codec, bytes.fromhex(extradata), profile, level) == found


def test_audio_codec_strings() -> None:
    assert audio_codecs("aac", bytes.fromhex("1210"), "LC") == "mp4a.40.2"
    assert audio_codecs("aac", b"", "HE-AAC") == "mp4a.40.5"
    assert audio_codecs("pcm_s16le", b"", "") == ""
