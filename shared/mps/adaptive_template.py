"""Ladders of adaptive streaming (MPS_API §10): which renditions, and how they are packed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from shared.mps.base import MpsModel
from shared.mps.not_yet import NOT_YET, NotYet
from shared.mps.transcode import AudioTemplateInfo, VideoTemplateInfo
from shared.mps.video_template import Switch

HLS, DASH = "HLS", "MPEG-DASH"
MAX_STREAMS = 10
TEXT_EXTENSION = "vtt"
"""`{format}` of subtitles."""

_DASH_TYPES = ("mp4-byterange", "mp4-mp4-byterange")
_VIDEO_FITS = {False: ("h264", "h265"), True: ("h264", "h265", "av1")}
_AUDIO_FITS = {False: ("aac", "mp3", "ac3", "eac3"), True: ("aac", "mp3", "ac3", "eac3", "opus")}
"""Codecs in transport streams (False) and in fragmented MP4 (True). FLAC is in neither: its encoder ends with a packet
that makes an empty segment."""


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


def _no_packed_audio(value: str) -> str:
    if "packed" in value:
        kind, end = value.split("-")[0], "byterange" if value.endswith("byterange") else "segment"
        raise ValueError(f"{value} {NOT_YET}; {kind}-{kind}-{end} has the audio apart as well")
    return value


LadderFormat = Annotated[Literal["HLS", "MPEG-DASH"], BeforeValidator(_upper)]
SegmentKind = Annotated[
    Literal[
        "",
        "ts-segment",
        "ts-byterange",
        "mp4-segment",
        "mp4-byterange",
        "ts-ts-segment",
        "ts-ts-byterange",
        "mp4-mp4-segment",
        "mp4-mp4-byterange",
        "ts-packed-audio",
        "mp4-packed-audio",
        "ts-packed-audio-byterange",
        "mp4-packed-audio-byterange",
    ],
    AfterValidator(_no_packed_audio),
]


@dataclass(frozen=True, slots=True)
class Packaging:
    """How renditions lie in files. `audio_apart` says that pictures have no sound in them and sounds are renditions of
    their own; `byte_ranges` that each rendition is one file."""

    dash: bool
    fragmented: bool
    byte_ranges: bool
    audio_apart: bool

    @property
    def manifest_extension(self) -> str:
        """`{format}` of the manifest."""
        return "mpd" if self.dash else "m3u8"

    @property
    def sub_stream_extension(self) -> str:
        """`{format}` of a sub-stream: its playlist, or for DASH the one file that it is."""
        return "mp4" if self.dash else "m3u8"

    @property
    def segment_extension(self) -> str:
        """`{format}` of the segments of HLS."""
        if not self.fragmented:
            return "ts"
        return "mp4" if self.byte_ranges else "m4s"


class AdaptiveStreamTemplate(MpsModel):
    """One rendition. What is removed need not be described."""

    audio: AudioTemplateInfo | None = None
    video: VideoTemplateInfo | None = None
    remove_audio: Switch = 0
    remove_video: Switch = 0
    audio_list: NotYet = None

    @model_validator(mode="before")
    @classmethod
    def _copied_picture_without_numbers(cls, data: Any) -> Any:
        # A template for audio alone carries {"Codec": "copy"}, in which the contract does not ask for the rest.
        video = data.get("Video") if isinstance(data, dict) else None
        if isinstance(video, dict) and video.get("Codec") == "copy":
            given = {name: value for name, value in video.items() if value is not None}
            return data | {"Video": {"Fps": 0, "Bitrate": 0} | given}
        return data

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.remove_audio and self.remove_video:
            raise ValueError("RemoveVideo and RemoveAudio must not both be 1")
        if not self.remove_video and self.video is None:
            raise ValueError("Video is required unless RemoveVideo is 1")
        if not self.remove_audio and self.audio is None:
            raise ValueError("Audio is required unless RemoveAudio is 1")
        video = self.picture
        if video is None:
            return self
        if video.codec == "copy":
            raise ValueError("Video.Codec must not be copy: copied pictures have no common key frames")
        if video.segment_type:
            raise ValueError("Video.SegmentType must be 0: the SegmentType of the ladder counts")
        return self

    @property
    def picture(self) -> VideoTemplateInfo | None:
        """The video, unless it is removed."""
        return None if self.remove_video else self.video

    @property
    def sound(self) -> AudioTemplateInfo | None:
        """The audio, unless it is removed."""
        return None if self.remove_audio else self.audio


class AdaptiveTemplate(MpsModel):
    """A whole ladder: what CreateAdaptiveDynamicStreamingTemplate takes, without name and comment."""

    format: LadderFormat
    stream_infos: list[AdaptiveStreamTemplate] = Field(min_length=1, max_length=MAX_STREAMS)
    disable_higher_video_bitrate: Switch = 0
    disable_higher_video_resolution: Switch = 0
    pure_audio: Switch = 0
    segment_type: SegmentKind = ""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.format == DASH and self.segment_type not in ("", *_DASH_TYPES):
            raise ValueError(f"SegmentType must be {_DASH_TYPES[0]} or {_DASH_TYPES[1]} when Format is {DASH}")
        for index, info in enumerate(self.stream_infos):
            self._check_stream(f"StreamInfos[{index}]", info)
        self._check_common()
        return self

    def _check_stream(self, at: str, info: AdaptiveStreamTemplate) -> None:
        video, audio, fragmented = info.picture, info.sound, self.packaging.fragmented
        where = self.segment_type or ("DASH" if self.format == DASH else "ts-segment")
        if self.pure_audio and video is not None:
            raise ValueError(f"{at}.RemoveVideo must be 1 when PureAudio is 1")
        if video and video.codec not in _VIDEO_FITS[fragmented]:
            raise ValueError(f"{at}.Video.Codec {video.codec} does not go into {where}")
        if audio and audio.codec != "copy" and audio.codec not in _AUDIO_FITS[fragmented]:
            raise ValueError(f"{at}.Audio.Codec {audio.codec} does not go into {where}")
        specific = video.segment_specific_info if video else None
        if self.packaging.dash and specific and specific.on:
            raise ValueError(f"{at}.Video.SegmentSpecificInfo is for HLS, not for DASH")

    def _check_common(self) -> None:
        """What would keep segments from beginning together."""
        videos = [(index, info.picture) for index, info in enumerate(self.stream_infos) if info.picture]
        for index, video in videos:
            first = videos[0][1]
            for name, value, wanted in (
                ("HlsTime", video.hls_time, first.hls_time),
                ("RawPts", video.raw_pts or 0, first.raw_pts or 0),
                ("SegmentSpecificInfo", video.segment_specific_info, first.segment_specific_info),
            ):
                if value != wanted:
                    raise ValueError(f"StreamInfos[{index}].Video.{name} must be that of StreamInfos[{videos[0][0]}]")
        if sum(bool(audio.default_track) for audio, _ in self.sounds_apart) > 1:
            raise ValueError("StreamInfos: only one Audio may have DefaultTrack")

    @property
    def packaging(self) -> Packaging:
        """How the renditions lie in files. DASH has the audio apart under both of its names: two streams in one file
        are no adaptation set."""
        kind = self.segment_type
        dash = self.format == DASH
        return Packaging(
            dash=dash,
            fragmented=dash or kind.startswith("mp4"),
            byte_ranges=dash or kind.endswith("byterange"),
            audio_apart=dash or kind.startswith(("ts-ts-", "mp4-mp4-")),
        )

    @property
    def sounds_apart(self) -> list[tuple[AudioTemplateInfo, int]]:
        """The audio renditions of a package with the audio apart, each once, with their numbers as sub-streams: that
        of the stream which is this sound alone, else one behind all streams [OURS]."""
        if not self.packaging.audio_apart:
            return []
        found: list[tuple[AudioTemplateInfo, int]] = []
        alone = [(info.sound, index) for index, info in enumerate(self.stream_infos) if info.picture is None]
        following = len(self.stream_infos)
        for info in self.stream_infos:
            sound = info.sound
            if sound is None or any(sound == known for known, _ in found):
                continue
            number = next((index for known, index in alone if known == sound), None)
            if number is None:
                number, following = following, following + 1
            found.append((sound, number))
        return found

    @property
    def next_number(self) -> int:
        """That of the first sub-stream which no stream and no sound has."""
        return max([len(self.stream_infos) - 1, *(number for _, number in self.sounds_apart)]) + 1

    @property
    def sub_stream_numbers(self) -> list[int]:
        """The numbers that sub-streams can have: a stream's is its place in StreamInfos, whichever are left out."""
        found = {number for _, number in self.sounds_apart}
        for index, info in enumerate(self.stream_infos):
            if info.picture is not None or not self.packaging.audio_apart:
                found.add(index)
        return sorted(found)
