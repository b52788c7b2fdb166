"""Every container with the codecs that go into it, and streams in segments."""

from __future__ import annotations

from tests.integration.media.cases.case import Case, Expect, audio, raw, video

_PCM = {"pcm16": "pcm_s16le", "pcm24": "pcm_s24le"}
_NAMES = {"h265": "hevc", "mpeg2": "mpeg2video", **_PCM}
_DEMUXERS = {"mkv": "matroska", "ts": "mpegts", "m4a": "m4a", "hls": "hls"}

_WITH_PICTURE = {
    "mp4": [
        *("h264 aac", "h265 aac", "av1 aac"),
        *("h264 mp3", "h264 mp2", "h264 ac3", "h264 eac3", "h264 opus", "h264 flac"),
    ],
    "mkv": [
        *("h264 aac", "h265 flac", "av1 opus", "vp9 opus", "vp8 vorbis"),
        *("h264 pcm16", "h264 pcm24", "h264 ac3", "h264 mp3"),
    ],
    "webm": ["vp9 opus", "vp8 vorbis", "av1 opus"],
    "mov": ["h264 aac", "h265 aac", "h264 pcm16", "h264 pcm24", "h264 ac3"],
    "ts": ["h264 aac", "h265 ac3", "h264 mp3", "h264 mp2", "h264 eac3"],
    "flv": ["h264 aac", "h265 aac", "h264 mp3"],
    "mxf": ["mpeg2 pcm16"],
    "hls": ["h264 aac", "h265 aac", "h264 mp3", "h264 ac3"],
}  # fmt: skip
_SOUND_ALONE = {
    "mp3": ["mp3"],
    "m4a": ["aac", "ac3"],
    "flac": ["flac"],
    "ogg": ["flac", "opus", "vorbis"],
    "wav": ["pcm16", "pcm24"],
}


def _sound(codec: str, container: str) -> dict[str, object]:
    loss = codec not in ("flac", "pcm16", "pcm24")
    rate = 44100 if (container, codec) == ("flv", "mp3") else 48000
    return audio(codec, 128 if loss else 0, rate)


def _case(container: str, pair: str) -> Case:
    picture, sound = pair.split()
    rate = 44100 if (container, sound) == ("flv", "mp3") else 48000
    return Case(
        f"{container}-{picture}-{sound}",
        "plain.mp4",
        raw(container, video(picture, Gop=25), _sound(sound, container)),
        Expect(
            video=_NAMES.get(picture, picture),
            # One object type for all layers of MPEG audio: what reads an MP4 calls MP2 MP3.
            audio="mp3" if (container, sound) == ("mp4", "mp2") else _NAMES.get(sound, sound),
            container=_DEMUXERS.get(container, container),
            size=(160, 90),
            fps=25,
            frames=50,
            gop=25,
            channels=2,
            rate=rate,
        ),
    )


def _alone(container: str, codec: str) -> Case:
    return Case(
        f"{container}-{codec}",
        "plain.mp4",
        raw(container, None, _sound(codec, container)),
        Expect(
            video=None,
            audio=_NAMES.get(codec, codec),
            container=_DEMUXERS.get(container, container),
            channels=2,
            layout=None if container == "wav" else "stereo",
            rate=48000,
        ),
    )


_DNXHD = Case(
    "mxf-dnxhd-pcm24",
    "wide.mp4",
    raw("mxf", video("dnxhd"), audio("pcm24", 0, 48000)),
    Expect(
        video="dnxhd", audio="pcm_s24le", container="mxf", size=(320, 180), gop=1, fps=25, seconds=1, pixels="yuv422p"
    ),
)


def _stream(
    name: str, seconds: tuple[float, ...], codec: str = "h264", source: str = "noisy.mp4", **more: object
) -> Case:
    total = sum(seconds)
    return Case(
        f"hls-{name}",
        source,
        raw("hls", video(codec, **more), audio()),
        Expect(
            video=_NAMES.get(codec, codec),
            container="hls",
            seconds=total,
            segments=seconds,
            keys_at=tuple(sum(seconds[:index]) for index in range(len(seconds))),
        ),
    )


_STREAMS = [
    _stream("one-second-segments", (1, 1, 1), HlsTime=1),
    _stream("two-second-segments", (2, 1), HlsTime=2),
    _stream("one-segment", (3,), HlsTime=10),
    _stream("segments-by-itself", (3,)),
    _stream("byte-ranges", (1, 1, 1), HlsTime=1, SegmentType=2),
    _stream("fragmented", (1, 1, 1), HlsTime=1, SegmentType=7),
    _stream("fragmented-byte-ranges", (1, 1, 1), HlsTime=1, SegmentType=5),
    _stream("fragmented-h265", (1, 1, 1), "h265", HlsTime=1, SegmentType=7),
    _stream(
        "short-first-segments",
        (1, 2),
        HlsTime=2,
        SegmentSpecificInfo={"Switch": "on", "FragmentTime": 1, "FragmentEndNum": 1},
    ),
    _stream("groups-inside-segments", (2, 1), HlsTime=2, Gop=1, GopUnit="second"),
]

CASES = [
    *(_case(container, pair) for container, pairs in _WITH_PICTURE.items() for pair in pairs),
    *(_alone(container, codec) for container, codecs in _SOUND_ALONE.items() for codec in codecs),
    _DNXHD,
    *_STREAMS,
]
