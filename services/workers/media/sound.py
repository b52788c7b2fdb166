"""Filters and encoder arguments for audio from templates. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from services.workers.media.effects import NO_EFFECTS, Effects
from shared.mps.audio_template import CODEC_RATES, LOSSLESS, MAX_CHANNELS
from shared.mps.facts import AudioFacts
from shared.mps.media import MediaAudioStreamItem
from shared.mps.transcode import AudioTemplateInfo

_ENCODERS = {
    "aac": "aac",
    "mp3": "libmp3lame",
    "mp2": "mp2",
    "ac3": "ac3",
    "eac3": "eac3",
    "flac": "flac",
    "opus": "libopus",
    "vorbis": "libvorbis",
    "pcm16": "pcm_s16le",
    "pcm24": "pcm_s24le",
}
_CONTAINER_RATES = {("flv", "mp3"): (11025, 22050, 44100), ("mxf", "pcm16"): (48000,), ("mxf", "pcm24"): (48000,)}
LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
"""One name per number of channels that every encoder takes: libopus, say, refuses `5.1(side)`."""
_MP2_KBPS = (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384)
_MP2_LOW_KBPS = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_AC3_KBPS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)
_VORBIS_KBPS = {
    8000: (8, 42), 11025: (12, 50), 12000: (12, 50), 16000: (16, 100), 22050: (16, 90), 24000: (16, 90),
    32000: (30, 190), 44100: (32, 240), 48000: (32, 240),
}  # fmt: skip
"""What libvorbis takes for each channel, by sample rate (measured); it refuses anything else."""
_VORBIS_LEAST_KBPS = {
    (2, 8000): 12, (2, 11025): 16, (2, 12000): 16, (2, 16000): 24, (2, 22050): 30, (2, 24000): 30, (2, 32000): 36,
    (2, 44100): 45, (2, 48000): 45, (6, 44100): 84, (6, 48000): 84,
}  # fmt: skip
"""Of channels that it couples."""
_EAC3_LEAST_KBPS = 40
"""Of more than two channels."""
_FALLBACK_KBPS_PER_CHANNEL = 64
_MIN_KBPS = 32
_MAX_KBPS_PER_CHANNEL = 128
_TO_STEREO = (
    "asidedata=mode=delete:type=DOWNMIX_INFO",
    "aresample=out_chlayout=stereo:internal_sample_fmt=fltp:out_sample_fmt=fltp:center_mix_level=1:"
    "surround_mix_level=0.707:rematrix_maxval=8",
    "volume=0.707",
    "alimiter=limit=0.97:level=disabled:latency=1",
)
"""More channels to two. ffmpeg's own matrix divides everything by the sum of its coefficients, and speech, which is in
the centre, becomes 10 dB quieter; here the centre has the level of the sides, and the limiter takes what would clip.
AC-3 brings mix levels of its own, which are mostly its encoder's default and would take 4.5 dB from the speech."""
GAPS = "aresample=async=1:min_hard_comp=0.1"
"""Gaps of the source become silence, and sound that begins late stays late, in every container."""


def audio_arguments(
    audio: AudioTemplateInfo,
    source: MediaAudioStreamItem,
    effects: Effects = NO_EFFECTS,
    *,
    container: str = "",
    raw_times: bool = False,
    index: int = 0,
) -> list[str]:
    """Filters and encoder arguments for the audio stream that becomes the `index`-th of the output.

    Bit rate 0 is about the source's, sample rate 0 the source's or the next that codec and container take, channels
    are 2 by default. With `raw_times` the timestamps stay as they are.
    """
    kind = f"a:{index}"
    if audio.codec == "copy":
        return [f"-c:{kind}", "copy"]
    channels = output_channels(audio, source)
    filters = sound_filters(audio, source, effects, raw_times=raw_times)
    arguments = [f"-filter:{kind}", ",".join(filters), f"-c:{kind}", _ENCODERS[audio.codec]]
    rate = sample_rate(audio, source, container)
    if audio.codec not in LOSSLESS:
        arguments += [f"-b:{kind}", f"{_kbps(audio, source, channels, rate)}k"]
    if rate:
        arguments += [f"-ar:{kind}", str(rate)]
    if channels:
        arguments += [f"-ac:{kind}", str(channels)]
    if audio.codec == "pcm24":
        arguments += [f"-sample_fmt:{kind}", "s32"]
    return arguments


