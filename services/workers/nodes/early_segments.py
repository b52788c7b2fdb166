"""Segments of a stream on their way while the rest is still being encoded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from services.workers.media.containers import SEGMENT_TYPES
from services.workers.nodes.base import NodeContext, OutputFile
from services.workers.nodes.place import Place
from shared.model.failure import InvalidInput
from shared.mps.naming import NamingError


def segment_file(path: Path, key: str, place: Place) -> OutputFile:
    """A segment, or what belongs to segments, and where it goes."""
    return OutputFile(path, place.bucket, place.region, key, SEGMENT_TYPES[path.suffix[1:]])


class SegmentStream:
    """Offers each segment of one stream when the next one is begun. The last ones, the init segment and the playlist
    come at the end, when the whole has been checked.

    For segments that are not touched any more then (`Segments.final_at_once`), neither joined nor encrypted.
    """

    def __init__(
        self, context: NodeContext, place: Place, local: Callable[[int], Path], key: Callable[[int], str]
    ) -> None:
        """`local` and `key` are file and object of a segment by its number, from 0; `key` may raise NamingError."""
        self._context, self._place, self._local, self._key = context, place, local, key
        self._next = 0
        self._taken: set[str] = set()
        self._offers = True

    def look(self) -> None:
        """Offers what has been finished since the last look; one question to the file system if nothing has."""
        while self._offers and self._local(self._next + 1).exists():
            self._offer(self._next)
            self._next += 1

    def _offer(self, number: int) -> None:
        try:
            key = self._key(number)
            self._place.check(self._context.task, [key])
        except (NamingError, InvalidInput):
            # The same check at the end says so, where it can be raised.
            self._offers = False
            return
        if key in self._taken:
            self._offers = False
            return
        self._taken.add(key)
        self._context.publish_early(segment_file(self._local(number), key, self._place))
