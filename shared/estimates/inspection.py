"""What quality control needs. Pure."""

from __future__ import annotations

from shared.estimates.demand import MEGA, Demand, Units, decoding, megapixels
from shared.mps.media import MediaMetaData
from shared.mps.presets import OwnTemplates, quality_control_template
from shared.mps.quality_control import DIAGNOSES, HEARD, SEEN, AiQualityControlTaskInput

PICTURES_PER_S = 5
PICTURES_AT_MOST = 18_000


def inspection_demand(params: AiQualityControlTaskInput, source: MediaMetaData, own: OwnTemplates) -> Demand:
    """Raises UnknownTemplate."""
    wanted = quality_control_template(params.definition, own).items.keys()
    units = Units()
    if wanted & DIAGNOSES:
        units.add("examine", source.size / MEGA)
    if wanted & (SEEN.keys() | {"VideoDecodeFailed"}):
        units.add_all(decoding(source, source.duration))
        pictures = min(source.duration * PICTURES_PER_S, PICTURES_AT_MOST)
        units.add("inspect", megapixels(source.width, source.height, pictures))
    if wanted & (HEARD.keys() | {"AudioDecodeFailed"}) and source.audio is not None:
        units.add("listen", source.duration)
    return Demand(units)
