"""Parameters of the transcode node (MPS_API §7): ranges as in the contract, combinations that ffmpeg can make.

Members that Reelway does not do yet are refused by name when they ask for something (`NotYet`); empty ones are taken.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from shared.mps.base import MpsModel
from shared.mps.naming import NUMBER_VARIABLES, PLAIN_VARIABLES, NamingError, NumberFormat, check_path
from shared.mps.storage import TaskOutputStorage

TRANSCODE_PATH = "{inputName}_transcode_{definition}.{format}"
SEGMENT_PATH = "{inputName}_transcode_{definition}_{number}.{format}"

Container = Literal["mp4", "flv", "hls", "mp3", "flac", "ogg", "m4a", "ts", "webm", "mkv", "mov", "wav"]
AUDIO_CONTAINERS = frozenset({"mp3", "flac", "ogg", "m4a", "wav"})

_VIDEO_FITS: dict[str, frozenset[str]] = {
    "mp4": frozenset({"h264", "h265", "av1"}),
    "flv": frozenset({"h264"}),
    "hls": frozenset({"h264", "h265"}),
    "ts": frozenset({"h264", "h265"}),
    "webm": frozenset({"av1", "vp9"}),
    "mkv": frozenset({"h264", "h265", "av1", "vp9"}),
    "mov": frozenset({"h264", "h265"}),
}
_AUDIO_FITS: dict[str, frozenset[str]] = {
    "mp4": frozenset({"aac", "mp3", "mp2"}),
    "flv": frozenset({"aac", "mp3"}),
    "hls": frozenset({"aac", "mp3", "eac3"}),
    "mp3": frozenset({"mp3"}),
    "flac": frozenset({"flac"}),
    "ogg": frozenset({"flac", "opus", "vorbis"}),
    "m4a": frozenset({"aac", "ac3"}),
    "ts": frozenset({"aac", "mp3", "mp2", "ac3"}),
    "webm": frozenset({"opus", "vorbis"}),
    "mkv": frozenset({"aac", "mp3", "mp2", "ac3", "eac3", "flac", "opus", "vorbis"}),
    "mov": frozenset({"aac", "mp3", "pcm16"}),
    "wav": frozenset({"pcm16", "pcm24"}),
}
"""What may be encoded into which container (contract §7; opus and vorbis are ours, WebM has no other audio)."""

_OTHER_SPELLINGS = {
    "libx264": "h264",
    "libx265": "h265",
    "hevc": "h265",
    "libfdk_aac": "aac",
    "libmp3lame": "mp3",
    "libopus": "opus",
    "libvorbis": "vorbis",
}
_KNOWN_NOT_YET = frozenset({"h266", "vp8", "mpeg2", "dnxhd", "mv-hevc", "mxf", "smarttailor"})
NOT_YET = "is not supported yet"
_OFF = frozenset({"", "0", "0.0", "false", "off"})


def _asks_for_nothing(value: Any) -> bool:
    match value:
        case None | 0:
            return True
        case str():
            # GET and v1 calls send everything as text; the SDK writes Python's False.
            return value.strip().lower() in _OFF
        case list():
            return all(_asks_for_nothing(item) for item in value)
        case dict():
            return all(_asks_for_nothing(item) for item in value.values())
        case _:
            return False


def _refuse_unless_off(value: Any) -> Any:
    if not _asks_for_nothing(value):
        raise ValueError(NOT_YET)
    return value


NotYet = Annotated[Any, AfterValidator(_refuse_unless_off)]
"""A member of the contract that may only be absent, empty, zero or off."""


def _plain_spelling(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    plain = _OTHER_SPELLINGS.get(value.lower(), value.lower())
    if plain in _KNOWN_NOT_YET:
        raise ValueError(f"{value} {NOT_YET}")
    return plain


def _or_zero(low: int, high: int) -> AfterValidator:
    def check(value: int) -> int:
        if value != 0 and not low <= value <= high:
            raise ValueError(f"must be 0 or {low} to {high}")
        return value

    return AfterValidator(check)


def _usual_rate(value: int) -> int:
    if value not in SAMPLE_RATES:
        raise ValueError(f"must be one of {', '.join(map(str, SAMPLE_RATES))}")
    return value


SAMPLE_RATES = (0, 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000, 176400, 192000)
"""Hz; 0 as the source. What the encoders know; others fail only when a file is encoded."""
SampleRate = Annotated[int, AfterValidator(_usual_rate)]
Switch = Annotated[int, Field(ge=0, le=1)]
PictureSize = Annotated[int, _or_zero(128, 4096)]
VideoBitrate = Annotated[int, _or_zero(128, 100_000)]
"""kbit/s"""
AudioBitrate = Annotated[int, _or_zero(26, 640)]
"""kbit/s"""
VideoCodec = Annotated[Literal["h264", "h265", "av1", "vp9", "copy"], BeforeValidator(_plain_spelling)]
AudioCodec = Annotated[
    Literal["aac", "mp3", "mp2", "ac3", "eac3", "flac", "opus", "vorbis", "pcm16", "pcm24", "copy"],
    BeforeValidator(_plain_spelling),
]
FillType = Annotated[Literal["stretch", "black", "white", "gauss"], BeforeValidator(_plain_spelling)]
SegmentType = Literal[0, 7]


def _number(value: Any) -> Any:
    # GET requests send numbers as text, which a Literal does not take.
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def _known_segment_type(value: Any) -> Any:
    if _number(value) in (2, 5):
        raise ValueError(f"{value} (byte ranges) {NOT_YET}")
    return _number(value)


class VideoTemplateInfoForUpdate(MpsModel):
    """Members of a video template, each optional: what is given replaces the template's. Bitrate in kbit/s."""

    codec: VideoCodec | None = None
    fps: int | None = Field(default=None, ge=0)
    bitrate: VideoBitrate | None = None
    resolution_adaptive: Literal["open", "close"] | None = None
    width: PictureSize | None = None
    height: PictureSize | None = None
    gop: int | None = Field(default=None, ge=0, le=100_000)
    gop_unit: Literal["frame", "second"] | None = None
    fill_type: FillType | None = None
    vcrf: int | None = Field(default=None, ge=0, le=51)
    hls_time: int | None = Field(default=None, ge=1, le=10)
    segment_type: Annotated[SegmentType, BeforeValidator(_known_segment_type)] | None = None
    fps_denominator: int | None = Field(default=None, ge=1)
    stereo3d_type: NotYet = Field(default=None, alias="Stereo3dType")
    video_profile: Literal["", "baseline", "main", "high", "default"] | None = None
    video_level: str | None = Field(default=None, pattern=r"^([1-8](\.[0-9])?)?$")
    bframes: int | None = Field(default=None, ge=0, le=16)
    mode: Literal["", "VBR", "ABR", "CBR", "VCRF", "CRF"] | None = None
    sar: Literal["", "1:1", "default"] | None = None
    no_scenecut: Switch | None = None
    bit_depth: Annotated[Literal[0, 8, 10], BeforeValidator(_number)] | None = None
    raw_pts: NotYet = None
    compress: NotYet = None
    segment_specific_info: NotYet = None
    scenario_based: NotYet = None
    scene_type: NotYet = None
    compress_type: NotYet = None
    content_adapt_stream: NotYet = None

    @property
    def rate(self) -> float:
        """Frames per second; 0 for the source's."""
        return (self.fps or 0) / (self.fps_denominator or 1)


