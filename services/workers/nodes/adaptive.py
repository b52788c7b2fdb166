"""Adaptive streaming: a ladder of renditions with a manifest, HLS or DASH (MPS_API §7)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from services.workers.media import dash, hls
from services.workers.media.ffmpeg import MediaTools
from services.workers.media.hls_files import files_beside
from services.workers.media.ladder import canvas
from services.workers.media.probe import probe_output
from services.workers.media.subtitles import web_track
from services.workers.media.verify import check_duration
from services.workers.media.watermarks import Drawn, drawn
from services.workers.nodes.adaptive_files import Made, Packer, Subtitles
from services.workers.nodes.adaptive_plan import AdaptivePlan, SubStream, canvases
from services.workers.nodes.adaptive_plan import plan as plan
from services.workers.nodes.base import NodeContext, NodeOutcome
from services.workers.nodes.early_segments import SegmentStream
from services.workers.nodes.errors import as_invalid_input
from services.workers.nodes.marks import prepare
from services.workers.nodes.passes import run_passes
from services.workers.nodes.place import Place, names_of, read_source
from services.workers.nodes.subtitling import burnt, read_tracks
from shared.model.failure import InternalError, InvalidInput, SourceFileError
from shared.model.task import Lane
from shared.mps.adaptive import AdaptiveDynamicStreamingTaskInput
from shared.mps.adaptive_template import AdaptiveTemplate
from shared.mps.base import MpsModel
from shared.mps.media import AdaptiveDynamicStreamingInfoItem, MediaMetaData
from shared.mps.naming import NumberFormat, OutputNames
from shared.mps.presets import adaptive_ladder, resolve_watermarks

PROBES_AT_ONCE = 2
INDEX_BYTES = 4 << 20
"""How much of a file is read for its index: twelve bytes for each segment, so that is ten days of them."""


class AdaptiveStreaming:
    """Runs a plan: encodes, reads every rendition back, names the files, writes the manifest."""

    name: ClassVar[str] = "adaptive_streaming"
    lane: ClassVar[Lane] = Lane.MEDIA
    params: ClassVar[type[MpsModel]] = AdaptiveDynamicStreamingTaskInput

    def __init__(self, tools: MediaTools) -> None:
        self._tools = tools

    async def execute(self, context: NodeContext) -> NodeOutcome:
        """Raises NodeError."""
        task = context.task
        with as_invalid_input():
            params = AdaptiveDynamicStreamingTaskInput.model_validate(task.params)
            ladder = adaptive_ladder(params, task.templates)
        place = Place.of(task, params.output_storage)
        names = names_of(task, params.definition, NumberFormat())
        path, source = await read_source(context)
        folder = context.scratch / "adaptive"
        folder.mkdir()
        overlays = await _drawing(context, self._tools, params, ladder, path, source, folder)
        with as_invalid_input():
            work = plan(params, ladder, source, names, threads=self._tools.threads, overlays=overlays)
        place.check(task, work.keys)
        subtitles = await _subtitles(context, params, work, source, folder)

        encryption = params.drm_info.aes if params.drm_info else None
        streams = [] if encryption else _early(context, work, names, place, folder)

        def look() -> None:
            for stream in streams:
                stream.look()

        complaints = await run_passes(self._tools, path, work, folder, context.report_progress, look)
        made = await _read_back(work, folder, source, complaints)
        packer = Packer(work, names, place, source, encryption, subtitles)
        with as_invalid_input():
            files = await asyncio.to_thread(packer.pack, made)
        place.check(task, [file.key for file in files])
        payload = AdaptiveDynamicStreamingInfoItem(
            definition=params.definition, package=ladder.format, path="/" + work.key, storage=place.storage
        )
        return NodeOutcome(
            files=tuple(files),
            # A manifest is no file that the next node could read by itself: it reads what we read.
            media=None,
            echo=params.echo(
                place.storage,
                names.shown(params.path, work.packaging.manifest_extension),
                names.shown_sibling(params.sub_stream_path, "{format}"),
                names.shown_sibling(params.segment_path, "{format}"),
            ),
            payload=payload.to_wire(),
        )


async def _drawing(
    context: NodeContext,
    tools: MediaTools,
    params: AdaptiveDynamicStreamingTaskInput,
    ladder: AdaptiveTemplate,
    path: Path,
    source: MediaMetaData,
    folder: Path,
) -> list[tuple[Drawn, ...]]:
    """What is drawn on each picture. Files of ours are in `folder`, in which ffmpeg must run. Raises NodeError."""
    with as_invalid_input():
        marks = resolve_watermarks(params.watermark_set, context.task.templates)
    if not marks and not params.burnt_in:
        return []
    found = canvases(ladder, source)
    texts = await burnt(context, tools, params.burnt_in, found, path, folder) if params.burnt_in else [""] * len(found)
    # Drawn once, as large as it is needed at the most.
    largest = max(found, key=lambda each: each.frame.width * each.frame.height)
    ready = await prepare(context, marks, largest, folder)
    try:
        return [(*drawn(ready, each), *((text,) if text else ())) for each, text in zip(found, texts, strict=True)]
    except ValueError as error:
        raise InvalidInput(str(error)) from error


async def _subtitles(
    context: NodeContext,
    params: AdaptiveDynamicStreamingTaskInput,
    work: AdaptivePlan,
    source: MediaMetaData,
    folder: Path,
) -> list[Subtitles]:
    """The tracks beside the pictures. Raises InvalidInput naming the one that cannot be read."""
    tracks = params.add_on_subtitles or []
    if not tracks:
        return []
    first = next(stream.video for stream in work.streams if stream.video)
    whole = replace(canvas(first, source, source.duration), begins_s=0.0)
    captions = await read_tracks(context, tracks, "AddOnSubtitles", folder)
    return [
        Subtitles(stream, track, await asyncio.to_thread(web_track, each, whole))
        for stream, track, each in zip(work.texts, tracks, captions, strict=True)
    ]


def _early(
    context: NodeContext, work: AdaptivePlan, names: OutputNames, place: Place, folder: Path
) -> list[SegmentStream]:
    """For segments of HLS that are as they will be while others are still encoded."""
    if work.packaging.dash or not work.segments.final_at_once:
        return []

    def stream(position: int, made: SubStream) -> SegmentStream:
        return SegmentStream(
            context,
            place,
            lambda number: folder / work.segments.file_name(number, position),
            lambda number: work.segment_key(names, made, number),
        )

    return [stream(position, made) for position, made in enumerate(work.streams)]


async def _read_back(work: AdaptivePlan, folder: Path, source: MediaMetaData, complaints: str) -> list[Made]:
    """What was made of each sub-stream. Raises SourceFileError if one is missing or ends early."""
    slots = asyncio.Semaphore(PROBES_AT_ONCE)

    async def one(position: int, stream: SubStream) -> Made:
        path = folder / stream.local(work.packaging, position)
        if not path.is_file() or path.stat().st_size == 0:
            raise SourceFileError("the source is damaged: nothing of it could be decoded")
        async with slots:
            local = await asyncio.to_thread(_local, path, work)
            size = sum(size for _, size in local[1])
            found = await probe_output(path, size)
        check_duration(source, sum(seconds for seconds, _ in local[1]), stream.expected_s, complaints)
        return Made(stream, path, *local[:2], found, local[2])

    try:
        async with asyncio.TaskGroup() as group:
            reading = [group.create_task(one(position, stream)) for position, stream in enumerate(work.streams)]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from errors
    return [each.result() for each in reading]


def _local(path: Path, work: AdaptivePlan) -> tuple[tuple[Path, ...], tuple[tuple[float, int], ...], dash.Index | None]:
    """Files beside a playlist, segments, and the index if there is one. Blocks."""
    if work.packaging.dash:
        with path.open("rb") as file:
            try:
                index = dash.index_of(file.read(INDEX_BYTES))
            except dash.NotIndexed as error:
                raise InternalError(str(error)) from error
        return (), index.segments, index
    parts = tuple(files_beside(path, work.segments))
    lengths = hls.segment_lengths(path.read_text())
    segments = tuple((seconds, size or path.with_name(name).stat().st_size) for seconds, name, size in lengths)
    return parts, segments, None
