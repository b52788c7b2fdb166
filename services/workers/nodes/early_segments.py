"""Segments of a stream on their way while the rest is still being encoded."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from services.workers.media.containers import SEGMENT_TYPES
from services.workers.nodes.base import NodeContext, OutputFile
from services.workers.nodes.place import Place
from services.workers.nodes.transcode_plan import TranscodePlan
from shared.model.failure import InvalidInput
from shared.mps.naming import NamingError, OutputNames


def segment_file(path: Path, base: PurePosixPath, name: str, place: Place) -> OutputFile:
    """A segment, or what belongs to segments, and where it goes: `name` is relative to the playlist's folder."""
    return OutputFile(path, place.bucket, place.region, str(base / name), SEGMENT_TYPES[path.suffix[1:]])


class SegmentStream:
    """Offers each segment when the next one is begun. The last ones, the init segment and the playlist come at the end,
    when the whole has been checked."""

    def __init__(
        self, context: NodeContext, work: TranscodePlan, names: OutputNames, place: Place, folder: Path
    ) -> None:
        self._context, self._work, self._names, self._place, self._folder = context, work, names, place, folder
        self._next = 0
        self._taken = {work.key}
        self._offers = work.segments is not None and work.segments.final_at_once

    def look(self) -> None:
        """Offers what has been finished since the last look; one question to the file system if nothing has."""
        segments = self._work.segments
        while self._offers and segments and (self._folder / segments.file_name(self._next + 1)).exists():
            self._offer(self._folder / segments.file_name(self._next))
            self._next += 1

    def _offer(self, path: Path) -> None:
        work = self._work
        try:
            name = self._names.sibling(
                "SegmentObjectName", work.segment_template or "", work.segment_extension, self._next
            )
            file = segment_file(path, PurePosixPath(work.key).parent, name, self._place)
            self._place.check(self._context.task, [file.key])
        except (NamingError, InvalidInput):
            # The same check at the end says so, where it can be raised.
            self._offers = False
            return
        if file.key in self._taken:
            self._offers = False
            return
        self._taken.add(file.key)
        self._context.publish_early(file)
