"""What a ladder needs: its pictures have one decode. Pure."""

from __future__ import annotations

from shared.estimates.demand import MEGA, Demand, Units, megapixels
from shared.estimates.frame import frame_size
from shared.estimates.transcode import encoded, frames_of, in_packets, picture_size, pictures, sound
from shared.mps.adaptive import AdaptiveDynamicStreamingTaskInput
from shared.mps.adaptive_template import AdaptiveTemplate
from shared.mps.media import MediaMetaData
from shared.mps.presets import OwnTemplates, adaptive_ladder
from shared.mps.transcode import AudioTemplateInfo, VideoTemplateInfo

_HIGHER = 1.05
"""So much more than the source is not yet higher."""


def adaptive_demand(params: AdaptiveDynamicStreamingTaskInput, source: MediaMetaData, own: OwnTemplates) -> Demand:
    """Raises UnknownTemplate."""
    ladder = adaptive_ladder(params, own)
    seconds = source.duration
    made = _made(ladder, source)
    videos = [(video, None) for video, _ in made if video is not None]
    units = pictures(videos, source, seconds, ladder=True) if videos else Units()
    if params.watermark_set:
        sizes = [(picture_size(video, source), frames_of(video, source, seconds)) for video, _ in videos]
        units.add("drawn", sum(megapixels(*size, frames) for size, frames in sizes) * len(params.watermark_set))
    known, guessed = 0.0, Units()
    for video, audio in made:
        size = 0.0
        if video is not None:
            _, size, guess = encoded(video, None, source, seconds)
            guessed.add_all(guess)
        if audio is not None and source.audio is not None:
            _, kbps = sound(audio, source.audio)
            size += kbps * 125 * seconds
            copied = audio.codec == "copy"
            units.add("copy" if copied else f"sound {audio.codec}", kbps * 125 * seconds / MEGA if copied else seconds)
        if not ladder.packaging.fragmented:
            size = in_packets(size, frames_of(video, source, seconds) if video else 0.0, seconds)
        known += size
        units.add("read back", 1)
    return Demand(units, known, guessed)


def _made(
    ladder: AdaptiveTemplate, source: MediaMetaData
) -> list[tuple[VideoTemplateInfo | None, AudioTemplateInfo | None]]:
    """Pictures and sounds that are encoded, after `services.workers.media.ladder`."""
    streams = [(info.picture if source.video else None, info.sound) for info in ladder.stream_infos]
    if ladder.disable_higher_video_resolution:
        fitting = [stream for stream in streams if stream[0] is None or not _higher(stream[0], source)]
        if any(video is not None for video, _ in fitting):
            streams = fitting
        else:
            streams = [*fitting, *[stream for stream in streams if stream[0] is not None][:1]]
    if not ladder.packaging.audio_apart:
        return streams
    alone: list[tuple[VideoTemplateInfo | None, AudioTemplateInfo | None]] = [
        (None, audio) for audio, _ in ladder.sounds_apart
    ]
    return [*((video, None) for video, _ in streams if video is not None), *alone]


def _higher(video: VideoTemplateInfo, source: MediaMetaData) -> bool:
    close = video.resolution_adaptive == "close"
    size = frame_size(video.width or 0, video.height or 0, source, close=close)
    return min(size) > min(source.shown_size) * _HIGHER
