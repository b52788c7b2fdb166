"""Sampled snapshots: pictures at regular distances (MPS_API §7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from services.workers.media import pictures
from services.workers.media.containers import IMAGE_TYPES
from services.workers.media.ffmpeg import MediaTools
from services.workers.media.picture import frame_of, look
from services.workers.media.sampling import sample_times
from services.workers.nodes.base import NodeContext, NodeOutcome, OutputFile
from services.workers.nodes.errors import as_invalid_input
from services.workers.nodes.place import Place, names_of, read_source
from services.workers.nodes.taken import Looks, taken
from shared.model.task import Lane
from shared.mps.base import MpsModel
from shared.mps.image_task import MAX_PICTURES
from shared.mps.media import MediaMetaData, MediaSampleSnapshotItem
from shared.mps.naming import OutputNames
from shared.mps.presets import NO_OWN, OwnTemplates, resolve_watermarks, sample_snapshot_template
from shared.mps.snapshot import SAMPLED_PATH, SampleSnapshotTaskInput, SampleSnapshotTemplate


@dataclass(frozen=True, slots=True)
class SamplePlan:
    """What pictures to take, and where each goes."""

    template: SampleSnapshotTemplate
    times: tuple[float, ...]
    interval_s: float
    looks: Looks
    keys: tuple[str, ...]
    shown_path: str


def plan(
    params: SampleSnapshotTaskInput, source: MediaMetaData, names: OutputNames, own: OwnTemplates = NO_OWN
) -> SamplePlan:
    """Raises InvalidInput, SourceFileError, UnknownTemplate, TemplateMisfit, NamingError."""
    template = sample_snapshot_template(params.definition, own)
    pictures.require_picture(source)
    asked = sample_times(template, source, MAX_PICTURES)
    frame = frame_of(template, source, template.fill_type)
    path = params.output_object_path or SAMPLED_PATH
    return SamplePlan(
        template=template,
        times=pictures.check_times(asked, source),
        interval_s=template.interval_s(source.duration),
        looks=Looks(
            frame,
            look(frame, source, template.fill_type),
            template.format,
            resolve_watermarks(params.watermark_set, own, still=True),
        ),
        keys=tuple(names.key("OutputObjectPath", path, template.format, index) for index in range(len(asked))),
        shown_path=names.shown(path, template.format),
    )


class SampleSnapshot:
    """Takes the pictures; each must be there at the end."""

    name: ClassVar[str] = "sample_snapshot"
    lane: ClassVar[Lane] = Lane.MEDIA
    params: ClassVar[type[MpsModel]] = SampleSnapshotTaskInput

    def __init__(self, tools: MediaTools) -> None:
        self._tools = tools

    async def execute(self, context: NodeContext) -> NodeOutcome:
        """Raises NodeError."""
        task = context.task
        with as_invalid_input():
            params = SampleSnapshotTaskInput.model_validate(task.params)
        place = Place.of(task, params.output_storage)
        path, source = await read_source(context)
        with as_invalid_input():
            work = plan(params, source, names_of(task, params.definition, params.numbers), task.templates)
        place.check(task, work.keys)
        files = await taken(
            context,
            self._tools,
            path,
            source,
            work.looks,
            len(work.times),
            lambda taker: taker.every(work.interval_s, work.times),
        )
        payload = MediaSampleSnapshotItem(
            definition=params.definition,
            sample_type=work.template.sample_type,
            interval=work.template.sample_interval,
            storage=place.storage,
            image_path_set=["/" + key for key in work.keys],
            water_mark_definition=[mark.wanted.definition for mark in work.looks.marks],
        )
        return NodeOutcome(
            files=tuple(
                OutputFile(file, place.bucket, place.region, key, IMAGE_TYPES[work.looks.extension])
                for file, key in zip(files, work.keys, strict=True)
            ),
            echo=params.echo(place.storage, work.shown_path),
            payload=payload.to_wire(),
        )
