"""Image sprite: small pictures in a grid, and a WebVTT file that names each of them (MPS_API §7)."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from services.workers.media import ffmpeg, pictures, sprites
from services.workers.media.containers import IMAGE_TYPES, WEB_VTT_TYPE
from services.workers.media.ffmpeg import MediaTools
from services.workers.media.picture import frame_of, look
from services.workers.media.sampling import sample_times
from services.workers.media.sprites import Grid
from services.workers.media.taking import Taker
from services.workers.nodes.base import NodeContext, NodeOutcome, OutputFile, UploadOrder
from services.workers.nodes.errors import as_invalid_input
from services.workers.nodes.place import Place, names_of, read_source
from shared.model.failure import InternalError, InvalidInput
from shared.model.task import Lane
from shared.mps.base import MpsModel
from shared.mps.image_sprite import MAX_TILES, SPRITE_PATH, WEB_VTT_NAME, ImageSpriteTaskInput, ImageSpriteTemplate
from shared.mps.image_task import MAX_PICTURES
from shared.mps.media import MediaImageSpriteItem, MediaMetaData
from shared.mps.naming import OutputNames
from shared.mps.presets import NO_OWN, OwnTemplates, image_sprite_template

TILES_SHARE = 0.9
"""Of the progress; the sheets are made quickly."""


@dataclass(frozen=True, slots=True)
class SpritePlan:
    """What tiles to take, how they stand on sheets, and where everything goes. `times` are the moments that tiles stand
    for, `looked_at` those to look at (within the video)."""

    template: ImageSpriteTemplate
    grid: Grid
    times: tuple[float, ...]
    looked_at: tuple[float, ...]
    interval_s: float
    look: tuple[str, ...]
    keys: tuple[str, ...]
    web_vtt_key: str
    web_vtt: str
    shown_path: str


def plan(
    params: ImageSpriteTaskInput, source: MediaMetaData, names: OutputNames, own: OwnTemplates = NO_OWN
) -> SpritePlan:
    """Raises InvalidInput, SourceFileError, UnknownTemplate, NamingError."""
    template = image_sprite_template(params.definition, own)
    pictures.require_picture(source)
    times = tuple(sample_times(template, source, MAX_TILES))
    frame = frame_of(template, source, template.fill_type)
    if problem := template.too_large(frame.width, frame.height):
        raise InvalidInput(problem)
    grid = Grid(template.row_count, template.column_count, frame.width, frame.height)
    sheets = grid.sheets(len(times))
    if sheets > MAX_PICTURES:
        raise InvalidInput(f"the template makes {sheets} sheets of this source, more than {MAX_PICTURES}")
    path = params.output_object_path or SPRITE_PATH
    keys = tuple(names.key("OutputObjectPath", path, template.format, index) for index in range(sheets))
    beside = names.sibling("WebVttObjectName", params.web_vtt_object_name or WEB_VTT_NAME, "vtt")
    web_vtt_key = posixpath.join(posixpath.dirname(keys[0]), beside)
    return SpritePlan(
        template=template,
        grid=grid,
        times=times,
        looked_at=pictures.check_times(times, source),
        interval_s=template.interval_s(source.duration),
        look=look(frame, source, template.fill_type),
        keys=keys,
        web_vtt_key=web_vtt_key,
        web_vtt=sprites.web_vtt(
            grid, times, source.duration, [sprites.relative_address(key, web_vtt_key) for key in keys]
        ),
        shown_path=names.shown(path, template.format),
    )


class ImageSprite:
    """Takes the tiles, puts them on sheets and writes the WebVTT file, which is uploaded last."""

    name: ClassVar[str] = "image_sprite"
    lane: ClassVar[Lane] = Lane.MEDIA
    params: ClassVar[type[MpsModel]] = ImageSpriteTaskInput

    def __init__(self, tools: MediaTools) -> None:
        self._tools = tools

    async def execute(self, context: NodeContext) -> NodeOutcome:
        """Raises NodeError."""
        task = context.task
        with as_invalid_input():
            params = ImageSpriteTaskInput.model_validate(task.params)
        place = Place.of(task, params.output_storage)
        path, source = await read_source(context)
        with as_invalid_input():
            work = plan(params, source, names_of(task, params.definition, params.numbers), task.templates)
        place.check(task, [*work.keys, work.web_vtt_key])
        folder = context.scratch / "sprite"
        folder.mkdir()
        taker = Taker(
            self._tools,
            pictures.Wanted(path, source, work.look, sprites.TILE_EXTENSION, self._tools.threads),
            folder,
            lambda count: context.report_progress(100 * TILES_SHARE * count / len(work.times)),
        )
        await taker.near(work.interval_s, work.looked_at)
        sheets = await self._sheets(folder, work)
        web_vtt = folder / "sprite.vtt"
        web_vtt.write_text(work.web_vtt)
        extension = work.template.format
        payload = MediaImageSpriteItem(
            definition=params.definition,
            height=work.grid.height,
            width=work.grid.width,
            total_count=min(len(work.times), work.grid.tiles),
            image_path_set=["/" + key for key in work.keys],
            web_vtt_path="/" + work.web_vtt_key,
            storage=place.storage,
        )
        files = [
            OutputFile(file, place.bucket, place.region, key, IMAGE_TYPES[extension])
            for file, key in zip(sheets, work.keys, strict=True)
        ]
        files.append(
            OutputFile(web_vtt, place.bucket, place.region, work.web_vtt_key, WEB_VTT_TYPE, UploadOrder.MANIFEST)
        )
        return NodeOutcome(
            files=tuple(files),
            echo=params.echo(place.storage, work.shown_path, "/" + work.web_vtt_key),
            payload=payload.to_wire(),
        )

    async def _sheets(self, folder: Path, work: SpritePlan) -> list[Path]:
        extension = work.template.format
        call = sprites.sheet_arguments(folder, work.grid, len(work.times), extension)
        await ffmpeg.call(self._tools, call, folder)
        sheets = [folder / sprites.sheet_name(index, extension) for index in range(len(work.keys))]
        if not all(sheet.is_file() and sheet.stat().st_size for sheet in sheets):
            raise InternalError("not all sheets of the sprite were made")
        return sheets
