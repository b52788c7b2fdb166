"""What a run of a graph will cost, node by node, before it is begun. Pure but for the data file that is read once."""

from __future__ import annotations

from collections.abc import Sequence

from shared.estimates.adaptive import adaptive_demand
from shared.estimates.coefficients import Coefficients, coefficients
from shared.estimates.demand import Demand, Units
from shared.estimates.images import animation_demand, sampled_demand, snapshot_demand, sprite_demand
from shared.estimates.inspection import inspection_demand
from shared.estimates.transcode import transcode_demand
from shared.model.base import Value
from shared.model.pipeline import INPUT, OUTPUT, RULES, Node, predecessors
from shared.model.structure import order_of
from shared.mps.adaptive import AdaptiveDynamicStreamingTaskInput
from shared.mps.animated_graphics import AnimatedGraphicTaskInput
from shared.mps.image_sprite import ImageSpriteTaskInput
from shared.mps.media import MediaMetaData
from shared.mps.presets import PARAMETERS
from shared.mps.quality_control import AiQualityControlTaskInput
from shared.mps.snapshot import SampleSnapshotTaskInput, SnapshotByTimeOffsetTaskInput
from shared.mps.transcode import TranscodeTaskInput

_WORKLESS = (OUTPUT, RULES)


class Estimate(Value):
    """CPU seconds of all that an attempt starts, on the machine that the coefficients were fitted on, and bytes that it
    writes into the storage."""

    cpu_s: float
    output_bytes: int


def estimate(nodes: Sequence[Node], source: MediaMetaData, known: Coefficients | None = None) -> list[Estimate | None]:
    """For each node, one attempt of it, as if every branch were taken. None for a kind that there is no model of.

    A node reads what its first predecessor that makes media has made, or the same as that, like in a run. Raises
    pydantic.ValidationError and UnknownTemplate for parameters that could not be saved.
    """
    costs = known or coefficients()
    before = predecessors(nodes)
    reads: dict[int, MediaMetaData] = {}
    found: list[Estimate | None] = [None] * len(nodes)
    for index in order_of(nodes):
        node = nodes[index]
        own = source
        if before[index] and node.source != "original":
            own = next((reads[one] for one in before[index] if reads[one] is not source), source)
        need = demand(node, own)
        reads[index] = own if need is None or need.media is None else need.media
        if need is not None:
            found[index] = Estimate(
                cpu_s=round(costs.seconds(need.units), 3),
                output_bytes=round(need.known_bytes + costs.bytes(need.guessed)),
            )
    return found


def demand(node: Node, source: MediaMetaData) -> Demand | None:
    """What one attempt of a node needs of that source; None if nothing is known of its kind."""
    if node.kind in _WORKLESS:
        return Demand()
    if node.kind == INPUT:
        return Demand(Units({"probe": 1.0}))
    model = PARAMETERS.get(node.kind)
    if model is None:
        return None
    match model.model_validate(node.params):
        case TranscodeTaskInput() as params:
            need = transcode_demand(params, source, node.templates)
        case SnapshotByTimeOffsetTaskInput() as params:
            need = snapshot_demand(params, source, node.templates)
        case SampleSnapshotTaskInput() as params:
            need = sampled_demand(params, source, node.templates)
        case ImageSpriteTaskInput() as params:
            need = sprite_demand(params, source, node.templates)
        case AnimatedGraphicTaskInput() as params:
            need = animation_demand(params, source, node.templates)
        case AdaptiveDynamicStreamingTaskInput() as params:
            need = adaptive_demand(params, source, node.templates)
        case AiQualityControlTaskInput() as params:
            need = inspection_demand(params, source, node.templates)
        case _:
            return None
    need.units.add("start", 1)
    return need
