"""Animated graphics: a part of the source as GIF or animated WebP (MPS_API §7)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import ClassVar

from services.workers.media import animation, ffmpeg, pictures
from services.workers.media.animation import Part
from services.workers.media.containers import IMAGE_TYPES
from services.workers.media.ffmpeg import MediaTools
from services.workers.media.geometry import Geometry
from services.workers.media.picture import frame_of, look
from services.workers.media.verify import check_duration
from services.workers.media.winding import is_still
from services.workers.nodes.base import NodeContext, NodeOutcome, OutputFile
from services.workers.nodes.errors import as_invalid_input
from services.workers.nodes.place import Place, md5_of, read_source
from shared.model.failure import ErrCode, InvalidInput, SourceFileError
from shared.model.task import Lane
from shared.mps.animated_graphics import ANIMATED_PATH, AnimatedGraphicsTemplate, AnimatedGraphicTaskInput
from shared.mps.base import MpsModel
from shared.mps.media import MediaAnimatedGraphicsItem, MediaMetaData
from shared.mps.naming import OutputNames
from shared.mps.presets import NO_OWN, OwnTemplates, animated_graphics_template

FILL = "stretch"
"""The templates have no FillType: a size that is given is the size (SDK)."""
MAX_SIDE = {"webp": 16_383, "gif": 65_535}


@dataclass(frozen=True, slots=True)
class AnimationPlan:
    """What part moves, what it looks like and where it goes."""

    template: AnimatedGraphicsTemplate
    part: Part
    frame: Geometry
    look: tuple[str, ...]
    key: str
    shown_path: str


def plan(
    params: AnimatedGraphicTaskInput, source: MediaMetaData, names: OutputNames, own: OwnTemplates = NO_OWN
) -> AnimationPlan:
    """Raises InvalidInput (also for offsets beyond the end), SourceFileError, UnknownTemplate, NamingError."""
    template = animated_graphics_template(params.definition, own)
    pictures.require_picture(source)
    frame = frame_of(template, source, FILL)
    if max(frame.width, frame.height) > MAX_SIDE[template.format]:
        raise InvalidInput(f"Width and Height would give a picture that is too large for {template.format}")
    path = params.output_object_path or ANIMATED_PATH
    return AnimationPlan(
        template=template,
        part=_part(params, source, template.fps),
        frame=frame,
        look=look(frame, source, FILL),
        key=names.key("OutputObjectPath", path, template.format),
        shown_path=names.shown(path, template.format),
    )


def _part(params: AnimatedGraphicTaskInput, source: MediaMetaData, fps: int) -> Part:
    start, end = params.start_time_offset, params.end_time_offset
    if is_still(source):
        return Part(0.0, 0.0, 1)
    lasts = source.video_duration or source.duration
    if lasts:
        if start >= lasts:
            raise _bad_offset(f"StartTimeOffset {start:g} is beyond the end of the source ({lasts:g} s)")
        if end > source.duration + pictures.END_SLACK_S:
            raise _bad_offset(f"EndTimeOffset {end:g} is beyond the end of the source ({source.duration:g} s)")
        end = min(end, lasts)
    frames = max(round((end - start) * fps), 1)
    if frames > animation.MAX_FRAMES:
        raise InvalidInput(f"the part would have {frames} frames, more than {animation.MAX_FRAMES}")
    return Part(start, end - start, frames)


def _bad_offset(message: str) -> InvalidInput:
    return InvalidInput(message, ErrCode.INVALID_TIME_OFFSET)


class AnimatedGraphics:
    """Makes the moving picture and checks that nothing is missing."""

    name: ClassVar[str] = "animated_graphics"
    lane: ClassVar[Lane] = Lane.MEDIA
    params: ClassVar[type[MpsModel]] = AnimatedGraphicTaskInput

    def __init__(self, tools: MediaTools) -> None:
        self._tools = tools

    async def execute(self, context: NodeContext) -> NodeOutcome:
        """Raises NodeError."""
        task = context.task
        with as_invalid_input():
            params = AnimatedGraphicTaskInput.model_validate(task.params)
        place = Place.of(task, params.output_storage)
        path, source = await read_source(context)
        with as_invalid_input():
            work = plan(
                params, source, OutputNames(task.original.key, params.definition, task.target.dir), task.templates
            )
        place.check(task, [work.key])
        folder = context.scratch / "animation"
        folder.mkdir()
        template, part = work.template, work.part
        commands = animation.arguments(path, source, template, part, work.look, self._tools.threads)
        written_s, complaints = 0.0, ""

        for number, command in enumerate(commands.calls):

            def on_time(done_s: float, number: int = number) -> None:
                nonlocal written_s
                written_s = done_s
                share = min(done_s / part.length_s, 1.0) if part.length_s else 1.0
                context.report_progress(100 * (number + share) / len(commands.calls))

            written_s = 0.0
            complaints = await ffmpeg.call(self._tools, command, folder, on_time)
        made = folder / commands.output
        if not made.is_file() or not (size := made.stat().st_size):
            raise SourceFileError("the source is damaged: nothing of it could be decoded")
        length_s = part.frames / template.fps
        if not is_still(source):
            check_duration(source, written_s, length_s, complaints)
        payload = MediaAnimatedGraphicsItem(
            storage=place.storage,
            path="/" + work.key,
            definition=params.definition,
            container=template.format,
            height=work.frame.height,
            width=work.frame.width,
            bitrate=round(size * 8 / length_s),
            size=size,
            md5=await asyncio.to_thread(md5_of, made),
            start_time_offset=round(part.start_s, 3),
            end_time_offset=round(part.start_s + part.length_s, 3),
        )
        return NodeOutcome(
            files=(OutputFile(made, place.bucket, place.region, work.key, IMAGE_TYPES[template.format]),),
            echo=params.echo(place.storage, work.shown_path),
            payload=payload.to_wire(),
        )
