"""The node kinds that a worker can run: ours, and those of other packages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path

from services.workers.media.ffmpeg import MediaTools, media_tools
from services.workers.media.isolation import announce_isolation
from services.workers.media.process import OUTPUT_BYTES, Limits
from services.workers.nodes.adaptive import AdaptiveStreaming
from services.workers.nodes.animated_graphics import AnimatedGraphics
from services.workers.nodes.base import NodeKind
from services.workers.nodes.errors import UnknownKind
from services.workers.nodes.image_sprite import ImageSprite
from services.workers.nodes.noop import Noop
from services.workers.nodes.probe import Probe
from services.workers.nodes.quality_control import QualityControl
from services.workers.nodes.sample_snapshot import SampleSnapshot
from services.workers.nodes.snapshot_by_time import SnapshotByTime
from services.workers.nodes.transcode import Transcode

ENTRY_POINTS = "reelway.nodes"

NodeFactory = Callable[[MediaTools], NodeKind]
"""What an entry point of the group names: makes the kind, given the tools of this worker."""


def node_kinds(ffmpeg: Path | None = None, threads: int = 0, output_bytes: int = OUTPUT_BYTES) -> dict[str, NodeKind]:
    """Every kind by its name; `threads` as in MediaTools, `output_bytes` as in Limits. Says in the log how media
    processes are kept from the network. A package may add kinds; taking the name of another is a ValueError. Blocks."""
    announce_isolation()
    tools = replace(media_tools(ffmpeg, threads), limits=Limits(output_bytes=output_bytes))
    own: tuple[NodeKind, ...] = (
        Probe(),
        Transcode(tools),
        SnapshotByTime(tools),
        SampleSnapshot(tools),
        ImageSprite(tools),
        AnimatedGraphics(tools),
        QualityControl(tools),
        AdaptiveStreaming(tools),
        Noop(),
    )
    kinds = {kind.name: kind for kind in own}
    for entry in entry_points(group=ENTRY_POINTS):
        factory: NodeFactory = entry.load()
        kind = factory(tools)
        if kind.name in kinds:
            raise ValueError(f"the entry point {entry.name} takes the name of the node kind {kind.name!r}")
        kinds[kind.name] = kind
    return kinds


def kind_of(kinds: Mapping[str, NodeKind], name: str) -> NodeKind:
    """The kind of that name. Raises UnknownKind."""
    kind = kinds.get(name)
    if kind is None:
        raise UnknownKind(name)
    return kind
