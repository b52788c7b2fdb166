"""Transcode: one output of one template, or a remux (MPS_API §7)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import ClassVar

from services.workers.media import hls
from services.workers.media.compose import compose
from services.workers.media.effects import joined
from services.workers.media.ffmpeg import MediaTools
from services.workers.media.hls_files import files_beside
from services.workers.media.probe import probe_output
from services.workers.media.segments import INIT_NAME
from services.workers.media.verify import check_duration
from services.workers.nodes.adding import with_added_sounds
from services.workers.nodes.base import NodeContext, NodeOutcome, OutputFile, UploadOrder
from services.workers.nodes.drawing import drawing
from services.workers.nodes.early_segments import SegmentStream, segment_file
from services.workers.nodes.errors import as_invalid_input
from services.workers.nodes.passes import nothing, run_passes
from services.workers.nodes.place import Place, md5_of, names_of, read_source
from services.workers.nodes.transcode_plan import TranscodePlan as TranscodePlan
from services.workers.nodes.transcode_plan import cut
from services.workers.nodes.transcode_plan import plan as plan
from services.workers.nodes.transcode_prepare import Preparation
from shared.model.failure import SourceFileError
from shared.model.task import Lane
from shared.mps.base import MpsModel
from shared.mps.media import MediaTranscodeItem
from shared.mps.naming import OutputNames
from shared.mps.presets import resolve
from shared.mps.transcode import TranscodeTaskInput


class Transcode:
    """Runs a plan: encodes, checks that nothing is missing, names the files."""

    name: ClassVar[str] = "transcode"
    lane: ClassVar[Lane] = Lane.MEDIA
    params: ClassVar[type[MpsModel]] = TranscodeTaskInput

    def __init__(self, tools: MediaTools) -> None:
        self._tools = tools

    async def execute(self, context: NodeContext) -> NodeOutcome:
        """Raises NodeError."""
        task = context.task
        with as_invalid_input():
            params = TranscodeTaskInput.model_validate(task.params)
            template = resolve(params, task.templates)
        place = Place.of(task, params.output_storage)
        names = names_of(task, params.definition, params.numbers)
        path, source = await read_source(context)
        folder = context.scratch / "transcode"
        folder.mkdir()
        threads = self._tools.threads
        with as_invalid_input():
            # Before the steps that take time: what cannot be done is said at once.
            composed = compose(template, source)
            wanted = cut(params, template, source)
        drawn = await drawing(context, self._tools, params, composed.template, path, source, folder)
        drawn = await with_added_sounds(context, params.added_sounds, drawn)
        with as_invalid_input():
            effects = joined(composed.effects, drawn)
            key = plan(params, composed.template, source, names, effects, threads).key
        place.check(task, [key])

        preparation = Preparation(template, source)
        prepared = await preparation.take(
            self._tools, path, wanted, folder, lambda share: context.report_progress(100 * share)
        )
        with as_invalid_input():
            composed = compose(template, source, prepared)
            effects = joined(composed.effects, drawn)
            work = plan(params, composed.template, source, names, effects, threads, composed.speech)
        stream = _early(context, work, names, place, folder)
        complaints = await run_passes(
            self._tools,
            path,
            work,
            folder,
            context.report_progress,
            stream.look if stream else nothing,
            preparation.share,
        )
        produced = folder / work.output
        if not produced.is_file() or produced.stat().st_size == 0:
            raise SourceFileError("the source is damaged: nothing of it could be decoded")
        local = await asyncio.to_thread(files_beside, produced, work.segments) if work.segments else []
        made = await probe_output(produced, sum(part.stat().st_size for part in (produced, *local)))
        if work.with_picture and made.video is None:
            raise SourceFileError("the source has no picture in that part, or it cannot be decoded")
        check_duration(source, made.duration, work.expected_s, complaints)
        with as_invalid_input():
            files = await asyncio.to_thread(_files, produced, local, work, names, place)
        place.check(task, [file.key for file in files])
        manifest = len(files) - 1
        size = sum(file.path.stat().st_size for file in files)
        payload = MediaTranscodeItem(
            output_storage=place.storage,
            path="/" + work.key,
            definition=params.definition,
            bitrate=made.bitrate,
            height=made.height,
            width=made.width,
            size=size,
            duration=made.duration,
            container=made.container,
            md5=await asyncio.to_thread(md5_of, files[manifest].path),
            audio_stream_set=made.audio_stream_set,
            video_stream_set=made.video_stream_set,
        )
        segment = names.shown_sibling(work.segment_template, work.segment_extension) if work.segment_template else ""
        return NodeOutcome(
            files=tuple(files),
            # A playlist is no file that the next node could read by itself: it reads what we read.
            media=None if work.segment_template else manifest,
            echo=params.echo(place.storage, work.shown_path, segment),
            payload=payload.to_wire(),
        )


def _files(
    produced: Path, parts: Sequence[Path], work: TranscodePlan, names: OutputNames, place: Place
) -> list[OutputFile]:
    """All outputs, the main one last. A playlist is rewritten for its place in the bucket."""
    order = UploadOrder.DATA
    files: list[OutputFile] = []
    if work.segment_template is not None:
        base = PurePosixPath(work.key).parent
        relative = _relative_names(parts, work, names)
        files = [segment_file(part, str(base / relative[part.name]), place) for part in parts]
        produced.write_text(hls.renamed(produced.read_text(), relative))
        order = UploadOrder.MANIFEST
    return [
        *files,
        OutputFile(produced, place.bucket, place.region, work.key, work.format.content_type, order),
    ]


def _early(
    context: NodeContext, work: TranscodePlan, names: OutputNames, place: Place, folder: Path
) -> SegmentStream | None:
    """For segments that are as they will be while others are still encoded."""
    segments = work.segments
    if segments is None or not segments.final_at_once:
        return None
    base = PurePosixPath(work.key).parent

    def key(number: int) -> str:
        return str(base / _segment_name(work, names, number))

    return SegmentStream(context, place, lambda number: folder / segments.file_name(number), key)


def _segment_name(work: TranscodePlan, names: OutputNames, number: int) -> str:
    return names.sibling("SegmentObjectName", work.segment_template or "", work.segment_extension, number)


def _relative_names(parts: Sequence[Path], work: TranscodePlan, names: OutputNames) -> dict[str, str]:
    found: dict[str, str] = {}
    number = 0
    for part in parts:
        if part.name == INIT_NAME:
            found[part.name] = f"{PurePosixPath(work.key).stem}_init.mp4"
            continue
        found[part.name] = _segment_name(work, names, number)
        number += 1
    return found
