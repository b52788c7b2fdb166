"""The files of a stream as the encoder left them, put into the segments that were asked for."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from services.workers.media import hls
from services.workers.media.segments import Segments
from shared.model.failure import InternalError


def files_beside(playlist: Path, segments: Segments) -> list[Path]:
    """The local files that a playlist names, in its order, initialisation segment first. Segments that must be longer
    than the encoder made them are joined, and the playlist is written anew. Blocks. Raises InternalError if there are
    none."""
    if segments.uneven:
        text, groups = hls.joined(playlist.read_text(), segments.boundaries())
        for first, *others in groups:
            _append(playlist.with_name(first), [playlist.with_name(name) for name in others])
        playlist.write_text(text)
    parts = [playlist.with_name(name) for name in hls.local_names(playlist.read_text())]
    if not parts or not all(part.is_file() for part in parts):
        raise InternalError("the encoder named segments that it did not write")
    return parts


def _append(first: Path, others: Sequence[Path]) -> None:
    """Bytes of segments one after another are a segment again, in MPEG-TS and in fragmented MP4."""
    with first.open("ab") as whole:
        for other in others:
            with other.open("rb") as part:
                shutil.copyfileobj(part, whole)
            other.unlink()