class VideoTemplateInfo(VideoTemplateInfoForUpdate):
    """How video is encoded. Bitrate 0 means by quality [OURS: the contract says as the source]."""

    codec: VideoCodec
    fps: int = Field(ge=0)
    bitrate: VideoBitrate

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if not 0 <= self.rate <= 120:
            raise ValueError("Fps / FpsDenominator must be 0 to 120")
        width, height = self.width or 0, self.height or 0
        if self.resolution_adaptive != "close" and width and height and width < height:
            raise ValueError("Width must not be less than Height when ResolutionAdaptive is open")
        if self.codec == "copy" and (width or height or self.fps or self.bitrate):
            raise ValueError("Fps, Bitrate, Width and Height must be 0 when Codec is copy")
        if self.codec != "h264" and self.video_profile in ("baseline", "high"):
            raise ValueError("VideoProfile baseline and high are only for h264")
        if self.bit_depth == 10 and self.video_profile not in (None, "", "default"):
            raise ValueError("VideoProfile must be default when BitDepth is 10")
        return self


class AudioTemplateInfoForUpdate(MpsModel):
    """Members of an audio template, each optional. Bitrate in kbit/s, SampleRate in Hz."""

    codec: AudioCodec | None = None
    bitrate: AudioBitrate | None = None
    sample_rate: SampleRate | None = None
    audio_channel: Annotated[Literal[0, 1, 2, 6], BeforeValidator(_number)] | None = None
    track_channel_info: NotYet = None
    audio_language: NotYet = None
    audio_name: NotYet = None
    default_track: NotYet = None


