"""Moving pictures without sound: GIF and animated WebP. Pure.

A GIF needs its palette before its first frame. One graph that makes both holds all frames in memory until the last one
is read, so the source is read twice instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from services.workers.media.winding import opened_at, shown_from
from shared.mps.animated_graphics import AnimatedGraphicsTemplate
from shared.mps.media import MediaMetaData

PALETTE = "palette.png"
MAX_COLOURS = 256
MIN_COLOURS = 16
FULL_QUALITY = 75
"""From this quality on a GIF has all colours that it can have."""
MAX_FRAMES = 18_000
"""[OURS] Ten minutes at the highest rate."""


@dataclass(frozen=True, slots=True)
class Part:
    """The part of the source that moves, in seconds; `frames` of the output."""

    start_s: float
    length_s: float
    frames: int


@dataclass(frozen=True, slots=True)
class AnimationArguments:
    """Calls of ffmpeg, one after another; the last one writes `output`."""

    calls: tuple[tuple[str, ...], ...]
    output: str


def arguments(
    path: Path,
    source: MediaMetaData,
    template: AnimatedGraphicsTemplate,
    part: Part,
    look: tuple[str, ...],
    threads: int = 0,
) -> AnimationArguments:
    """Each frame shows what is shown at its time; decoding begins at the part and ends with it."""
    before = ("-threads", str(threads)) if threads else ()
    opened, clock_s = opened_at(path, source, part.start_s, *before)
    # The last frame may claim to last for ever, and would be repeated for as long.
    ended = f"setpts='min(PTS,{clock_s + part.length_s + 1:.3f}/TB)'"
    frames = ",".join((ended, *shown_from(clock_s, template.fps), *look))
    output = f"output.{template.format}"
    end = ("-frames:v", str(part.frames), "-an", "-sn", "-dn")
    if template.format == "webp":
        encoder = ("-c:v", "libwebp_anim", "-q:v", f"{template.quality:g}", "-loop", "0", "-f", "webp")
        shown = f"{frames},scale=out_color_matrix=bt601:out_range=tv,format=yuv420p"
        return AnimationArguments(((*opened, "-map", "0:V:0", "-vf", shown, *end, *encoder, f"file:{output}"),), output)
    # The palette is one frame: only a filter can say when enough has been read for it.
    palette = f"{frames},trim=end_frame={part.frames},palettegen=max_colors={colours(template.quality)}:stats_mode=diff"
    mapped = f"[0:V:0]{frames}[shown];[shown][1:v:0]paletteuse=dither=bayer:diff_mode=rectangle"
    one = ("-frames:v", "1", "-f", "image2", "-update", "1", f"file:{PALETTE}")
    gif = ("-loop", "0", "-f", "gif", f"file:{output}")
    return AnimationArguments(
        (
            (*opened, "-map", "0:V:0", "-vf", palette, *one),
            (*opened, "-i", f"file:{PALETTE}", "-filter_complex", mapped, *end, *gif),
        ),
        output,
    )


def colours(quality: float) -> int:
    """Of a GIF's palette."""
    return max(min(round(MAX_COLOURS * quality / FULL_QUALITY), MAX_COLOURS), MIN_COLOURS)
