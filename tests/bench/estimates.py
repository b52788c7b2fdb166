"""Fits the estimates of `shared/estimates` on this machine, and says how far off they are.

`python -m tests.bench.estimates fit` runs nodes on small clips and writes `coefficients.json`; `check` runs others, on
other material, and prints estimate and truth. CPU seconds are those of all children of a node, so a loaded machine
lengthens the measuring and hardly changes it.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import resource
import statistics
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from services.workers.media.ffmpeg import media_tools
from services.workers.media.probe import probe
from services.workers.nodes.base import NodeKind
from services.workers.nodes.registry import node_kinds
from shared.estimates.coefficients import FILE, Coefficients, coefficients
from shared.estimates.demand import Demand
from shared.estimates.estimate import demand
from shared.model.pipeline import Node
from shared.mps.media import MediaMetaData
from tests.e2e.stack import CLIP
from tests.integration.media.context import FakeContext, task_for

console = Console(width=140)
ROUNDS = 400
BUNNY = ("-stream_loop", "20", "-i", str(CLIP))
TONE = ("-f", "lavfi", "-i", "sine=frequency=330:sample_rate=48000")


@dataclass(frozen=True, slots=True)
class Case:
    """A node on a source, which is named by a key of `SOURCES`."""

    source: str
    kind: str
    params: Mapping[str, Any]
    name: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """What a case needs by the model's count, and what it took."""

    case: Case
    need: Demand
    cpu_s: float
    output_bytes: int = field(default=0)


def _h264(height: int, seconds: float, *more: str) -> tuple[str, ...]:
    return (*BUNNY, "-t", f"{seconds}", "-vf", f"scale=-2:{height}", "-c:v", "libx264", "-crf", "23", *more, "-ac", "2")


