"""What the contract says about media files: metadata and the outputs of media nodes (MPS_EVENTS §4).

Bit rates are in bit/s, sizes in bytes, times and durations in seconds.
"""

from __future__ import annotations

from pydantic import Field

from shared.mps.base import MpsModel
from shared.mps.facts import MediaFacts
from shared.mps.storage import TaskOutputStorage


class MediaVideoStreamItem(MpsModel):
    """One video stream. Width and Height are as stored, before rotation."""

    bitrate: int = 0
    height: int = 0
    width: int = 0
    codec: str = ""
    fps: int = 0
    color_primaries: str = ""
    color_space: str = ""
    color_transfer: str = ""
    hdr_type: str = ""
    """`hdr10`, `hlg` or empty [OURS: the contract shows only the empty one]."""
    codecs: str = ""
    """RFC 6381, best effort; empty if unknown."""
    fps_numerator: int = 0
    fps_denominator: int = 1


class MediaAudioStreamItem(MpsModel):
    """One audio stream. Loudness (LUFS) is absent unless somebody measured it."""

    bitrate: int = 0
    sampling_rate: int = 0
    codec: str = ""
    channel: int = 0
    codecs: str = ""
    loudness: float | None = None


class MediaMetaData(MpsModel):
    """A media file as the probe sees it. `Container` is the demuxer list, `Rotate` is clockwise degrees, 0 to 359."""

    size: int = 0
    container: str = ""
    bitrate: int = 0
    height: int = 0
    width: int = 0
    duration: float = 0.0
    rotate: int = 0
    video_stream_set: list[MediaVideoStreamItem] = Field(default_factory=list)
    audio_stream_set: list[MediaAudioStreamItem] = Field(default_factory=list)
    video_duration: float = 0.0
    audio_duration: float = 0.0
    facts: MediaFacts | None = None
    """Ours, for encoding; `shared.mps.render` keeps it off the wire."""

    @property
    def video(self) -> MediaVideoStreamItem | None:
        """The first video stream, cover pictures not counted."""
        return self.video_stream_set[0] if self.video_stream_set else None

    @property
    def audio(self) -> MediaAudioStreamItem | None:
        """The first audio stream."""
        return self.audio_stream_set[0] if self.audio_stream_set else None

    @property
    def shown_portrait(self) -> bool:
        """Whether the picture is higher than wide as it is seen."""
        width, height = self.shown_size
        return height > width

    @property
    def shown_size(self) -> tuple[int, int]:
        """Width and height of the picture as it is seen: square pixels, turned upright; 0 x 0 if there is none."""
        width = round(self.width * (self.facts.sar if self.facts else 1.0))
        return (self.height, width) if self.rotate % 180 == 90 else (width, self.height)

    @property
    def frame_rate(self) -> float:
        """Frames per second of the first video stream; 0 if there is none or it is unknown."""
        video = self.video
        return video.fps_numerator / video.fps_denominator if video and video.fps_denominator else 0.0


class MediaTranscodeItem(MpsModel):
    """`Output` of a transcode. `Path` has a leading slash; for HLS it is the playlist, `Size` counts the segments too
    and `Md5` is the playlist's."""

    output_storage: TaskOutputStorage
    path: str
    definition: int
    bitrate: int
    height: int
    width: int
    size: int
    duration: float
    container: str
    md5: str
    audio_stream_set: list[MediaAudioStreamItem]
    video_stream_set: list[MediaVideoStreamItem]
    call_back_ext_info: str = ""


class MediaSnapshotByTimePicInfoItem(MpsModel):
    """One picture and the moment that was asked for."""

    time_offset: float
    path: str
    water_mark_definition: list[int] = Field(default_factory=list)


class MediaSnapshotByTimeOffsetItem(MpsModel):
    """`Output` of snapshots at given times."""

    definition: int
    pic_info_set: list[MediaSnapshotByTimePicInfoItem]
    storage: TaskOutputStorage


class MediaSampleSnapshotItem(MpsModel):
    """`Output` of sampled snapshots."""

    definition: int
    sample_type: str
    interval: int
    storage: TaskOutputStorage
    image_path_set: list[str]
    water_mark_definition: list[int] = Field(default_factory=list)


class MediaImageSpriteItem(MpsModel):
    """`Output` of an image sprite. Width and Height are of one tile, `TotalCount` tiles stand on a sheet (on the first,
    if there are several)."""

    definition: int
    height: int
    width: int
    total_count: int
    image_path_set: list[str]
    web_vtt_path: str
    storage: TaskOutputStorage


class MediaAnimatedGraphicsItem(MpsModel):
    """`Output` of animated graphics. Offsets are those of the part that is in it."""

    storage: TaskOutputStorage
    path: str
    definition: int
    container: str
    height: int
    width: int
    bitrate: int
    size: int
    md5: str
    start_time_offset: float
    end_time_offset: float


class AdaptiveDynamicStreamingInfoItem(MpsModel):
    """`Output` of adaptive streaming: the manifest to play, `Package` HLS or MPEG-DASH."""

    definition: int
    package: str
    path: str
    storage: TaskOutputStorage
