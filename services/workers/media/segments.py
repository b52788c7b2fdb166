"""How a stream is cut into segments: HLS muxer arguments and the key frames that they need. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from shared.mps.media import MediaMetaData
from shared.mps.transcode import RawTranscodeParameter, VideoTemplateInfo

DEFAULT_SEGMENT_S = 6
_ONE_FILE = "segments"
INIT_NAME = "init.mp4"
"""Of the local file that fragmented segments need."""


@dataclass(frozen=True, slots=True)
class Segments:
    """`seconds` each; the first `first_count` last `first_s` each, if there are such. `extension` is that of the
    media files; with `byte_ranges` there is one for all."""

    seconds: float
    extension: str
    fragmented: bool = False
    byte_ranges: bool = False
    first_s: int = 0
    first_count: int = 0

    @property
    def uneven(self) -> bool:
        """Whether the first segments are shorter, which the muxer cannot do: what it writes is put together again."""
        return self.first_count > 0

    @property
    def final_at_once(self) -> bool:
        """Whether a segment is not touched any more as soon as the next one is begun."""
        return not self.uneven and not self.byte_ranges

    def file_name(self, index: int, stream: int | None = None) -> str:
        """Of the local file of a segment, counted from 0, unless there is one file for all; `stream` is the number of
        its stream if there are several."""
        return f"segment{'' if stream is None else f'_{stream}'}_{index:06d}.{self.extension}"

    def boundaries(self) -> Iterator[float]:
        """Where segments end, in seconds from the start; endless."""
        end = 0.0
        for _ in range(self.first_count):
            end += self.first_s
            yield end
        while True:
            end += self.seconds
            yield end

    def key_frames(self, *, raw_times: bool = False) -> str:
        """ffmpeg's expression for a key frame at each start of a segment."""
        if raw_times:
            # Time does not begin at 0.
            length = f"if(lte(n_forced,{self.first_count}),{self.first_s},{self.seconds:g})" if self.uneven else ""
            return f"expr:if(isnan(prev_forced_t),1,gte(t,prev_forced_t+{length or f'{self.seconds:g}'}))"
        if not self.uneven:
            return f"expr:gte(t,n_forced*{self.seconds:g})"
        first = self.first_s * self.first_count
        later = f"{first}+(n_forced-{self.first_count})*{self.seconds:g}"
        return f"expr:gte(t,if(lt(n_forced,{self.first_count}),n_forced*{self.first_s},{later}))"

    def arguments(self, *, independent: bool, several: bool = False) -> list[str]:
        """Of the muxer. `independent` says that each segment begins with a key frame. With `several` there is more than
        one stream of segments, and the names of local files have the number of theirs behind a `_`."""
        stream = "_%v" if several else ""
        length = self.first_s if self.uneven else self.seconds
        found = ["-f", "hls", "-hls_time", f"{length:g}", "-hls_playlist_type", "vod", "-hls_list_size", "0"]
        found += ["-hls_segment_type", "fmp4" if self.fragmented else "mpegts"]
        flags = [*(["independent_segments"] if independent else []), *(["single_file"] if self.byte_ranges else [])]
        if flags:
            found += ["-hls_flags", "+".join(flags)]
        if self.byte_ranges:
            return [*found, "-hls_segment_filename", f"{_ONE_FILE}{stream}.{self.extension}"]
        if self.fragmented:
            found += ["-hls_fmp4_init_filename", f"init{stream}.mp4" if several else INIT_NAME]
        return [*found, "-hls_segment_filename", f"segment{stream}_%06d.{self.extension}"]  # as `file_name`


def segments_of(template: RawTranscodeParameter, source: MediaMetaData) -> Segments | None:
    """The segments that a template asks for; None if it is not for a stream."""
    if template.container != "hls":
        return None
    return segments_for(
        template.video_template,
        source,
        extension=template.segment_extension,
        fragmented=template.segment_type in (5, 7),
        byte_ranges=template.byte_ranges,
    )


def segments_for(
    video: VideoTemplateInfo | None, source: MediaMetaData, *, extension: str, fragmented: bool, byte_ranges: bool
) -> Segments:
    """The segments that a video asks for, in files as they are told."""
    first = video.segment_specific_info if video else None
    uneven = first is not None and first.on
    return Segments(
        seconds=(video and video.hls_time) or _automatic(video, source),
        extension=extension,
        fragmented=fragmented,
        byte_ranges=byte_ranges,
        first_s=first.fragment_time if first and uneven else 0,
        first_count=first.fragment_end_num if first and uneven else 0,
    )


def _automatic(video: VideoTemplateInfo | None, source: MediaMetaData) -> float:
    """About six seconds, in whole groups of pictures."""
    if video is None or not video.gop:
        return DEFAULT_SEGMENT_S
    fps = video.rate or source.frame_rate
    if video.gop_unit != "second" and not fps:
        return DEFAULT_SEGMENT_S
    group = video.gop if video.gop_unit == "second" else video.gop / fps
    return group * max(round(DEFAULT_SEGMENT_S / group), 1)