class AudioTemplateInfo(AudioTemplateInfoForUpdate):
    """How audio is encoded. Bitrate 0 means as the source."""

    codec: AudioCodec
    bitrate: AudioBitrate
    sample_rate: SampleRate

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.codec == "mp3" and self.audio_channel == 6:
            raise ValueError("AudioChannel 6 is not for mp3")
        if self.codec not in ("ac3", "eac3", "copy") and self.bitrate > (320 if self.codec == "mp3" else 256):
            raise ValueError(f"Bitrate must be 0 or 26 to {320 if self.codec == 'mp3' else 256} for {self.codec}")
        return self


class OverrideTranscodeParameter(MpsModel):
    """What replaces members of a template."""

    container: Annotated[Container, BeforeValidator(_plain_spelling)] | None = None
    remove_video: Switch | None = None
    remove_audio: Switch | None = None
    video_template: VideoTemplateInfoForUpdate | None = None
    audio_template: AudioTemplateInfoForUpdate | None = None
    tehd_config: NotYet = Field(default=None, alias="TEHDConfig")
    subtitle_template: NotYet = None
    addon_audio_stream: NotYet = None
    std_ext_info: NotYet = None
    add_on_subtitles: NotYet = None


class RawTranscodeParameter(MpsModel):
    """A whole template. A container for audio alone has no VideoTemplate."""

    container: Annotated[Container, BeforeValidator(_plain_spelling)]
    remove_video: Switch = 0
    remove_audio: Switch = 0
    video_template: VideoTemplateInfo | None = None
    audio_template: AudioTemplateInfo | None = None
    tehd_config: NotYet = Field(default=None, alias="TEHDConfig")
    std_ext_info: NotYet = None
    enhance_config: NotYet = None
    subtitle_template: NotYet = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.remove_video and self.remove_audio:
            raise ValueError("RemoveVideo and RemoveAudio must not both be 1")
        if self.audio_only and self.remove_audio:
            raise ValueError(f"RemoveAudio must be 0: container {self.container} is for audio alone")
        self._check_video()
        self._check_audio()
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

    def _check_audio(self) -> None:
        audio = self.audio_template
        if self.remove_audio:
            return
        if audio is None:
            raise ValueError("AudioTemplate is required unless RemoveAudio is 1")
        if audio.codec != "copy" and audio.codec not in _AUDIO_FITS[self.container]:
            raise ValueError(f"AudioTemplate.Codec {audio.codec} does not go into {self.container}")

    @property
    def audio_only(self) -> bool:
        """Whether the output has no picture."""
        return bool(self.remove_video) or self.container in AUDIO_CONTAINERS

    @property
    def fragmented(self) -> bool:
        """Whether the segments of a stream are fragmented MP4, which has an init segment beside them."""
        return self.container == "hls" and self.video_template is not None and self.video_template.segment_type == 7

    @property
    def extension(self) -> str:
        """`{format}` of the output; for a stream that of its playlist."""
        return "m3u8" if self.container == "hls" else self.container

    @property
    def segment_extension(self) -> str:
        """`{format}` of the segments of a stream."""
        return "m4s" if self.fragmented else "ts"

    def overridden(self, override: OverrideTranscodeParameter) -> RawTranscodeParameter:
        """The template with the given members replaced. Raises pydantic.ValidationError if they do not fit."""
        merged = self.to_wire()
        for name, value in override.to_wire_as_given().items():
            if isinstance(value, dict) and isinstance(merged.get(name), dict):
                merged[name] = merged[name] | value
            elif value is not None:
                merged[name] = value
        return RawTranscodeParameter.model_validate(merged)


class TranscodeTaskInput(MpsModel):
    """Parameters of a transcode node. Offsets in seconds; negative ones count from the end, 0 is start or end."""

    definition: int = Field(ge=0)
    raw_parameter: RawTranscodeParameter | None = None
    override_parameter: OverrideTranscodeParameter | None = None
    watermark_set: NotYet = None
    blind_watermark: NotYet = None
    mosaic_set: NotYet = None
    start_time_offset: float | None = Field(default=None, allow_inf_nan=False)
    end_time_offset: float | None = Field(default=None, allow_inf_nan=False)
    output_storage: TaskOutputStorage | None = None
    output_object_path: str | None = None
    segment_object_name: str | None = None
    object_number_format: NumberFormat | None = None
    head_tail_parameter: NotYet = None

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
            "WatermarkSet": [],
            "MosaicSet": [],
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
