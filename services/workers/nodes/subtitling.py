"""Subtitles of a node: fetched or taken out of the source, read, and written as what ffmpeg draws or adds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from services.workers.media import ffmpeg
from services.workers.media.canvas import Canvas
from services.workers.media.captions import MAX_BYTES, Captions, read_captions
from services.workers.media.effects import SubtitleTrack
from services.workers.media.ffmpeg import MediaTools
from services.workers.media.fonts import SANS, SERIF
from services.workers.media.process import ProcessTimeout
from services.workers.media.subtitles import burn, plain_track, script
from services.workers.nodes.base import NodeContext
from services.workers.nodes.extras import fetch
from services.workers.scratch import ScratchFull
from shared.model.failure import InvalidInput, NodeError
from shared.mps.subtitle import AddOnSubtitle, SubtitleTemplate

_SCRIPT, _FONTS, _TAKEN_OUT = "captions-{}.ass", "fonts", "captions-of-the-source.ass"


async def burnt(
    context: NodeContext,
    tools: MediaTools,
    template: SubtitleTemplate,
    canvases: Sequence[Canvas],
    source: Path,
    folder: Path,
) -> list[str]:
    """The filters that draw the subtitles on each picture, their files in `folder`. Raises InvalidInput naming the
    member."""
    field, path = await _file(context, tools, template, source, folder)
    captions = await _read(field, path, folder)
    fonts = folder / _FONTS
    fonts.mkdir()
    for font in (SANS, SERIF):
        (fonts / font.path.name).symlink_to(font.path)
    found = []
    for number, canvas in enumerate(canvases):
        name = _SCRIPT.format(number)
        (folder / name).write_text(await asyncio.to_thread(script, captions, template, canvas), "utf-8")
        found.append(burn(name, _FONTS))
    return found


async def added(
    context: NodeContext, wanted: Sequence[AddOnSubtitle], canvas: Canvas, folder: Path
) -> tuple[SubtitleTrack, ...]:
    """The tracks, their files in `folder`. Raises InvalidInput naming the member."""
    found = []
    for index, (track, captions) in enumerate(
        zip(wanted, await read_tracks(context, wanted, "OverrideParameter.AddOnSubtitles", folder), strict=True)
    ):
        name = f"track-{index}.srt"
        (folder / name).write_text(await asyncio.to_thread(plain_track, captions, canvas), "utf-8")
        found.append(SubtitleTrack(name, track.subtitle_language, track.subtitle_name, track.default_track))
    return tuple(found)


async def read_tracks(
    context: NodeContext, wanted: Sequence[AddOnSubtitle], member: str, folder: Path
) -> list[Captions]:
    """What the files of `member` say; `folder` is for files of ours. Raises InvalidInput naming the member."""
    found = []
    for index, track in enumerate(wanted):
        field = f"{member}[{index}].Subtitle"
        found.append(await _read(field, await fetch(context, field, track.subtitle, MAX_BYTES), folder))
    return found


async def _file(
    context: NodeContext, tools: MediaTools, template: SubtitleTemplate, source: Path, folder: Path
) -> tuple[str, Path]:
    if template.subtitle_file_input is not None:
        field = "SubtitleTemplate.SubtitleFileInput"
        return field, await fetch(context, field, template.subtitle_file_input, MAX_BYTES)
    if template.path:
        field = "SubtitleTemplate.Path"
        try:
            # [OURS] the contract does not say in which bucket.
            bucket = context.task.original.bucket
            return field, await context.fetch_object(bucket, template.path.removeprefix("/"), MAX_BYTES)
        except InvalidInput as error:
            raise InvalidInput(f"{field}: {error}") from error
    assert template.stream_index is not None
    return "SubtitleTemplate.StreamIndex", await _taken_out(tools, template.stream_index, source, folder)


async def _taken_out(tools: MediaTools, index: int, source: Path, folder: Path) -> Path:
    """The contract calls it the number of the stream in the file, and also says that 0 is the first one with
    subtitles: the former if that stream has subtitles, else the latter."""
    for stream in (f"0:{index}", f"0:s:{index}"):
        arguments = [*ffmpeg.source(source), "-map", stream, "-c:s", "ass", "-f", "ass", f"file:{_TAKEN_OUT}"]
        try:
            await ffmpeg.call(tools, arguments, folder)
        except (ScratchFull, ProcessTimeout):
            raise
        except NodeError:
            continue
        return folder / _TAKEN_OUT
    raise InvalidInput(f"SubtitleTemplate.StreamIndex: the source has no text subtitles with the number {index}")


async def _read(field: str, path: Path, folder: Path) -> Captions:
    try:
        return await read_captions(path, folder)
    except InvalidInput as error:
        raise InvalidInput(f"{field}: {error}") from error
