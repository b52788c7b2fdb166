"""Snapshots at given times (MPS_API §7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from services.workers.media import pictures
from services.workers.media.containers import IMAGE_TYPES
from services.workers.media.ffmpeg import MediaTools
from services.workers.media.picture import frame_of, look
from services.workers.nodes.base import NodeContext, NodeOutcome, OutputFile
from services.workers.nodes.errors import as_invalid_input
from services.workers.nodes.place import Place, names_of, read_source
from services.workers.nodes.taken import Looks, taken
from shared.model.task import Lane
from shared.mps.base import MpsModel
from shared.mps.media import MediaMetaData, MediaSnapshotByTimeOffsetItem, MediaSnapshotByTimePicInfoItem
from shared.mps.naming import OutputNames
from shared.mps.presets import NO_OWN, OwnTemplates, resolve_watermarks, snapshot_by_time_template
from shared.mps.snapshot import BY_TIME_PATH, SnapshotByTimeOffsetTaskInput


@dataclass(frozen=True, slots=True)
class SnapshotPlan:
    """What pictures to take: `asked` are the moments for the result, `times` those to look at (within the video)."""

    asked: tuple[float, ...]
    times: tuple[float, ...]
    looks: Looks
    keys: tuple[str, ...]
    shown_path: str


def plan(
    params: SnapshotByTimeOffsetTaskInput, source: MediaMetaData, names: OutputNames, own: OwnTemplates = NO_OWN
) -> SnapshotPlan:
    """Raises InvalidInput (also for a time beyond the end), SourceFileError, UnknownTemplate, TemplateMisfit,
    NamingError."""
    template = snapshot_by_time_template(params.definition, own)
    asked = tuple(round(offset.seconds(source.duration), 3) for offset in params.offsets)
    times = pictures.check_times(asked, source)
    frame = frame_of(template, source, template.fill_type)
    path = params.output_object_path or BY_TIME_PATH
    return SnapshotPlan(
        asked=asked,
        times=times,
        looks=Looks(
            frame,
            look(frame, source, template.fill_type),
            template.format,
            resolve_watermarks(params.watermark_set, own, still=True),
        ),
        keys=tuple(names.key("OutputObjectPath", path, template.format, index) for index in range(len(asked))),
        shown_path=names.shown(path, template.format),
    )


class SnapshotByTime:
    """Takes the pictures; each must be there at the end."""

    name: ClassVar[str] = "snapshot_by_time"
    lane: ClassVar[Lane] = Lane.MEDIA
    params: ClassVar[type[MpsModel]] = SnapshotByTimeOffsetTaskInput

    def __init__(self, tools: MediaTools) -> None:
        self._tools = tools

    async def execute(self, context: NodeContext) -> NodeOutcome:
        """Raises NodeError."""
        task = context.task
        with as_invalid_input():
            params = SnapshotByTimeOffsetTaskInput.model_validate(task.params)
        place = Place.of(task, params.output_storage)
        path, source = await read_source(context)
        with as_invalid_input():
            work = plan(params, source, names_of(task, params.definition, params.numbers), task.templates)
        place.check(task, work.keys)
        files = await taken(
            context, self._tools, path, source, work.looks, len(work.times), lambda taker: taker.at(work.times)
        )
        marks = [mark.wanted.definition for mark in work.looks.marks]
        payload = MediaSnapshotByTimeOffsetItem(
            definition=params.definition,
            pic_info_set=[
                MediaSnapshotByTimePicInfoItem(time_offset=time, path="/" + key, water_mark_definition=marks)
                for time, key in zip(work.asked, work.keys, strict=True)
            ],
            storage=place.storage,
        )
        return NodeOutcome(
            files=tuple(
                OutputFile(file, place.bucket, place.region, key, IMAGE_TYPES[work.looks.extension])
                for file, key in zip(files, work.keys, strict=True)
            ),
            echo=params.echo(place.storage, work.shown_path),
            payload=payload.to_wire(),
        )
