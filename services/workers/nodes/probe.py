"""The probe: what the source is. It is how the input node of a graph runs."""

from __future__ import annotations

from typing import ClassVar

from services.workers.media.probe import probe
from services.workers.nodes.base import NodeContext, NodeOutcome
from services.workers.nodes.place import local_source
from shared.model.kinds import PROBE
from shared.model.task import Lane
from shared.mps.base import MpsModel


class ProbeParams(MpsModel):
    """None."""


class Probe:
    """Reads the metadata of the source; writes nothing."""

    name: ClassVar[str] = PROBE
    lane: ClassVar[Lane] = Lane.LIGHT
    params: ClassVar[type[MpsModel]] = ProbeParams

    async def execute(self, context: NodeContext) -> NodeOutcome:
        """Raises SourceFileError if the source is no media that can be decoded."""
        found = await probe(await local_source(context))
        return NodeOutcome(metadata=found.to_wire())
