"""Watermarks of a node: their pictures fetched and looked at, their texts and drawings written down."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from pathlib import Path

from services.workers.media.canvas import Canvas
from services.workers.media.still import look_at
from services.workers.media.svg import draw_svg
from services.workers.media.watermarks import Mark, Picture
from services.workers.nodes.base import NodeContext
from services.workers.nodes.extras import fetch
from shared.model.failure import InvalidInput
from shared.mps.presets import ResolvedMark
from shared.mps.watermark import ImageWatermarkInput, RawImageWatermarkInput

MAX_IMAGE_BYTES = 20_000_000


async def prepare(
    context: NodeContext, marks: Sequence[ResolvedMark], canvas: Canvas, folder: Path
) -> tuple[Mark, ...]:
    """Puts what the watermarks are drawn from into `folder`, in which ffmpeg is to run.

    Raises InvalidInput naming the watermark whose picture is missing, none, or too large.
    """
    return tuple([await _prepare(context, index, mark, canvas, folder) for index, mark in enumerate(marks)])


async def _prepare(context: NodeContext, index: int, mark: ResolvedMark, canvas: Canvas, folder: Path) -> Mark:
    template = mark.template
    if template.image_template is not None:
        return Mark(mark, picture=await _image(context, index, mark.field, template.image_template, folder))
    if template.svg_template is not None:
        width, height = (
            extent.pixels(side, canvas.frame.width, canvas.frame.height)
            for extent, side in zip(
                template.svg_template.extents(), (canvas.frame.width, canvas.frame.height), strict=True
            )
        )
        try:
            # Drawn in its own proportions; if both sides are given, ffmpeg brings it to them.
            png = await draw_svg(
                mark.wanted.svg_content or "",
                folder,
                f"mark-{index}.png",
                round(width),
                0 if round(width) else round(height),
            )
            return Mark(mark, picture=await look_at(png))
        except InvalidInput as error:
            raise InvalidInput(f"{mark.field}.{error}") from error
    style = template.text_template
    name = f"mark-{index}.txt"
    text = mark.wanted.text_content or (style.text_content if style else None) or ""
    await asyncio.to_thread((folder / name).write_text, text, "utf-8")
    return Mark(mark, text_file=name)


async def _image(
    context: NodeContext, index: int, field: str, image: ImageWatermarkInput | RawImageWatermarkInput, folder: Path
) -> Picture:
    if isinstance(image, RawImageWatermarkInput):
        field = f"{field}.RawParameter.ImageTemplate.ImageContent"
        path = await fetch(context, field, image.image_content, MAX_IMAGE_BYTES)
    else:
        path = folder / f"mark-{index}"
        await asyncio.to_thread(path.write_bytes, base64.b64decode(image.image_content))
    try:
        return await look_at(path)
    except InvalidInput as error:
        raise InvalidInput(f"{field}: {error}") from error
