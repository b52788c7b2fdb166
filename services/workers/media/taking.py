"""Takes still pictures: chooses the cheapest way that is good enough, and looks again for what is missing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from services.workers.media import ffmpeg, pictures
from services.workers.media.ffmpeg import MediaTools
from services.workers.media.pictures import Wanted, file_name
from services.workers.media.verify import claims_more_than_there_is
from services.workers.media.winding import seek_costs_s
from shared.model.failure import SourceFileError

STEPS_BACK_S = (0.0, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0)
"""How far before a moment to look when there is no frame at or after it: the last frame lies before the end."""
SHORT_S = 60.0
"""Work of at most so many seconds of decoding is not worth to be off by anything."""
TOLERANCE_SHARE = 0.25
MAX_TOLERANCE_S = 2.0

OnCount = Callable[[int], None]


def tolerance_s(interval_s: float) -> float:
    """How far off a picture of a dense series may be."""
    return min(interval_s * TOLERANCE_SHARE, MAX_TOLERANCE_S)


class Taker:
    """Takes pictures of one source into one folder; `on_count` hears how many are there. All methods return a file for
    every picture, and raise NodeError."""

    def __init__(self, tools: MediaTools, wanted: Wanted, folder: Path, on_count: OnCount = lambda _: None) -> None:
        self._tools = tools
        self._wanted = wanted
        self._folder = folder
        self._on_count = on_count

    async def at(self, times: Sequence[float]) -> list[Path]:
        """The pictures that are shown at those moments: exactly those, by jumps."""
        await self._jump(dict(enumerate(times)), len(times))
        return await self._complete(times)

    async def every(self, interval_s: float, times: Sequence[float]) -> list[Path]:
        """The pictures that are shown at those moments, which lie `interval_s` apart from 0 on: exactly those, by jumps
        or in one pass over the whole, whichever is cheaper."""
        await self._exactly(interval_s, dict(enumerate(times)), len(times))
        return await self._complete(times)

    async def near(self, interval_s: float, times: Sequence[float]) -> list[Path]:
        """As `every` while that is cheap; of a long source each picture may be up to `tolerance_s(interval_s)` off,
        where a key frame lies so near."""
        all_times = dict(enumerate(times))
        if self._price(len(times)) > SHORT_S:
            taken = await self._scan(interval_s, len(times))
            all_times = {index: time for index, time in all_times.items() if index not in taken}
        await self._exactly(interval_s, all_times, len(times))
        return await self._complete(times)

    def _file(self, index: int) -> Path:
        return self._folder / file_name(index, self._wanted.extension)

    def _price(self, count: int) -> float:
        """Of so many exact pictures, in seconds of the source decoded."""
        return min(count * seek_costs_s(self._wanted.source), self._wanted.source.duration)

    async def _exactly(self, interval_s: float, times: Mapping[int, float], of: int) -> None:
        source = self._wanted.source
        if len(times) > 1 and len(times) * seek_costs_s(source) >= source.duration:
            call = pictures.in_one_pass(self._wanted, interval_s, of)
            with contextlib.suppress(SourceFileError):
                # The encoder counts one second for each picture.
                await ffmpeg.call(self._tools, call, self._folder, lambda done: self._on_count(min(int(done), of)))
        else:
            await self._jump(times, of)

    async def _jump(self, times: Mapping[int, float], of: int) -> None:
        at_once = pictures.chunk_size(self._wanted.source)
        indexes = list(times)
        before = of - len(indexes)
        for first in range(0, len(indexes), at_once):
            chunk = {index: times[index] for index in indexes[first : first + at_once]}
            with contextlib.suppress(SourceFileError):
                # Some builds fail if one of the inputs has no frame left; each that is missing is looked at later.
                await ffmpeg.call(self._tools, pictures.by_jumps(self._wanted, chunk), self._folder)
            self._on_count(before + first + len(chunk))

    async def _scan(self, interval_s: float, count: int) -> set[int]:
        """Takes what key frames are near enough; returns which pictures are there."""
        off_s = tolerance_s(interval_s)
        call = pictures.of_key_frames(self._wanted, interval_s, off_s)
        with contextlib.suppress(SourceFileError):
            await ffmpeg.call(
                self._tools, call, self._folder, lambda done: self._on_count(min(int(done / interval_s), count))
            )
        found = {int(file.stem.removeprefix("near-")) / 1000: file for file in self._folder.glob("near-*")}
        chosen = pictures.nearest(list(found), interval_s, off_s, count)
        for index, time in chosen.items():
            found.pop(time).rename(self._file(index))
        for file in found.values():
            file.unlink()
        return set(chosen)

    async def _complete(self, times: Sequence[float]) -> list[Path]:
        files = [self._file(index) for index in range(len(times))]
        for index, file in enumerate(files):
            if not _there(file):
                await self._late(index, times[index])
        self._on_count(len(files))
        return files

    async def _late(self, index: int, time_s: float) -> None:
        """A picture that was not there at its time: the last frame before it, unless the file was cut off there."""
        truncated = SourceFileError(f"the source is truncated or damaged: there is no picture at {time_s:.1f} s")
        for back_s in STEPS_BACK_S:
            call = pictures.by_jumps(self._wanted, {index: max(time_s - back_s, 0.0)})
            try:
                complaints = await ffmpeg.call(self._tools, call, self._folder)
            except SourceFileError as error:
                complaints = error.failure.message
            if _there(self._file(index)):
                return
            if "prematurely" in complaints or claims_more_than_there_is(self._wanted.source) or back_s > time_s:
                raise truncated
        raise truncated


def _there(file: Path) -> bool:
    return file.is_file() and file.stat().st_size > 0
