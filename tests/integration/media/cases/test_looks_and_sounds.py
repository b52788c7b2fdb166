"""Where the number of pixels says nothing: fill, rotation, tone mapping, the mix of six channels to two."""

from __future__ import annotations

import math
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import av
import pytest

from services.workers.media.ffmpeg import media_tools
from services.workers.nodes.transcode import Transcode
from tests.integration.media.cases import sources
from tests.integration.media.cases.case import Wire, audio, raw, video
from tests.integration.media.context import FakeContext, task_for

Transcoded = Callable[[str, Wire], "Pair"]


class Pair:
    """A source and what the node made of it."""

    def __init__(self, source: Path, output: Path) -> None:
        self.source, self.output = source, output

    def alike(self, of_output: str, of_source: str) -> float:
        """SSIM of the two after a filter for each; 1 is the same picture."""
        graph = f"[0:v]{of_output},format=yuv420p[a];[1:v]{of_source},format=yuv420p[b];[a][b]ssim"
        command = [sources.FFMPEG, "-nostdin", "-hide_banner", "-i", str(self.output), "-i", str(self.source)]
        ended = subprocess.run(
            [*command, "-lavfi", graph, "-f", "null", "-"], capture_output=True, text=True, timeout=60
        )
        found = re.search(r"All:([\d.]+)", ended.stderr)
        assert found, ended.stderr[-500:]
        return float(found[1])

    def luma(self, area: str) -> tuple[int, int]:
        """Darkest and brightest of an area (`width:height:x:y`) of the output's first frame."""
        width, height, left, top = (int(part) for part in area.split(":"))
        with av.open(str(self.output)) as container:
            frame = next(container.decode(video=0))
            plane = bytes(frame.planes[0])
            line = frame.planes[0].line_size
        rows = [plane[y * line + left : y * line + left + width] for y in range(top, top + height)]
        return min(map(min, rows)), max(map(max, rows))


@pytest.fixture
def made(tmp_path: Path) -> Callable[[str], Path]:
    folder = tmp_path / "sources"
    folder.mkdir()
    return sources.make(folder)


@pytest.fixture
def run(made: Callable[[str], Path], tmp_path: Path) -> Callable[..., object]:
    async def transcoded(source: str, params: Wire) -> Pair:
        scratch = tmp_path / "scratch"
        scratch.mkdir()
        context = FakeContext(task_for("transcode", params), scratch, made(source))
        outcome = await Transcode(media_tools(threads=1)).execute(context)
        return Pair(made(source), outcome.files[-1].path)

    return transcoded


SQUARE = {"Width": 160, "Height": 160, "Vcrf": 10}
"""The picture is 160x90 in the middle, from line 34 on (even lines, so that colours are not shifted)."""
INSIDE, ABOVE, BELOW = "crop=160:90:0:34", "160:30:0:0", "160:30:0:128"


@pytest.mark.parametrize(("fill", "darkest", "brightest"), [(None, 14, 18), ("black", 14, 18), ("white", 233, 237)])
async def test_bars_have_their_colour_and_the_picture_is_untouched(
    run: Transcoded, fill: str | None, darkest: int, brightest: int
) -> None:
    pair = await run("plain.mp4", raw("mp4", video(**SQUARE, **({"FillType": fill} if fill else {}))))
    assert pair.alike(INSIDE, "null") > 0.97
    for area in (ABOVE, BELOW):
        low, high = pair.luma(area)
        assert darkest <= low <= high <= brightest


async def test_blurred_bars_are_the_picture_enlarged_and_blurred(run: Transcoded) -> None:
    pair = await run("plain.mp4", raw("mp4", video(**SQUARE, FillType="gauss")))
    assert pair.alike(INSIDE, "null") > 0.97
    cover = "scale=284:160,crop=160:160,gblur=sigma=20"
    for top in (0, 128):
        bar = f"crop=160:30:0:{top}"
        assert pair.alike(bar, f"{cover},{bar}") > 0.9
        assert pair.alike(bar, f"scale=284:160,crop=160:160,{bar}") < 0.8, "it is blurred indeed"


async def test_stretched_fills_the_frame(run: Transcoded) -> None:
    pair = await run("plain.mp4", raw("mp4", video(**SQUARE, FillType="stretch")))
    assert pair.alike("null", "scale=160:160") > 0.97
    assert pair.alike("null", "pad=160:160:0:34") < 0.7


@pytest.mark.parametrize(
    ("source", "turn"),
    [("left.mp4", "transpose=cclock"), ("right.mp4", "transpose=clock"), ("upside_down.mp4", "rotate=PI")],
)
async def test_rotated_sources_come_out_upright(run: Transcoded, source: str, turn: str) -> None:
    pair = await run(source, raw("mp4", video(Vcrf=10)))
    # -noautorotate is not for a filter graph: the stored picture is that of the plain source.
    stored = Pair(pair.source.with_name("plain.mp4"), pair.output)
    assert stored.alike("null", turn) > 0.97
    assert (
        stored.alike(
            "null",
            turn.replace("cclock", "CLOCK").replace("clock", "cclock").replace("CLOCK", "clock").replace("PI", "0"),
        )
        < 0.7
    )


@pytest.mark.parametrize("source", ["pq.mp4", "hlg.mp4"])
async def test_hdr_is_brought_to_the_brightness_of_sdr(run: Transcoded, source: str) -> None:
    """Shown as it is stored, PQ is grey and flat: the tone map stretches it again."""
    pair = await run(source, raw("mp4", video(Vcrf=10)))
    low, high = pair.luma("160:90:0:0")
    assert low < 40
    assert high > 180
    assert 0.3 < pair.alike("null", "null") < 0.99, "the same picture in other colours"


@pytest.mark.parametrize("source", ["surround.mp4", "surround.mkv"])
async def test_speech_of_six_channels_stays_above_the_rest(run: Transcoded, source: str) -> None:
    """Speech is in the centre. A plain mix divides it by the sum of all coefficients, and it drowns."""
    pair = await run(source, raw("wav", None, audio("pcm16", 0, 48000)))
    left, right = _channels(pair.output)
    for channel, own, other in ((left, 300, 400), (right, 400, 300)):
        speech = _level(channel, 1000)
        assert speech == pytest.approx(0.25 * 0.707, rel=0.15), "as loud as it was, less the headroom of the mix"
        assert speech > 2 * _level(channel, own) > 4 * _level(channel, other)
    assert max(map(abs, (*left, *right))) < 0.99


def _channels(path: Path) -> tuple[list[float], list[float]]:
    samples: list[int] = []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            samples += memoryview(bytes(frame.planes[0])[: frame.samples * 4]).cast("h")
    return [value / 32768 for value in samples[::2]], [value / 32768 for value in samples[1::2]]


def _level(samples: list[float], hertz: int) -> float:
    """Amplitude of one tone, over the half second in the middle (Goertzel)."""
    middle = samples[24_000:48_000]
    turn = 2 * math.cos(2 * math.pi * hertz / 48_000)
    before = now = 0.0
    for value in middle:
        before, now = now, value + turn * now - before
    return 2 * math.sqrt(before**2 + now**2 - turn * before * now) / len(middle)
