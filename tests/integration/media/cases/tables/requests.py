"""What a node says beside its template: offsets, presets and overrides, copies, streams taken away."""

from __future__ import annotations

from typing import Any

from tests.integration.media.cases.case import Case, Expect, audio, raw, video

_COPY = {"Codec": "copy", "Fps": 0, "Bitrate": 0}
_COPY_SOUND = {"Codec": "copy", "Bitrate": 0, "SampleRate": 0}


def _cut(name: str, start: float, end: float, seconds: float, **more: Any) -> Case:
    offsets = {"StartTimeOffset": start, "EndTimeOffset": end}
    frames, source = round(seconds * 25), more.pop("source", "noisy.mp4")
    params = raw("mp4", video(**more.pop("members", {})), audio()) | offsets
    return Case(f"cut-{name}", source, params, Expect(seconds=seconds, frames=frames, **more))


CUTS = [
    _cut("none", 0, 0, 3),
    _cut("start", 1, 0, 2),
    _cut("end", 0, 1.2, 1.2),
    _cut("both", 0.4, 1.4, 1),
    _cut("start-from-the-end", -1, 0, 1),
    _cut("end-from-the-end", 0, -1, 2),
    _cut("both-from-the-end", -2, -0.6, 1.4),
    _cut("mixed", 0.52, -1.48, 1),
    _cut("not-at-a-frame", 0.7, 0, 2.3),
    _cut("broadcast", 1.61, 2.61, 1, source="broadcast.ts"),
    _cut("broadcast-from-the-end", -1, 0, 1, source="broadcast.ts"),
    _cut("broadcast-interlaced", -0.8, -0.2, 0.6, source="interlaced.ts"),
    _cut("broadcast-with-its-times", 1.62, 2.62, 1, source="broadcast.ts", members={"RawPts": 1}),
    _cut("film-with-its-times", 1.6, 2.6, 1, members={"RawPts": 1}),
    Case("whole-with-its-times", "late.ts", raw("ts", video(RawPts=1), audio()), Expect(frames=50)),
    _cut("end-of-a-film-with-its-times", 0, 1, 1, source="late.ts", members={"RawPts": 1}),
    Case(
        "cut-broadcast-in-two-passes",
        "broadcast.ts",
        raw("webm", video("vp9", Bitrate=200), audio("opus")) | {"StartTimeOffset": 2},
        Expect(video="vp9", audio="opus", seconds=1, frames=25),
    ),
]


def _preset(number: int, source: str = "plain.mp4", override: dict[str, Any] | None = None, **expect: Any) -> Case:
    params: dict[str, Any] = {"Definition": number} | ({"OverrideParameter": override} if override else {})
    name = f"preset-{number}{'-' + '-'.join(override) if override else ''}"
    return Case(name.lower(), source, params, Expect(**expect))


_MP4 = {"container": "mp4", "channels": 2, "rate": 44100}
PRESETS = [
    _preset(100010, size=(640, 360), fps=25, **_MP4),
    _preset(100210, size=(640, 360), fps=25, channels=2, rate=44100, container="hls", segments=(2,)),
    _preset(100020, "left.mp4", {"VideoTemplate": {"Height": 128}}, size=(128, 228), fps=25, **_MP4),
    _preset(100010, "plain.mp4", {"VideoTemplate": {"Codec": "h265", "Height": 128}}, video="hevc", size=(228, 128)),
    _preset(100010, "plain.mp4", {"AudioTemplate": {"Codec": "mp3", "Bitrate": 128}}, audio="mp3", audio_kbps=128),
    _preset(100010, "plain.mp4", {"RemoveAudio": 1}, audio=None, size=(640, 360)),
    _preset(100010, "plain.mp4", {"RemoveVideo": 1}, video=None),
    _preset(100010, "plain.mp4", {"Container": "mkv"}, container="matroska"),
    _preset(100800, "fast.mp4", size=(160, 90), fps=25, container="mp4"),
    _preset(1110, video=None, channels=2, rate=44100, audio_kbps=48, container="m4a"),
    _preset(1010, audio="mp3", video=None, channels=2, rate=44100, audio_kbps=128, container="mp3"),
    _preset(875, size=(160, 90), frames=50, container="mp4", rate=48000),
    _preset(876, size=(160, 90), frames=50, container="hls", rate=48000),
    _preset(10, size=(320, 180), fps=24, channels=2, rate=44100),
    _preset(510, video="hevc", size=(426, 240), fps=15, channels=2),
    _preset(10046, audio="mp3", size=(320, 180), fps=24, container="flv"),
]

COPIES = [
    Case("copy-to-mkv", "plain.mp4", raw("mkv", _COPY, _COPY_SOUND), Expect(container="matroska", frames=50)),
    Case("copy-to-ts", "packed.mp4", raw("ts", _COPY, _COPY_SOUND), Expect(container="mpegts", frames=50, gop=10)),
    Case("copy-of-the-picture", "plain.mp4", raw("mp4", _COPY, audio("mp3", 128)), Expect(audio="mp3", frames=50)),
    Case("copy-of-the-sound", "surround.mp4", raw("mp4", video(), _COPY_SOUND), Expect(channels=6)),
    Case("copy-out-of-a-film", "plain.mp4", raw("m4a", None, _COPY_SOUND), Expect(video=None, container="m4a")),
    Case("copy-without-sound", "plain.mp4", raw("mp4", _COPY), Expect(audio=None, frames=50)),
]

TAGS = [
    Case(
        "language-of-the-source",
        "titled.mkv",
        raw("mkv", video(), audio()),
        Expect(tags={"language": "ger", "title": "Ton"}),
    ),
    Case(
        "language-of-the-template",
        "titled.mkv",
        raw("mkv", video(), audio(AudioLanguage="FRA", AudioName="son")),
        Expect(tags={"language": "fra", "title": "son"}),
    ),
]

CASES = [*CUTS, *PRESETS, *COPIES, *TAGS]
