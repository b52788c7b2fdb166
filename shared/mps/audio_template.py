"""How audio is encoded (MPS_API §7, AudioTemplateInfo): ranges of the contract, what each codec can do."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from shared.mps.base import MpsModel
from shared.mps.not_yet import NotYet, number

_OTHER_SPELLINGS = {"libfdk_aac": "aac", "libmp3lame": "mp3", "libopus": "opus", "libvorbis": "vorbis"}

SAMPLE_RATES = (0, 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000, 176400, 192000)
"""Hz; 0 as the source."""
_UP_TO_48 = SAMPLE_RATES[1:10]
_DOLBY = (32000, 44100, 48000)
CODEC_RATES: dict[str, tuple[int, ...]] = {
    "aac": SAMPLE_RATES[1:13],
    "mp3": _UP_TO_48,
    "mp2": (16000, 22050, 24000, 32000, 44100, 48000),
    "ac3": _DOLBY,
    "eac3": _DOLBY,
    "opus": (8000, 12000, 16000, 24000, 48000),
    "vorbis": _UP_TO_48,
    "flac": SAMPLE_RATES[1:],
    "pcm16": SAMPLE_RATES[1:],
    "pcm24": SAMPLE_RATES[1:],
}
"""Hz, what the encoder of each codec takes."""
MAX_CHANNELS = {"mp3": 2, "mp2": 2, "ac3": 6, "eac3": 6}
"""Of codecs with fewer than eight."""
MAX_KBPS = {"mp3": 320, "mp2": 384, "ac3": 640, "eac3": 6144}
"""Of codecs whose bit rate may be more than 256."""
LOWEST_PRESET_KBPS = 24
"""System template 1100 has less than users may ask for (§12)."""
LOSSLESS = frozenset({"flac", "pcm16", "pcm24"})


def _usual_rate(value: int) -> int:
    if value not in SAMPLE_RATES:
        raise ValueError(f"must be one of {', '.join(map(str, SAMPLE_RATES))}")
    return value


def _possible_rate(value: int) -> int:
    if value not in (0, LOWEST_PRESET_KBPS) and not 26 <= value <= 6144:
        raise ValueError("must be 0 or 26 to 6144")
    return value


def _plain_spelling(value: Any) -> Any:
    return _OTHER_SPELLINGS.get(value.lower(), value.lower()) if isinstance(value, str) else value


SampleRate = Annotated[int, AfterValidator(_usual_rate)]
AudioBitrate = Annotated[int, AfterValidator(_possible_rate)]
"""kbit/s"""
AudioCodec = Annotated[
    Literal["aac", "mp3", "mp2", "ac3", "eac3", "flac", "opus", "vorbis", "pcm16", "pcm24", "copy"],
    BeforeValidator(_plain_spelling),
]


class AudioTemplateInfoForUpdate(MpsModel):
    """Members of an audio template, each optional. Bitrate in kbit/s, SampleRate in Hz.

    `audio_language` is an ISO 639-2 code, or `source` (or empty) for the source's; `audio_name` a title, likewise.
    """

    codec: AudioCodec | None = None
    bitrate: AudioBitrate | None = None
    sample_rate: SampleRate | None = None
    audio_channel: Annotated[Literal[0, 1, 2, 6], BeforeValidator(number)] | None = None
    track_channel_info: NotYet = None
    audio_language: str | None = Field(default=None, pattern=r"^([A-Za-z]{3}|source)?$")
    audio_name: str | None = Field(default=None, max_length=64, pattern=r"^[\w .()（）-]*$")
    default_track: bool | None = None


class AudioTemplateInfo(AudioTemplateInfoForUpdate):
    """How audio is encoded, complete. Bitrate 0 means as the source."""

    codec: AudioCodec
    bitrate: AudioBitrate
    sample_rate: SampleRate

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.codec == "copy":
            if self.bitrate or self.sample_rate:
                raise ValueError("Bitrate and SampleRate must be 0 when Codec is copy")
            if self.audio_channel in (1, 6):
                raise ValueError("AudioChannel cannot be set when Codec is copy")
            return self
        if (self.audio_channel or 0) > MAX_CHANNELS.get(self.codec, 8):
            raise ValueError(f"AudioChannel {self.audio_channel} is not for {self.codec}")
        most = MAX_KBPS.get(self.codec, 256)
        if self.bitrate > most:
            raise ValueError(f"Bitrate must be 0 or 26 to {most} for {self.codec}")
        rates = CODEC_RATES[self.codec]
        if self.sample_rate and self.sample_rate not in rates:
            raise ValueError(f"SampleRate must be 0 or one of {', '.join(map(str, rates))} for {self.codec}")
        return self
