"""Media tasks of the contract that run side by side, without a graph (MPS_API §7, §9)."""

from __future__ import annotations

from collections.abc import Iterator

from shared.mps.adaptive import AdaptiveDynamicStreamingTaskInput
from shared.mps.animated_graphics import AnimatedGraphicTaskInput
from shared.mps.base import MpsModel
from shared.mps.image_sprite import ImageSpriteTaskInput
from shared.mps.snapshot import SampleSnapshotTaskInput, SnapshotByTimeOffsetTaskInput
from shared.mps.transcode import TranscodeTaskInput

SET_OF_KIND = {
    "transcode": "TranscodeTaskSet",
    "animated_graphics": "AnimatedGraphicTaskSet",
    "snapshot_by_time": "SnapshotByTimeOffsetTaskSet",
    "sample_snapshot": "SampleSnapshotTaskSet",
    "image_sprite": "ImageSpriteTaskSet",
    "adaptive_streaming": "AdaptiveDynamicStreamingTaskSet",
}
"""The member that holds the tasks of each kind of node, in the order in which they become nodes."""


class MediaProcessTaskInput(MpsModel):
    """Tasks by kind; each is the parameters of a node."""

    transcode_task_set: list[TranscodeTaskInput] | None = None
    animated_graphic_task_set: list[AnimatedGraphicTaskInput] | None = None
    snapshot_by_time_offset_task_set: list[SnapshotByTimeOffsetTaskInput] | None = None
    sample_snapshot_task_set: list[SampleSnapshotTaskInput] | None = None
    image_sprite_task_set: list[ImageSpriteTaskInput] | None = None
    adaptive_dynamic_streaming_task_set: list[AdaptiveDynamicStreamingTaskInput] | None = None

    def tasks(self) -> Iterator[tuple[str, str, MpsModel]]:
        """Of each task the kind of node, its path (`TranscodeTaskSet[0]`) and its parameters."""
        sets = {info.alias or name: name for name, info in type(self).model_fields.items()}
        for kind, member in SET_OF_KIND.items():
            for index, params in enumerate(getattr(self, sets[member]) or ()):
                yield kind, f"{member}[{index}]", params
