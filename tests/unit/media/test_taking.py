"""Which way pictures are taken: what one process does, and that no long file is decoded for a few pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from services.workers.media import ffmpeg
from services.workers.media.ffmpeg import MediaTools
from services.workers.media.pictures import Wanted
from services.workers.media.taking import Taker
from shared.model.failure import SourceFileError
from shared.mps.media import MediaMetaData
from tests.unit.media.test_plans import media


class Recorder:
    """In ffmpeg's place: keeps the calls and writes what they would. Key frames lie `key_every_s` apart."""

    def __init__(self, source: MediaMetaData, key_every_s: float, missing: Sequence[int] = ()) -> None:
        self.calls: list[list[str]] = []
        self._source = source
        self._key_every_s = key_every_s
        self._missing = {f"picture-{index}.png" for index in missing}

    async def __call__(
        self,
        tools: MediaTools,
        arguments: Sequence[str],
        folder: Path,
        on_time: Callable[[float], None] = lambda _: None,
    ) -> str:
        self.calls.append(list(arguments))
        names = [text.removeprefix("file:") for text in arguments if text.startswith(("file:picture", "file:near"))]
        for name in names:
            if name.startswith("near"):
                found = range(int(self._source.duration / self._key_every_s))
                numbers = [str(round(index * self._key_every_s * 1000)) for index in found]
            elif "%d" in name:
                numbers = [str(index) for index in range(int(arguments[arguments.index("-frames:v") + 1]))]
            else:
                numbers = [""]
            for number in numbers:
                written = name.replace("%d", number)
                if written not in self._missing:
                    (folder / written).write_text("picture")
        return ""

    @property
    def ways(self) -> list[str]:
        """What each call was: so many jumps, a scan of key frames, or a pass."""
        found = []
        for call in self.calls:
            if "-skip_frame" in call:
                found.append("scan")
            elif "file:picture-%d.png" in call:
                found.append("pass")
            else:
                found.append(f"{call.count('-i')} jumps")
        return found


def film(hours: float, **more: Any) -> MediaMetaData:
    seconds = hours * 3600
    return media(duration=seconds, video_duration=seconds, audio_duration=seconds, **more)


async def take(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    way: str,
    source: MediaMetaData,
    count: int,
    key_every_s: float = 2.0,
    missing: Sequence[int] = (),
) -> tuple[list[str], list[int]]:
    """The calls for `count` pictures spread over the source, and the progress."""
    recorder = Recorder(source, key_every_s, missing)
    monkeypatch.setattr(ffmpeg, "call", recorder)
    heard: list[int] = []
    taker = Taker(MediaTools(Path("/bin/false")), Wanted(Path("/in"), source, (), "png"), folder, heard.append)
    interval = source.duration / count
    times = [index * interval for index in range(count)]
    files = await (taker.at(times) if way == "at" else getattr(taker, way)(interval, times))
    assert len(files) == count
    assert all(file.exists() for file in files)
    assert not list(folder.glob("near-*"))
    return recorder.ways, heard


@pytest.mark.parametrize("way", ["at", "every", "near"])
async def test_ten_pictures_of_a_film_are_ten_jumps_of_one_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str
) -> None:
    assert await take(monkeypatch, tmp_path, way, film(2), 10) == (["10 jumps"], [10, 10])


async def test_a_process_has_a_bounded_number_of_inputs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ways, heard = await take(monkeypatch, tmp_path, "at", film(1), 25)
    assert ways == ["10 jumps", "10 jumps", "5 jumps"]
    assert heard == [10, 20, 25, 25]
    large, _ = await take(monkeypatch, tmp_path, "at", film(1, width=3840, height=2160), 7)
    assert large == ["3 jumps", "3 jumps", "1 jumps"]


async def test_dense_samples_are_taken_in_one_pass(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert (await take(monkeypatch, tmp_path, "every", film(0.25), 900))[0] == ["pass"]
    assert (await take(monkeypatch, tmp_path, "every", media(), 10))[0] == ["pass"]
    assert len((await take(monkeypatch, tmp_path, "every", film(0.25), 225))[0]) == 23


async def test_tiles_of_a_film_are_key_frames(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert (await take(monkeypatch, tmp_path, "near", film(2), 720))[0] == ["scan"]


async def test_tiles_without_a_near_key_frame_are_taken_exactly(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # A key frame every 9 s, tiles every 10 s: at most 2 s away from five of nine.
    ways, heard = await take(monkeypatch, tmp_path, "near", film(0.5), 180, 9.0)
    assert ways[0] == "scan"
    assert ways[1:] == ["10 jumps"] * 8
    assert heard == sorted(heard)


async def test_tiles_denser_than_key_frames_are_taken_in_one_pass(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert (await take(monkeypatch, tmp_path, "near", film(0.25), 900, 10.0))[0] == ["scan", "pass"]


async def test_what_a_pass_leaves_out_is_looked_for_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(SourceFileError, match=r"there is no picture at 9\.0 s"):
        await take(monkeypatch, tmp_path, "every", media(), 10, missing=[9])
