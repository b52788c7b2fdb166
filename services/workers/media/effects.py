"""What further modules add to a transcode: filters and pictures, at fixed places of its way. Pure data.

The picture goes through: upright (by ffmpeg) -> `before_size` -> tone map -> size and fill -> frame rate ->
`after_size` -> `mosaics` -> `overlays` -> `subtitles` -> `to_hdr` -> pixel format. The sound: `before_mix` ->
channels and sample rate -> `after_mix`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from services.workers.media.filtergraph import Overlay
from shared.mps.media import MediaAudioStreamItem, MediaMetaData


@dataclass(frozen=True, slots=True)
class AddedSound:
    """The first sound of another file, and what it says about itself."""

    path: Path
    stream: MediaAudioStreamItem
    language: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class SubtitleTrack:
    """A SubRip file of ours, in the folder that ffmpeg runs in, and what the track says about itself."""

    file: str
    language: str = ""
    title: str = ""
    default: bool = False


@dataclass(frozen=True, slots=True)
class Clip:
    """A file to join with the film, and what it is. `field` is its path in the parameters."""

    field: str
    path: Path
    facts: MediaMetaData


@dataclass(frozen=True, slots=True)
class Effects:
    """Each text is one filter or a chain of them; labels inside must be its own (see FilterGraph.apply)."""

    before_size: tuple[str, ...] = ()
    """On the picture as it was decoded (HDR still HDR): deinterlacing, denoising, super-resolution."""
    tone_map: tuple[str, ...] | None = None
    """In place of our HDR to SDR conversion; None for ours where it is needed."""
    frame_rate: tuple[str, ...] | None = None
    """In place of the plain `fps` filter, for interpolation; None for ours where the template has a rate."""
    after_size: tuple[str, ...] = ()
    """On the picture in its final size, before anything is drawn on it: sharpening, colour."""
    mosaics: tuple[str, ...] = ()
    """Areas made unrecognisable."""
    overlays: tuple[Overlay | str, ...] = ()
    """Watermarks, the lowest first; a text is a filter that draws on the picture."""
    subtitles: tuple[str, ...] = ()
    """Burnt into the picture, on top of everything."""
    tracks: tuple[SubtitleTrack, ...] = ()
    """Subtitles beside picture and sound."""
    heads: tuple[Clip, ...] = ()
    """Joined before the film; nothing is drawn on them."""
    tails: tuple[Clip, ...] = ()
    """Joined behind it."""
    to_hdr: tuple[str, ...] = ()
    """On the finished picture, SDR until here, so that what is drawn on it is not brighter than paper."""
    before_mix: tuple[str, ...] = ()
    """On the sound with the source's channels: denoising."""
    after_mix: tuple[str, ...] = ()
    """On the sound with its final channels: loudness."""

    sounds: tuple[AddedSound, ...] = ()
    """Sounds of other files, beside the source's."""

    @property
    def on_picture(self) -> bool:
        """Whether the picture is changed, so that it cannot be copied."""
        return bool(
            self.before_size
            or self.tone_map
            or self.frame_rate
            or self.after_size
            or self.mosaics
            or self.overlays
            or self.subtitles
            or self.to_hdr
            or self.heads
            or self.tails
        )

    @property
    def on_sound(self) -> bool:
        """Whether the sound is changed, so that it cannot be copied."""
        return bool(self.before_mix or self.after_mix or self.heads or self.tails)


NO_EFFECTS = Effects()
_INSTEAD = frozenset({"tone_map", "frame_rate"})


def joined(*parts: Effects) -> Effects:
    """All of them, stage by stage, in the given order; of those that stand in place of ours the last counts."""
    found: dict[str, tuple[Any, ...] | None] = {}
    for part in parts:
        for field in fields(part):
            value = getattr(part, field.name)
            if field.name in _INSTEAD:
                found[field.name] = found.get(field.name) if value is None else value
            else:
                found[field.name] = (*(found.get(field.name) or ()), *value)
    return Effects(**found)  # type: ignore[arg-type]
