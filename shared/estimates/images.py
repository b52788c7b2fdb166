"""What pictures need: snapshots, sprites, animated graphics. Pure."""

from __future__ import annotations

from shared.estimates.demand import Demand, Units, decoding, megapixels
from shared.estimates.frame import frame_size
from shared.mps.animated_graphics import AnimatedGraphicTaskInput
from shared.mps.image_sprite import ImageSpriteTaskInput
from shared.mps.media import MediaMetaData
from shared.mps.presets import (
    OwnTemplates,
    animated_graphics_template,
    image_sprite_template,
    sample_snapshot_template,
    snapshot_by_time_template,
)
from shared.mps.snapshot import SampleSnapshotTaskInput, SnapshotByTimeOffsetTaskInput

KEY_FRAME_EVERY_S = 5.0
"""Of a common source. Half of that is decoded to come to a moment."""


def snapshot_demand(params: SnapshotByTimeOffsetTaskInput, source: MediaMetaData, own: OwnTemplates) -> Demand:
    """Pictures at given moments. Raises UnknownTemplate."""
    template = snapshot_by_time_template(params.definition, own)
    size = frame_size(
        template.width, template.height, source, close=template.resolution_adaptive == "close", even=False
    )
    return _pictures(len(params.offsets), size, template.format, source)


def sampled_demand(params: SampleSnapshotTaskInput, source: MediaMetaData, own: OwnTemplates) -> Demand:
    """Pictures at distances. Raises UnknownTemplate."""
    template = sample_snapshot_template(params.definition, own)
    size = frame_size(
        template.width, template.height, source, close=template.resolution_adaptive == "close", even=False
    )
    return _pictures(template.count(source.duration), size, template.format, source)


def sprite_demand(params: ImageSpriteTaskInput, source: MediaMetaData, own: OwnTemplates) -> Demand:
    """Sheets of small pictures: each is taken like a snapshot. Raises UnknownTemplate."""
    template = image_sprite_template(params.definition, own)
    width, height = frame_size(
        template.width, template.height, source, close=template.resolution_adaptive == "close", even=False
    )
    count = template.count(source.duration)
    found = _pictures(count, (width, height), template.format, source)
    found.units.add("tiles", count)
    return found


def animation_demand(params: AnimatedGraphicTaskInput, source: MediaMetaData, own: OwnTemplates) -> Demand:
    """A part of the source as a moving picture. Raises UnknownTemplate."""
    template = animated_graphics_template(params.definition, own)
    width, height = frame_size(
        template.width, template.height, source, close=template.resolution_adaptive == "close", even=False
    )
    seconds = max(min(params.end_time_offset, source.duration or params.end_time_offset) - params.start_time_offset, 0)
    made = megapixels(width, height, max(seconds * template.fps, 1))
    units = decoding(source, seconds + KEY_FRAME_EVERY_S / 2)
    units.add(f"animate {template.format}", made)
    return Demand(units, guessed=Units({f"animation {template.format}": made}))


def _pictures(count: int, size: tuple[int, int], extension: str, source: MediaMetaData) -> Demand:
    before = min(KEY_FRAME_EVERY_S, source.duration or 0.0) / 2
    # Where moments lie close together, the way to the next is shorter than to a key frame.
    seconds = min(before * count, max(source.duration, before))
    made = megapixels(*size, count)
    units = decoding(source, seconds)
    units.add("pictures", count)
    units.add(f"encode {extension}", made)
    return Demand(units, guessed=Units({f"picture {extension}": made}))
