"""Pictures taken, and watermarked where that was asked for: the same for both snapshot nodes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.workers.media import ffmpeg, marking
from services.workers.media.canvas import Canvas
from services.workers.media.ffmpeg import MediaTools
from services.workers.media.geometry import Geometry
from services.workers.media.pictures import Wanted
from services.workers.media.taking import Taker
from services.workers.media.watermarks import drawn
from services.workers.nodes.base import NodeContext
from services.workers.nodes.marks import prepare
from shared.model.failure import InternalError, InvalidInput
from shared.mps.media import MediaMetaData
from shared.mps.presets import ResolvedMark

TAKING_SHARE = 0.9
"""Of the progress, if there is something to be drawn afterwards."""


@dataclass(frozen=True, slots=True)
class Looks:
    """What all pictures of a node look like."""

    frame: Geometry
    look: tuple[str, ...]
    extension: str
    marks: tuple[ResolvedMark, ...] = ()


async def taken(
    context: NodeContext,
    tools: MediaTools,
    path: Path,
    source: MediaMetaData,
    looks: Looks,
    count: int,
    take: Callable[[Taker], Awaitable[Sequence[Path]]],
) -> list[Path]:
    """The finished pictures, `count` of them, which `take` takes. Raises NodeError."""
    folder = context.scratch / "pictures"
    folder.mkdir()
    share = TAKING_SHARE if looks.marks else 1.0
    extension = marking.UNMARKED_EXTENSION if looks.marks else looks.extension
    taker = Taker(
        tools,
        Wanted(path, source, looks.look, extension, tools.threads),
        folder,
        lambda done: context.report_progress(100 * share * done / count),
    )
    files = list(await take(taker))
    if not looks.marks:
        return files
    canvas = Canvas(looks.frame, chroma="444")
    ready = await prepare(context, looks.marks, canvas, folder)
    try:
        on_top = drawn(ready, canvas)
    except ValueError as error:
        raise InvalidInput(str(error)) from error
    await ffmpeg.call(tools, marking.arguments(folder, on_top, count, looks.extension), folder)
    finished = [folder / marking.marked_name(index, looks.extension) for index in range(count)]
    if not all(file.is_file() and file.stat().st_size for file in finished):
        raise InternalError("not all pictures were watermarked")
    context.report_progress(100)
    return finished
