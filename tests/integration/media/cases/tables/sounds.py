"""Channels, sample rates and bit rates of the sound."""

from __future__ import annotations

from typing import Any

from tests.integration.media.cases.case import Case, Expect, audio, raw


def _case(
    name: str, codec: str, container: str, source: str = "plain.mp4", *, expect: dict[str, Any], **more: Any
) -> Case:
    wanted = {"bitrate": more.pop("kbps", 96), "rate": more.pop("rate", 0)}
    names = {"pcm16": "pcm_s16le", "pcm24": "pcm_s24le"}
    return Case(
        f"sound-{name}",
        source,
        raw(container, None, audio(codec, **wanted, **more)),
        Expect(video=None, audio=names.get(codec, codec), **expect),
    )


def _kbps(codec: str, container: str, kbps: int) -> Case:
    expect = {"audio_kbps": kbps, "channels": 2}
    return _case(f"{codec}-{kbps}k", codec, container, kbps=kbps, rate=48000, expect=expect)


CASES = [
    *(_kbps("aac", "m4a", kbps) for kbps in (48, 96, 192, 256)),
    *(_kbps("mp3", "mp3", kbps) for kbps in (64, 128, 320)),
    *(_kbps("ac3", "m4a", kbps) for kbps in (128, 448)),
    _kbps("opus", "ogg", 96),
    *(
        _case(f"aac-{rate}", "aac", "m4a", rate=rate, kbps=48, expect={"rate": rate})
        for rate in (8000, 16000, 22050, 32000, 44100, 48000, 96000)
    ),
    *(_case(f"mp3-{rate}", "mp3", "mp3", rate=rate, kbps=64, expect={"rate": rate}) for rate in (16000, 44100)),
    _case("wav-16000", "pcm16", "wav", kbps=0, rate=16000, expect={"rate": 16000}),
    _case("flac-96000", "flac", "flac", kbps=0, rate=96000, expect={"rate": 96000}),
    _case("rate-of-the-source", "aac", "m4a", "mono.mp4", expect={"rate": 22050, "channels": 2}),
    _case("next-rate-that-opus-has", "opus", "ogg", "tone.mp3", expect={"rate": 48000}),
    _case("mono", "aac", "m4a", AudioChannel=1, expect={"channels": 1, "layout": "mono"}),
    _case("stereo", "aac", "m4a", AudioChannel=2, expect={"channels": 2, "layout": "stereo"}),
    _case("two-by-default", "aac", "m4a", "surround.mp4", expect={"channels": 2, "layout": "stereo"}),
    _case("one-of-six", "aac", "m4a", "surround.mp4", AudioChannel=1, expect={"channels": 1, "layout": "mono"}),
    _case(
        "six-of-six", "aac", "m4a", "surround.mp4", AudioChannel=6, kbps=256, expect={"channels": 6, "layout": "5.1"}
    ),
    _case("as-the-source", "aac", "m4a", "surround.mp4", AudioChannel=0, kbps=256, expect={"channels": 6}),
    _case("as-the-source-mono", "aac", "m4a", "mono.mp4", AudioChannel=0, expect={"channels": 1}),
    _case("six-of-two", "aac", "m4a", AudioChannel=6, kbps=256, expect={"channels": 6, "layout": "5.1"}),
    _case("six-ac3", "ac3", "m4a", "surround.mkv", AudioChannel=6, kbps=384, expect={"channels": 6}),
    _case("six-opus", "opus", "ogg", "surround.mkv", AudioChannel=6, kbps=256, expect={"channels": 6, "layout": "5.1"}),
    _case("six-vorbis-at-little", "vorbis", "ogg", "surround.mkv", AudioChannel=6, kbps=64, expect={"channels": 6}),
    _case("two-vorbis-at-little", "vorbis", "ogg", rate=48000, kbps=32, expect={"channels": 2, "audio_kbps": 45}),
    _case("six-flac", "flac", "flac", "surround.mkv", AudioChannel=6, kbps=0, expect={"channels": 6}),
    _case("as-the-source-but-mp3-has-two", "mp3", "mp3", "surround.mp4", AudioChannel=0, expect={"channels": 2}),
]