SOURCES: dict[str, tuple[str, ...]] = {
    "bunny 360.mp4": _h264(360, 3),
    "bunny 720.mp4": _h264(720, 2.5),
    "bunny hevc.mp4": (*_h264(480, 3), "-c:v", "libx265", "-preset", "ultrafast", "-crf", "26"),
    "bunny vp9.webm": (*_h264(360, 3), "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "500k"),
    "bunny av1.mp4": (*_h264(360, 3), "-c:v", "libsvtav1", "-preset", "12", "-crf", "35"),
    "bunny mpeg2.ts": (*_h264(480, 3), "-c:v", "mpeg2video", "-q:v", "5", "-c:a", "mp2"),
    "interlaced.mp4": _h264(480, 3, "-flags", "+ildct+ilme", "-x264-params", "tff=1"),
    "hdr.mp4": (
        *_h264(360, 2, "-pix_fmt", "yuv420p10le"),
        *("-x264-params", "transfer=smpte2084:colorprim=bt2020:colormatrix=bt2020nc"),
    ),
    "long.mp4": (*BUNNY, "-t", "60", "-c", "copy"),
    # Seen by nobody who fits.
    "fractal 480.mp4": (
        *("-f", "lavfi", "-i", "mandelbrot=size=854x480:rate=30:start_scale=1:end_scale=0.05:end_pts=300", *TONE),
        *("-t", "4", "-c:v", "libx264", "-preset", "veryfast", "-crf", "24", "-pix_fmt", "yuv420p", "-ac", "2"),
    ),
    "life 720.mp4": (
        *("-f", "lavfi", "-i", "life=size=320x180:rate=24:ratio=0.2:mold=20:life_color=#C83232:death_color=#3232C8"),
        *(*TONE, "-t", "4", "-vf", "scale=1280:720,gblur=3", "-c:v", "libx264", "-preset", "veryfast", "-crf", "26"),
        *("-pix_fmt", "yuv420p", "-ac", "1"),
    ),
    "bunny 1080.mp4": (*_h264(1080, 3, "-preset", "veryfast"), "-r", "30"),
    "bunny 480 hevc.mp4": (*_h264(540, 4), "-c:v", "libx265", "-preset", "superfast", "-crf", "24"),
    "100 seconds.mp4": (*BUNNY, "-t", "100", "-c", "copy"),
}
AAC = {"Codec": "aac", "Bitrate": 64, "SampleRate": 44100}


def encode(source: str, codec: str, height: int, kbps: int = 0, container: str = "mp4", **more: Any) -> Case:
    """A transcode with a raw template; `more` are members of the video template, or TEHDConfig."""
    tehd = {"TEHDConfig": more.pop("TEHDConfig")} if "TEHDConfig" in more else {}
    video = {"Codec": codec, "Fps": 0, "Bitrate": kbps, "Height": height, **more}
    audio = {"webm": {**AAC, "Codec": "opus", "SampleRate": 48000}, "mxf": {**AAC, "Codec": "pcm16", "Bitrate": 0}}
    audio["mxf"]["SampleRate"] = 48000
    template = {"Container": container, "VideoTemplate": video, "AudioTemplate": audio.get(container, AAC), **tehd}
    label = f"{codec} {height} {kbps or 'quality'} {container} {' '.join(map(str, more.values()))}"
    return Case(source, "transcode", {"Definition": 0, "RawParameter": template}, label)


def enhanced(source: str, height: int, kbps: int, audio: dict[str, Any] | None = None, **picture: Any) -> Case:
    """An encode with enhancement: members of VideoEnhance, or of AudioEnhance."""
    config = {"VideoEnhance": {name: {"Switch": "ON", **more} for name, more in picture.items()}} if picture else {}
    if audio:
        config["AudioEnhance"] = {name: {"Switch": "ON", **more} for name, more in audio.items()}
    made = encode(source, "h264", height, kbps)
    raw = {**made.params["RawParameter"], "EnhanceConfig": config}
    return Case(source, "transcode", {"Definition": 0, "RawParameter": raw}, " ".join([*picture, *(audio or {})]))


def marked(source: str, height: int, count: int) -> Case:
    """An encode with texts drawn on it."""
    text = {"FontSize": "24px", "TextContent": "Reelway"}
    mark = {"Definition": 0, "RawParameter": {"Type": "text", "TextTemplate": text, "XPos": "10px", "YPos": "10px"}}
    made = encode(source, "h264", height, 400)
    return Case(source, "transcode", {**made.params, "WatermarkSet": [mark] * count}, f"{count} texts drawn")


def sound(source: str, container: str, codec: str, kbps: int, rate: int = 44100) -> Case:
    """An encode of the sound alone."""
    audio = {"Codec": codec, "Bitrate": kbps, "SampleRate": rate}
    template = {"Container": container, "RemoveVideo": 1, "AudioTemplate": audio}
    return Case(source, "transcode", {"Definition": 0, "RawParameter": template}, f"sound {codec} {kbps}")


TOP_SPEED = {"Type": "TEHD-100"}
SCENE = {"ScenarioBased": 1, "SceneType": "normal", "CompressType": "ultra_compress"}
MOMENTS = {"Definition": 10, "ExtTimeOffsetSet": [f"{number}s" for number in range(0, 60, 6)]}
MOMENTS |= {"OutputObjectPath": "p_{number}.{format}"}

LEARNT = (
    Case("bunny 360.mp4", "probe", {}, "probe"),
    encode("bunny 360.mp4", "h264", 240, 300),
    encode("bunny 360.mp4", "h264", 0, 0),
    encode("bunny 720.mp4", "h264", 0, 1800),
    encode("bunny 720.mp4", "h264", 480, 0, "hls"),
    encode("bunny 720.mp4", "h264", 180, 200, "ts"),
    encode("bunny 360.mp4", "h264", 240, 300, Mode="ABR"),
    encode("bunny 360.mp4", "h264", 0, 0, TEHDConfig=TOP_SPEED),
    encode("bunny 720.mp4", "h264", 480, 0, TEHDConfig=TOP_SPEED),
    encode("bunny 360.mp4", "h264", 0, 0, **SCENE),
    encode("bunny 360.mp4", "h265", 240, 250),
    encode("bunny 360.mp4", "h265", 0, 0),
    encode("bunny 360.mp4", "h265", 240, 0, TEHDConfig=TOP_SPEED),
    encode("bunny 360.mp4", "h265", 240, 0, **SCENE),
    encode("bunny 360.mp4", "av1", 0, 0),
    encode("bunny 360.mp4", "av1", 240, 250),
    encode("bunny 360.mp4", "av1", 240, 0, TEHDConfig=TOP_SPEED),
    encode("bunny 360.mp4", "vp9", 0, 0, "webm"),
    encode("bunny 360.mp4", "vp9", 240, 250, "webm"),
    encode("bunny 360.mp4", "vp9", 240, 0, "webm", TEHDConfig=TOP_SPEED),
    encode("bunny 360.mp4", "vp8", 0, 0, "webm"),
    encode("bunny 360.mp4", "mpeg2", 0, 1500, "mxf", Gop=50, GopUnit="frame"),
    encode("bunny 720.mp4", "dnxhd", 0, 0, "mxf"),
    *(encode(f"bunny {codec}", "h264", 144, 150) for codec in ("hevc.mp4", "vp9.webm", "av1.mp4", "mpeg2.ts")),
    encode("interlaced.mp4", "h264", 144, 150),
    encode("hdr.mp4", "h264", 144, 150),
    sound("long.mp4", "m4a", "aac", 96),
    sound("long.mp4", "mp3", "mp3", 128),
    sound("long.mp4", "flac", "flac", 0),
    sound("long.mp4", "ogg", "opus", 96, 48000),
    Case("long.mp4", "transcode", {"Definition": 875}, "remux mp4"),
    Case("bunny 360.mp4", "transcode", {"Definition": 875}, "remux mp4, small"),
    enhanced("bunny 360.mp4", 0, 500, FrameRate={"Fps": 50}),
    enhanced("bunny 360.mp4", 0, 900, SuperResolution={"Type": "lq"}),
    enhanced("bunny 360.mp4", 0, 900, SuperResolution={"Type": "hq"}),
    enhanced("bunny 360.mp4", 0, 500, Denoise={"Type": "weak"}),
    enhanced("bunny 360.mp4", 0, 500, Denoise={"Type": "strong"}),
    enhanced("bunny 360.mp4", 0, 500, ArtifactRepair={"Type": "weak"}),
    enhanced("bunny 360.mp4", 0, 500, ArtifactRepair={"Type": "strong"}),
    enhanced("bunny 360.mp4", 0, 500, ScratchRepair={"Intensity": 0.5}),
    enhanced("bunny 360.mp4", 0, 500, ImageQualityEnhance={"Type": "normal"}),
    enhanced("bunny 360.mp4", 0, 500, ColorEnhance={"Type": "normal"}),
    enhanced("bunny 360.mp4", 0, 500, LowLightEnhance={"Type": "normal"}),
    enhanced("bunny 360.mp4", 144, 150, {"VolumeBalance": {"Type": "loudNorm"}}),
    enhanced("bunny 360.mp4", 144, 150, {"VolumeBalance": {"Type": "gainControl"}}),
    enhanced("bunny 360.mp4", 144, 150, {"Denoise": {}}),
    enhanced("bunny 360.mp4", 144, 150, {"Beautify": {"Types": ["declick", "deesser"]}}),
    marked("bunny 360.mp4", 0, 2),
    Case("bunny 720.mp4", "adaptive_streaming", {"Definition": 10}, "ladder"),
    Case("bunny 720.mp4", "quality_control", {"Definition": 10}, "quality control, all"),
    Case("bunny 360.mp4", "quality_control", {"Definition": 20}, "quality control, format"),
    Case("bunny 360.mp4", "quality_control", {"Definition": 40}, "quality control, picture"),
    Case("long.mp4", "snapshot_by_time", MOMENTS, "10 snapshots"),
    Case("bunny 360.mp4", "sample_snapshot", {"Definition": 10}, "sampled snapshots"),
    Case("long.mp4", "image_sprite", {"Definition": 10}, "sprite"),
    Case(
        "bunny 360.mp4",
        "animated_graphics",
        {"Definition": 20000, "StartTimeOffset": 0, "EndTimeOffset": 2.5},
        "gif",
    ),
    Case(
        "bunny 360.mp4",
        "animated_graphics",
        {"Definition": 20001, "StartTimeOffset": 0, "EndTimeOffset": 2.5},
        "webp",
    ),
)
UNSEEN = (
    enhanced("fractal 480.mp4", 360, 600, Denoise={"Type": "weak"}, ColorEnhance={"Type": "weak"}),
    enhanced("life 720.mp4", 480, 800, ImageQualityEnhance={"Type": "weak"}),
    enhanced("fractal 480.mp4", 240, 300, {"VolumeBalance": {"Type": "loudNorm"}}),
    marked("life 720.mp4", 360, 1),
    Case("fractal 480.mp4", "adaptive_streaming", {"Definition": 10}, "ladder"),
    Case("fractal 480.mp4", "quality_control", {"Definition": 10}, "quality control, all"),
    Case("life 720.mp4", "quality_control", {"Definition": 40}, "quality control, picture"),
    encode("fractal 480.mp4", "h264", 360, 600),
    encode("fractal 480.mp4", "h264", 0, 1200, "hls"),
    encode("fractal 480.mp4", "h264", 360, 500, Mode="ABR"),
    encode("fractal 480.mp4", "h265", 360, 500),
    encode("fractal 480.mp4", "vp9", 240, 300, "webm"),
    encode("life 720.mp4", "h264", 480, 800),
    encode("life 720.mp4", "h265", 360, 400),
    encode("life 720.mp4", "h264", 360, 400, Mode="CBR"),
    encode("life 720.mp4", "av1", 360, 400),
    encode("bunny 1080.mp4", "h264", 0, 3000),
    encode("bunny 1080.mp4", "h264", 540, 1000, "ts"),
    encode("bunny 1080.mp4", "h265", 360, 400),
    encode("bunny 480 hevc.mp4", "h264", 360, 600),
    encode("bunny 480 hevc.mp4", "h264", 0, 0),
    encode("fractal 480.mp4", "h264", 0, 0),
    encode("life 720.mp4", "h265", 480, 0),
    sound("100 seconds.mp4", "m4a", "aac", 128),
    sound("100 seconds.mp4", "mp3", "mp3", 192),
    Case("100 seconds.mp4", "transcode", {"Definition": 875}, "remux mp4"),
    Case("100 seconds.mp4", "transcode", {"Definition": 876}, "remux hls"),
    Case("100 seconds.mp4", "snapshot_by_time", MOMENTS, "10 snapshots"),
    Case("100 seconds.mp4", "sample_snapshot", {"Definition": 10}, "sampled snapshots"),
    Case("100 seconds.mp4", "image_sprite", {"Definition": 10}, "sprite"),
)


class Measured:
    """Makes sources and runs cases on them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tools = media_tools(threads=1)
        self._kinds: dict[str, NodeKind] = node_kinds(threads=1)
        self._facts: dict[str, MediaMetaData] = {}

    async def source(self, name: str) -> tuple[Path, MediaMetaData]:
        """The file, made when it is first asked for."""
        path = self._folder / name
        if name not in self._facts:
            command = [str(self._tools.ffmpeg), "-v", "error", "-nostdin", "-y", *SOURCES[name], str(path)]
            await asyncio.to_thread(subprocess.run, command, check=True, timeout=900)
            self._facts[name] = await probe(path)
        return path, self._facts[name]

    async def sample(self, case: Case) -> Sample:
        """Runs it once."""
        path, facts = await self.source(case.source)
        # As in a run: there the probe node goes first.
        known = {} if case.kind == "probe" else {"metadata": facts.to_wire()}
        with tempfile.TemporaryDirectory(dir=self._folder) as scratch:
            context = FakeContext(task_for(case.kind, dict(case.params), **known), Path(scratch), path)
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            outcome = await self._kinds[case.kind].execute(context)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            size = sum(file.path.stat().st_size for file in outcome.files)
        kind = "input" if case.kind == "probe" else case.kind
        need = demand(Node(kind=kind, params=dict(case.params)), facts)
        assert need is not None
        cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        console.print(f"{case.source:20} {case.name:40} {cpu:7.2f} s {size:10} bytes")
        return Sample(case, need, cpu, size)


def solved(samples: Sequence[Sample]) -> dict[str, float]:
    """Seconds per unit, none below zero, that make the relative errors of all samples small: coordinate descent, which
    is exact enough for a few dozen unknowns."""
    names = sorted({name for sample in samples for name, count in sample.need.units.items() if count})
    rows = [({n: c / s.cpu_s for n, c in s.need.units.items() if c}, 1.0) for s in samples]
    found = dict.fromkeys(names, 0.0)
    for _ in range(ROUNDS):
        for name in names:
            top = bottom = 0.0
            for row, target in rows:
                if name in row:
                    others = sum(share * found[other] for other, share in row.items() if other != name)
                    top += row[name] * (target - others)
                    bottom += row[name] ** 2
            found[name] = max(top / bottom, 0.0)
    return {name: float(f"{value:.4g}") for name, value in found.items()}


def sized(samples: Sequence[Sample]) -> dict[str, float]:
    """Bytes per unit that the parameters do not tell: the geometric mean of what came out."""
    shares: dict[str, list[float]] = {}
    for sample in samples:
        for name, count in sample.need.guessed.items():
            left = sample.output_bytes - sample.need.known_bytes
            if left > 0 and count > 0:
                shares.setdefault(name, []).append(left / count)
    return {name: float(f"{statistics.geometric_mean(found):.4g}") for name, found in sorted(shares.items())}


async def measured(cases: Iterable[Case]) -> list[Sample]:
    """All cases, one after another."""
    with tempfile.TemporaryDirectory(prefix="reelway-estimates-") as folder:
        bench = Measured(Path(folder))
        return [await bench.sample(case) for case in cases]


def fit() -> None:
    """Measures and writes the data file."""
    samples = asyncio.run(measured(LEARNT))
    note = "python -m tests.bench.estimates fit: 2 cores, ffmpeg n9.0.2, one thread for each decoder and encoder"
    found = Coefficients(note=note, cpu_s=solved(samples), output_bytes=sized(samples))
    FILE.write_bytes(orjson.dumps(found.model_dump(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    shown(samples, found)


def check() -> None:
    """Measures what nobody fitted on."""
    shown(asyncio.run(measured(UNSEEN)), coefficients())


def shown(samples: Sequence[Sample], costs: Coefficients) -> None:
    """Estimate and truth."""
    table = Table(title="estimates")
    for name in ("source", "node", "CPU s", "estimated", "factor", "bytes", "estimated", "off by"):
        table.add_column(name, justify="left" if name in ("source", "node") else "right")
    factors: list[float] = []
    for sample in samples:
        cpu = costs.seconds(sample.need.units)
        size = sample.need.known_bytes + costs.bytes(sample.need.guessed)
        off = f"{size / sample.output_bytes - 1:+.0%}" if sample.output_bytes else ""
        factors.append(math.exp(abs(math.log(max(cpu, 1e-6) / sample.cpu_s))))
        table.add_row(
            sample.case.source,
            sample.case.name + (" (size guessed)" if sample.need.guessed else ""),
            *(f"{sample.cpu_s:.2f}", f"{cpu:.2f}", f"{cpu / sample.cpu_s:.2f}"),
            *(str(sample.output_bytes), str(round(size)), off),
        )
    console.print(table)
    within = sum(factor <= 1.5 for factor in factors)
    console.print(f"CPU within a factor of 1.5: {within} of {len(factors)}; worst {max(factors):.2f}")


def main() -> None:
    """`fit` or `check`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("fit", "check"))
    {"fit": fit, "check": check}[parser.parse_args().what]()


if __name__ == "__main__":
    main()
