"""Parameters of the transcode node (MPS_API §7): what goes into which container, templates and their overrides.

Members that Reelway does not do are refused by name when they ask for something (`NotYet`); empty ones are taken.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from shared.mps.audio_template import AudioTemplateInfo as AudioTemplateInfo
from shared.mps.audio_template import AudioTemplateInfoForUpdate as AudioTemplateInfoForUpdate
from shared.mps.base import MpsModel
from shared.mps.enhance import EnhanceConfig
from shared.mps.extra_input import ExtraInput
from shared.mps.head_tail import HeadTailParameter
from shared.mps.mosaic import MosaicSet
from shared.mps.naming import NUMBER_VARIABLES, PLAIN_VARIABLES, NamingError, NumberFormat, check_path
from shared.mps.not_yet import NOT_YET
from shared.mps.not_yet import NotYet as NotYet
from shared.mps.storage import MediaInputInfo, TaskOutputStorage
from shared.mps.subtitle import AddOnSubtitles, SubtitleTemplate
from shared.mps.video_template import AUTO_BFRAMES, AUTO_COMPRESS, AUTO_VCRF, Switch
from shared.mps.video_template import VideoTemplateInfo as VideoTemplateInfo
from shared.mps.video_template import VideoTemplateInfoForUpdate as VideoTemplateInfoForUpdate
from shared.mps.watermark import WatermarkSet

TRANSCODE_PATH = "{inputName}_transcode_{definition}.{format}"
SEGMENT_PATH = "{inputName}_transcode_{definition}_{number}.{format}"


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


MAX_ADDED_SOUNDS = 10
"""[OURS]"""

Container = Annotated[
    Literal["mp4", "flv", "hls", "mp3", "flac", "ogg", "m4a", "ts", "webm", "mkv", "mov", "wav", "mxf"],
    BeforeValidator(_lower),
]
AUDIO_CONTAINERS = frozenset({"mp3", "flac", "ogg", "m4a", "wav"})

_VIDEO_FITS: dict[str, frozenset[str]] = {
    "mp4": frozenset({"h264", "h265", "av1"}),
    "flv": frozenset({"h264", "h265"}),
    "hls": frozenset({"h264", "h265"}),
    "ts": frozenset({"h264", "h265"}),
    "webm": frozenset({"av1", "vp9", "vp8"}),
    "mkv": frozenset({"h264", "h265", "av1", "vp9", "vp8"}),
    "mov": frozenset({"h264", "h265"}),
    "mxf": frozenset({"mpeg2", "dnxhd"}),
}
_AUDIO_FITS: dict[str, frozenset[str]] = {
    "mp4": frozenset({"aac", "mp3", "mp2", "ac3", "eac3", "opus", "flac"}),
    "flv": frozenset({"aac", "mp3"}),
    "hls": frozenset({"aac", "mp3", "ac3", "eac3"}),
    "mp3": frozenset({"mp3"}),
    "flac": frozenset({"flac"}),
    "ogg": frozenset({"flac", "opus", "vorbis"}),
    "m4a": frozenset({"aac", "ac3"}),
    "ts": frozenset({"aac", "mp3", "mp2", "ac3", "eac3"}),
    "webm": frozenset({"opus", "vorbis"}),
    "mkv": frozenset({"aac", "mp3", "mp2", "ac3", "eac3", "flac", "opus", "vorbis", "pcm16", "pcm24"}),
    "mov": frozenset({"aac", "mp3", "ac3", "eac3", "pcm16", "pcm24"}),
    "wav": frozenset({"pcm16", "pcm24"}),
    "mxf": frozenset({"pcm16", "pcm24"}),
}
"""What may be encoded into which container: contract §7, and what common players take beyond it [OURS]."""
_SAMPLE_RATES = {("flv", "mp3"): (11025, 22050, 44100), ("mxf", "pcm16"): (48000,), ("mxf", "pcm24"): (48000,)}
"""Hz, where the container takes fewer than the codec."""
_AUTOMATIC = {"Vcrf": AUTO_VCRF, "Bframes": AUTO_BFRAMES, "Compress": AUTO_COMPRESS}
"""In an update: back to what the encoder does by itself."""
_NOTHING = object()
_BESIDE_THE_TEMPLATE = frozenset({"AddonAudioStream", "AddOnSubtitles"})
_OWN_TIMES = frozenset({"mxf"})
_TOP_SPEED = ("h264", "h265", "av1", "vp9")
_WITH_LANGUAGE = frozenset({"mp4", "mov", "m4a", "mkv", "webm", "ts", "hls"})
_WITH_NAMES = frozenset({"mp4", "mov", "mkv", "webm"})


def _known_type(value: str) -> str:
    if value == "TEHD-200":
        raise ValueError(f"TEHD-200 (audio) {NOT_YET}")
    return value


class TEHDConfig(MpsModel):
    """Top Speed Codec: video by quality, slower and smaller, at most `max_video_bitrate` kbit/s (0 for no limit)."""

    type: Annotated[Literal["", "TEHD-100", "TEHD-200"], AfterValidator(_known_type)] = ""
    max_video_bitrate: int = Field(default=0, ge=0, le=100_000)

    @property
    def on(self) -> bool:
        """Whether it asks for anything."""
        return bool(self.type)


class OverrideTranscodeParameter(MpsModel):
    """What replaces members of a template; `addon_audio_stream` and `add_on_subtitles` come to it."""

    container: Container | None = None
    remove_video: Switch | None = None
    remove_audio: Switch | None = None
    video_template: VideoTemplateInfoForUpdate | None = None
    audio_template: AudioTemplateInfoForUpdate | None = None
    tehd_config: TEHDConfig | None = Field(default=None, alias="TEHDConfig")
    subtitle_template: SubtitleTemplate | None = None
    addon_audio_stream: list[ExtraInput] | None = Field(default=None, max_length=MAX_ADDED_SOUNDS)
    std_ext_info: NotYet = None
    add_on_subtitles: AddOnSubtitles | None = None


class RawTranscodeParameter(MpsModel):
    """A whole template. A container for audio alone has no VideoTemplate."""

    container: Container
    remove_video: Switch = 0
    remove_audio: Switch = 0
    video_template: VideoTemplateInfo | None = None
    audio_template: AudioTemplateInfo | None = None
    tehd_config: TEHDConfig | None = Field(default=None, alias="TEHDConfig")
    std_ext_info: NotYet = None
    enhance_config: EnhanceConfig | None = None
    subtitle_template: SubtitleTemplate | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.remove_video and self.remove_audio:
            raise ValueError("RemoveVideo and RemoveAudio must not both be 1")
        if self.audio_only and self.remove_audio:
            raise ValueError(f"RemoveAudio must be 0: container {self.container} is for audio alone")
        self._check_video()
        self._check_audio()
        self._check_tehd()
        self._check_enhance()
        return self

    def _check_video(self) -> None:
        video = self.video_template
        if self.remove_video:
            return
        if self.container in AUDIO_CONTAINERS:
            if video is not None:
                raise ValueError(f"VideoTemplate must be absent: container {self.container} is for audio alone")
            return
        if video is None:
            raise ValueError("VideoTemplate is required unless RemoveVideo is 1")
        if video.codec != "copy" and video.codec not in _VIDEO_FITS[self.container]:
            raise ValueError(f"VideoTemplate.Codec {video.codec} does not go into {self.container}")
        if video.raw_pts and self.container in _OWN_TIMES:
            raise ValueError(f"VideoTemplate.RawPts must be 0: {self.container} has no timestamps of its own")

    def _check_tehd(self) -> None:
        if self.tehd_config is None or not self.tehd_config.on:
            return
        video = self.video_template
        if self.audio_only or video is None or video.codec not in _TOP_SPEED:
            raise ValueError(f"TEHDConfig.Type {self.tehd_config.type} needs VideoTemplate.Codec {_or(_TOP_SPEED)}")
        if video.mode in ("ABR", "CBR") or video.compress:
            raise ValueError("VideoTemplate.Mode must be VBR or VCRF and Compress 0 when TEHDConfig is on")

    def _check_enhance(self) -> None:
        wanted = self.enhance_config
        if wanted is None:
            return
        if wanted.picture:
            video = self.video_template
            if self.audio_only or video is None or video.codec == "copy":
                raise ValueError("EnhanceConfig.VideoEnhance needs a picture that is encoded")
            hdr = wanted.picture.hdr
            if hdr and hdr.on and (video.codec not in ("h264", "h265") or video.bit_depth != 10):
                raise ValueError(
                    "EnhanceConfig.VideoEnhance.Hdr needs VideoTemplate.Codec h264 or h265 and BitDepth 10"
                )
        if wanted.sound and (self.remove_audio or self.audio_template is None or self.audio_template.codec == "copy"):
            raise ValueError("EnhanceConfig.AudioEnhance needs a sound that is encoded")

    def _check_audio(self) -> None:
        audio = self.audio_template
        if self.remove_audio:
            return
        if audio is None:
            raise ValueError("AudioTemplate is required unless RemoveAudio is 1")
        if audio.codec != "copy" and audio.codec not in _AUDIO_FITS[self.container]:
            raise ValueError(f"AudioTemplate.Codec {audio.codec} does not go into {self.container}")
        rates = _SAMPLE_RATES.get((self.container, audio.codec))
        if rates and audio.sample_rate and audio.sample_rate not in rates:
            raise ValueError(
                f"AudioTemplate.SampleRate must be 0 or {_or(rates)} for {audio.codec} in {self.container}"
            )
        if audio.audio_language not in (None, "", "source") and self.container not in _WITH_LANGUAGE:
            raise ValueError(f"AudioTemplate.AudioLanguage: {self.container} has no place for it")
        if audio.audio_name not in (None, "", "source") and self.container not in _WITH_NAMES:
            raise ValueError(f"AudioTemplate.AudioName: {self.container} has no place for it")

    @property
    def audio_only(self) -> bool:
        """Whether the output has no picture."""
        return bool(self.remove_video) or self.container in AUDIO_CONTAINERS

    @property
    def fragmented(self) -> bool:
        """Whether the segments of a stream are fragmented MP4 with an init segment beside them."""
        return self.segment_type == 7

    @property
    def segment_type(self) -> int:
        """SegmentType of a stream; 0 for anything else."""
        return (self.container == "hls" and self.video_template and self.video_template.segment_type) or 0

    @property
    def byte_ranges(self) -> bool:
        """Whether all segments of a stream are in one file."""
        return self.segment_type in (2, 5)

    @property
    def extension(self) -> str:
        """`{format}` of the output; for a stream that of its playlist."""
        return "m3u8" if self.container == "hls" else self.container

    @property
    def segment_extension(self) -> str:
        """`{format}` of the segments of a stream."""
        return {7: "m4s", 5: "mp4"}.get(self.segment_type, "ts")

    def overridden(self, override: OverrideTranscodeParameter) -> RawTranscodeParameter:
        """The template with the given members replaced. Raises pydantic.ValidationError if they do not fit."""
        return self.changed(
            {
                member: value
                for member, value in override.to_wire_as_given().items()
                if member not in _BESIDE_THE_TEMPLATE
            }
        )

    def changed(self, changes: dict[str, Any]) -> RawTranscodeParameter:
        """The template with the given members, in wire names, in the place of its own; of VideoTemplate and
        AudioTemplate too only the given ones. Raises pydantic.ValidationError."""
        merged = self.to_wire()
        for name, value in changes.items():
            if value is not None:
                merged[name] = _replaced(merged.get(name), value)
        return RawTranscodeParameter.model_validate(merged)


def _replaced(old: Any, new: Any) -> Any:
    """Members of `new` go before those of `old`; one that is the sign for automatic takes the member away."""
    if not isinstance(new, dict):
        return new
    members = (old if isinstance(old, dict) else {}) | {name: value for name, value in new.items() if value is not None}
    return {name: value for name, value in members.items() if value != _AUTOMATIC.get(name, _NOTHING)}


def _or(values: Iterable[object]) -> str:
    *most, last = map(str, values)
    return f"{', '.join(most)} or {last}" if most else last


class TranscodeTaskInput(MpsModel):
    """Parameters of a transcode node. Offsets in seconds; negative ones count from the end, 0 is start or end."""

    definition: int = Field(ge=0)
    raw_parameter: RawTranscodeParameter | None = None
    override_parameter: OverrideTranscodeParameter | None = None
    watermark_set: WatermarkSet | None = None
    blind_watermark: NotYet = None
    mosaic_set: MosaicSet | None = None
    start_time_offset: float | None = Field(default=None, allow_inf_nan=False)
    end_time_offset: float | None = Field(default=None, allow_inf_nan=False)
    output_storage: TaskOutputStorage | None = None
    output_object_path: str | None = None
    segment_object_name: str | None = None
    object_number_format: NumberFormat | None = None
    head_tail_parameter: HeadTailParameter | None = None

    @field_validator("output_object_path")
    @classmethod
    def _usable_path(cls, value: str | None) -> str | None:
        return _checked("OutputObjectPath", value, PLAIN_VARIABLES)

    @field_validator("segment_object_name")
    @classmethod
    def _usable_segment(cls, value: str | None) -> str | None:
        checked = _checked("SegmentObjectName", value, PLAIN_VARIABLES | NUMBER_VARIABLES, relative=True)
        if checked and not any(f"{{{name}}}" in checked for name in NUMBER_VARIABLES):
            raise ValueError("must contain {number}")
        return checked

    @model_validator(mode="after")
    def _raw_or_template(self) -> Self:
        if self.definition == 0 and self.raw_parameter is None:
            raise ValueError("RawParameter is required when Definition is 0")
        start, end = self.start_time_offset or 0, self.end_time_offset or 0
        if end and (start < 0) == (end < 0) and end <= start:
            raise ValueError("EndTimeOffset must be greater than StartTimeOffset")
        return self

    @property
    def tracks(self) -> AddOnSubtitles:
        """Subtitles that are added as tracks."""
        return (self.override_parameter.add_on_subtitles if self.override_parameter else None) or []

    @property
    def added_sounds(self) -> list[MediaInputInfo]:
        """Files whose sound is added beside the source's."""
        return (self.override_parameter.addon_audio_stream if self.override_parameter else None) or []

    @property
    def numbers(self) -> NumberFormat:
        """How segments are numbered."""
        return self.object_number_format or NumberFormat()

    @property
    def segment_path(self) -> str:
        """How segments are named: as wished, or after the playlist, so that two streams of one input do not write over
        each other's segments [OURS]."""
        if self.segment_object_name:
            return self.segment_object_name
        path = self.output_object_path or TRANSCODE_PATH
        return path.rsplit("/", 1)[-1].removesuffix(".{format}") + "_{number}.{format}"

    def echo(self, storage: TaskOutputStorage, path: str, segment: str) -> dict[str, Any]:
        """`Input` of the result: defaults filled in, paths rendered (MPS_EVENTS §7.1)."""
        return self.to_wire() | {
            "WatermarkSet": [mark.echo() for mark in self.watermark_set or ()],
            "MosaicSet": [area.echo() for area in self.mosaic_set or ()],
            "StartTimeOffset": self.start_time_offset or 0,
            "EndTimeOffset": self.end_time_offset or 0,
            "OutputStorage": storage.to_wire(),
            "OutputObjectPath": path,
            "SegmentObjectName": segment,
            "ObjectNumberFormat": self.numbers.to_wire(),
        }


def _checked(field: str, value: str | None, variables: frozenset[str], *, relative: bool = False) -> str | None:
    if not value:
        return value
    try:
        return check_path(field, value, variables, relative=relative)
    except NamingError as error:
        raise ValueError(error.rule) from None