def stream_language(audio: AudioTemplateInfo, own: AudioFacts) -> str:
    """ISO 639-2, as the template says or as the source has it; empty if neither does."""
    chosen = own.language if audio.audio_language in (None, "", "source") else audio.audio_language
    return (chosen or "").lower()


def stream_name(audio: AudioTemplateInfo, own: AudioFacts) -> str:
    """The title, likewise."""
    return (own.title if audio.audio_name in (None, "", "source") else audio.audio_name) or ""


def stream_tags(audio: AudioTemplateInfo, own: AudioFacts, index: int = 0) -> list[str]:
    """Language and name of the `index`-th audio of an output."""
    language, title = stream_language(audio, own), stream_name(audio, own)
    return [
        *([f"-metadata:s:a:{index}", f"language={language}"] if language else []),
        *([f"-metadata:s:a:{index}", f"title={title}"] if title else []),
    ]


def sound_filters(
    audio: AudioTemplateInfo, source: MediaAudioStreamItem, effects: Effects = NO_EFFECTS, *, raw_times: bool = False
) -> list[str]:
    """The way of the sound, in the order of `Effects`."""
    channels = output_channels(audio, source)
    return [
        GAPS if raw_times else f"{GAPS}:first_pts=0",
        *effects.before_mix,
        *_mixed(channels, source.channel),
        *effects.after_mix,
    ]


def output_channels(audio: AudioTemplateInfo, source: MediaAudioStreamItem) -> int:
    """How many channels come out; 0 if the source's number is unknown and is to be kept."""
    if audio.audio_channel is None:
        return 2
    return audio.audio_channel or min(source.channel, MAX_CHANNELS.get(audio.codec, 8))


def sample_rate(audio: AudioTemplateInfo, source: MediaAudioStreamItem, container: str) -> int:
    """Hz; 0 if the source's is unknown and is to be kept."""
    if audio.sample_rate:
        return audio.sample_rate
    possible = _CONTAINER_RATES.get((container, audio.codec), CODEC_RATES[audio.codec])
    return _at_least(source.sampling_rate, possible) if source.sampling_rate else 0


def _mixed(channels: int, own: int) -> list[str]:
    if not channels or (channels == own and channels <= 2):
        return []
    if channels <= 2 < own:
        return [*_TO_STEREO, *(["pan=mono|c0=0.5*c0+0.5*c1"] if channels == 1 else [])]
    layout = LAYOUTS.get(channels)
    return [f"aformat=channel_layouts={layout}"] if layout else []


def _kbps(audio: AudioTemplateInfo, source: MediaAudioStreamItem, channels: int, rate: int) -> int:
    wanted = audio.bitrate
    if not wanted:
        count = channels or source.channel or 2
        share = min(count / source.channel, 1.0) if source.channel else 1.0
        own = source.bitrate / 1000 * share or _FALLBACK_KBPS_PER_CHANNEL * count
        wanted = round(min(max(own, _MIN_KBPS), _MAX_KBPS_PER_CHANNEL * max(count, 2)))
    match audio.codec:
        case "mp2":
            return _nearest(wanted, _MP2_LOW_KBPS if 0 < rate < 32000 else _MP2_KBPS)
        case "ac3":
            return _nearest(wanted, _AC3_KBPS)
        case "mp3":
            return min(wanted, 320)
        case "eac3" if channels > 2:
            return max(wanted, _EAC3_LEAST_KBPS)
        case "vorbis":
            low, high = _VORBIS_KBPS.get(rate, _VORBIS_KBPS[48000])
            count = channels or source.channel or 2
            return min(max(wanted, _VORBIS_LEAST_KBPS.get((count, rate), low * count)), high * count)
        case _:
            return wanted


def _at_least(wanted: int, possible: Iterable[int]) -> int:
    """The lowest that is not below, else the highest."""
    known = sorted(possible)
    return next((each for each in known if each >= wanted), known[-1])


def _nearest(wanted: int, possible: Iterable[int]) -> int:
    return min(possible, key=lambda each: abs(each - wanted))
