"""Sampled snapshots: pictures at regular distances (MPS_API §7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from services.workers.media import pictures
from services.workers.media.containers import IMAGE_TYPES
from services.workers.media.ffmpeg import MediaTools
from services.workers.nodes.base import NodeContext, NodeOutcome, OutputFile
from services.workers.nodes.errors import as_invalid_input
from services.workers.nodes.place import Place, names_of, read_source
from shared.model.failure import InvalidInput
from shared.model.task import Lane
from shared.mps.base import MpsModel
from shared.mps.media import MediaMetaData, MediaSampleSnapshotItem
from shared.mps.naming import OutputNames
from shared.mps.presets import NO_OWN, OwnTemplates, sample_snapshot_template
from shared.mps.snapshot import MAX_PICTURES, SAMPLED_PATH, SampleSnapshotTaskInput, SampleSnapshotTemplate


@dataclass(frozen=True, slots=True)
class SamplePlan:
    """What pictures to take, and where each goes."""

    template: SampleSnapshotTemplate
    times: tuple[float, ...]
    filters: str
    keys: tuple[str, ...]
    shown_path: str


def sample_times(template: SampleSnapshotTemplate, duration_s: float) -> list[float]:
    """The moments: from 0, before the end, `SampleInterval` per cent or seconds apart.

    A source without duration has one picture. Raises InvalidInput if there would be too many.
    """
    if duration_s <= 0:
        return [0.0]
    step_s = template.sample_interval * (duration_s / 100 if template.sample_type == "Percent" else 1.0)
    # 10 % of 5.312 s, ten times, is a little less than 5.312 in floating point: count first.
    count = (
        -(-100 // template.sample_interval)
        if template.sample_type == "Percent"
        else max(int(-(-duration_s // step_s)), 1)
    )
    if count > MAX_PICTURES:
        raise InvalidInput(f"the template makes {count} pictures of this source, more than {MAX_PICTURES}")
    return [index * step_s for index in range(count)]


def plan(
    params: SampleSnapshotTaskInput, source: MediaMetaData, names: OutputNames, own: OwnTemplates = NO_OWN
) -> SamplePlan:
    """Raises InvalidInput, SourceFileError, UnknownTemplate, NamingError."""
    template = sample_snapshot_template(params.definition, own)
    pictures.require_picture(source)
    times = pictures.check_times(sample_times(template, source.duration), source)
    path = params.output_object_path or SAMPLED_PATH
    return SamplePlan(
        template=template,
        times=times,
        filters=pictures.picture_filter(template, source),
        keys=tuple(names.key("OutputObjectPath", path, template.format, index) for index in range(len(times))),
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
        folder = context.scratch / "pictures"
        folder.mkdir()
        extension = work.template.format
        files = await pictures.take(
            self._tools,
            path,
            source,
            folder,
            work.times,
            work.filters,
            extension,
            lambda count: context.report_progress(100 * count / len(work.times)),
        )
        payload = MediaSampleSnapshotItem(
            definition=params.definition,
            sample_type=work.template.sample_type,
            interval=work.template.sample_interval,
            storage=place.storage,
            image_path_set=["/" + key for key in work.keys],
        )
        return NodeOutcome(
            files=tuple(
                OutputFile(file, place.bucket, place.region, key, IMAGE_TYPES[extension])
                for file, key in zip(files, work.keys, strict=True)
            ),
            echo=params.echo(place.storage, work.shown_path),
            payload=payload.to_wire(),
        )
