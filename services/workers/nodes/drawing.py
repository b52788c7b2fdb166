"""What a transcode draws on its picture: everything fetched, checked and turned into filters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from services.workers.media.effects import NO_EFFECTS, Clip, Effects
from services.workers.media.ffmpeg import MediaTools
from services.workers.media.mosaics import mosaics
from services.workers.media.probe import probe
from services.workers.media.watermarks import drawn
from services.workers.nodes.base import NodeContext
from services.workers.nodes.errors import as_invalid_input
from services.workers.nodes.extras import fetch
from services.workers.nodes.marks import prepare
from services.workers.nodes.subtitling import added, burnt
from services.workers.nodes.transcode_plan import canvas_of
from shared.model.failure import InvalidInput, SourceFileError
from shared.mps.media import MediaMetaData
from shared.mps.presets import resolve_watermarks
from shared.mps.presets.transcode import check_fits
from shared.mps.storage import MediaInputInfo
from shared.mps.transcode import RawTranscodeParameter, TranscodeTaskInput

MAX_CLIP_BYTES = 4 * 1024**3


async def drawing(
    context: NodeContext,
    tools: MediaTools,
    params: TranscodeTaskInput,
    template: RawTranscodeParameter,
    path: Path,
    source: MediaMetaData,
    folder: Path,
    effects: Effects = NO_EFFECTS,
) -> Effects:
    """`effects` with what is drawn. Files of ours are in `folder`, in which ffmpeg must run. Raises NodeError."""
    with as_invalid_input():
        check_fits(params, template)
        marks = resolve_watermarks(params.watermark_set, context.task.templates)
    captions = template.subtitle_template if template.subtitle_template and template.subtitle_template.on else None
    if params.head_tail_parameter:
        heads = await _clips(context, "HeadTailParameter.HeadSet", params.head_tail_parameter.head_set or ())
        tails = await _clips(context, "HeadTailParameter.TailSet", params.head_tail_parameter.tail_set or ())
        effects = replace(effects, heads=heads, tails=tails)
    if not marks and not params.mosaic_set and not captions and not params.tracks:
        return effects
    canvas = canvas_of(params, template, source)
    subtitles = await burnt(context, tools, captions, [canvas], path, folder) if captions else []
    later = replace(canvas, begins_s=canvas.begins_s + sum(clip.facts.video_duration for clip in effects.heads))
    tracks = await added(context, params.tracks, later, folder)
    ready = await prepare(context, marks, canvas, folder)
    try:
        return replace(
            effects,
            mosaics=(*effects.mosaics, *mosaics(params.mosaic_set or (), canvas)),
            overlays=(*effects.overlays, *drawn(ready, canvas)),
            subtitles=(*effects.subtitles, *subtitles),
            tracks=(*effects.tracks, *tracks),
        )
    except ValueError as error:
        raise InvalidInput(str(error)) from error


async def _clips(context: NodeContext, field: str, wanted: Sequence[MediaInputInfo]) -> tuple[Clip, ...]:
    """The files to join, probed as untrusted media. Raises InvalidInput naming the clip."""
    found = []
    for index, info in enumerate(wanted):
        at = f"{field}[{index}]"
        path = await fetch(context, at, info, MAX_CLIP_BYTES)
        try:
            found.append(Clip(at, path, await probe(path)))
        except SourceFileError as error:
            raise InvalidInput(f"{at}: the clip cannot be used: {error}") from error
    return tuple(found)
