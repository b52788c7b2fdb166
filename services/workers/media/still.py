"""Pictures from users, looked at before ffmpeg draws with them."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path
from typing import Literal

from services.workers.media.probe import probe
from services.workers.media.watermarks import Picture
from shared.model.failure import InvalidInput, SourceFileError

MAX_PIXELS = 40_000_000
Demuxer = Literal["png_pipe", "jpeg_pipe", "webp_pipe", "gif", "apng"]
_CHUNKS_BEFORE_PIXELS = 100


async def look_at(path: Path) -> Picture:
    """What kind of picture it is. Raises InvalidInput if it is none that can be drawn with."""
    demuxer = await asyncio.to_thread(_demuxer, path)
    if demuxer is None:
        raise InvalidInput("it is no JPEG, PNG, APNG, GIF or still WebP picture")
    try:
        facts = await probe(path, demuxer)
    except SourceFileError as error:
        raise InvalidInput(f"the picture cannot be read: {error}") from error
    if facts.width * facts.height > MAX_PIXELS:
        raise InvalidInput(f"the picture has {facts.width}x{facts.height} pixels, more than {MAX_PIXELS} in all")
    width, height = facts.shown_size
    moving = demuxer in ("gif", "apng")
    return Picture(
        path,
        demuxer,
        max(width, 1),
        max(height, 1),
        alpha=demuxer != "jpeg_pipe",
        lasts_s=facts.duration if moving else 0.0,
    )


def _demuxer(path: Path) -> Demuxer | None:
    """By its first bytes, whatever its name says; blocks."""
    with path.open("rb") as file:
        head = file.read(21)
        if head.startswith(b"\x89PNG\r\n\x1a\n"):
            file.seek(8)
            # The animation's header stands before the first pixels.
            for _ in range(_CHUNKS_BEFORE_PIXELS):
                chunk = file.read(8)
                if len(chunk) < 8 or chunk[4:] == b"IDAT":
                    break
                if chunk[4:] == b"acTL":
                    return "apng"
                file.seek(struct.unpack(">I", chunk[:4])[0] + 4, 1)
            return "png_pipe"
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg_pipe"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    animated = head[12:16] == b"VP8X" and head[20:21] and head[20] & 0x02
    return "webp_pipe" if head[:4] == b"RIFF" and head[8:12] == b"WEBP" and not animated else None
