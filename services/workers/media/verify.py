"""Whether an output is what was asked for. Pure."""

from __future__ import annotations

from shared.model.failure import SourceFileError
from shared.mps.media import MediaMetaData

_ESTIMATED = frozenset({"mp3", "aac", "h264", "hevc", "mpeg", "mpegvideo", "gif", "image2", "flac"})
"""Demuxers whose duration is a guess from the bit rate, or none."""
_NO_STREAM_DURATION = frozenset({"matroska", "webm", "flv"})
"""Demuxers that know the duration of the whole only: what we use of it may rightly be shorter."""
_CLAIM_SLACK = 1.3
"""Bit rates in headers may be nominal."""
TOLERANCE_S = 0.5
TOLERANCE_SHARE = 0.02


def check_duration(source: MediaMetaData, output_s: float, expected_s: float, complaints: str) -> None:
    """Raises SourceFileError if the output ends early: ffmpeg reads a truncated file with exit code 0 (FACTS §5).

    `complaints` is what ffmpeg wrote meanwhile; it settles doubt where a container has one duration for all. An
    output that lasts longer than the source's header says loses nothing and is taken.
    """
    names = source.container.split(",")
    if expected_s <= 0 or any(name in _ESTIMATED or name.endswith("_pipe") for name in names):
        return
    if not complaints.strip() and any(name in _NO_STREAM_DURATION for name in names):
        return
    frame_s = 1 / source.frame_rate if source.frame_rate else 0.0
    allowed = max(TOLERANCE_S, expected_s * TOLERANCE_SHARE, 2 * frame_s)
    if output_s < expected_s - allowed:
        raise SourceFileError(
            f"the source is truncated or damaged: {output_s:.1f} s of {expected_s:.1f} s could be decoded"
        )


def claims_more_than_there_is(source: MediaMetaData) -> bool:
    """Whether an MP4's tables describe clearly more data than the file has: it was cut off behind its header."""
    if "mp4" not in source.container.split(","):
        return False
    video = source.video.bitrate * source.video_duration if source.video else 0.0
    audio = source.audio.bitrate * source.audio_duration if source.audio else 0.0
    return (video + audio) / 8 > source.size * _CLAIM_SLACK
