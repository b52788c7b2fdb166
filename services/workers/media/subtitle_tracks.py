"""Tracks of subtitles as arguments. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.workers.media.effects import SubtitleTrack
from shared.mps.presets.transcode import SUBTITLE_CODECS


@dataclass(frozen=True, slots=True)
class TrackArguments:
    """Arguments that open the files, and those of the output."""

    inputs: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()


def subtitle_tracks(tracks: Sequence[SubtitleTrack], container: str, first_input: int) -> TrackArguments:
    """The tracks in their order; their files are the inputs from `first_input` on."""
    inputs: list[str] = []
    arguments: list[str] = []
    for index, track in enumerate(tracks):
        inputs += ["-f", "srt", "-i", f"file:{track.file}"]
        arguments += ["-map", f"{first_input + index}:s:0", f"-c:s:{index}", SUBTITLE_CODECS[container]]
        arguments += [f"-disposition:s:{index}", "default" if track.default else "0"]
        if track.language:
            arguments += [f"-metadata:s:s:{index}", f"language={track.language}"]
        if track.title:
            # The name of a track: MP4 has no title, but players show this.
            member = "handler_name" if container in ("mp4", "mov") else "title"
            arguments += [f"-metadata:s:s:{index}", f"{member}={track.title}"]
    return TrackArguments(tuple(inputs), tuple(arguments))
