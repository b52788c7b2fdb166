"""One PNG with pictures of all kinds of nodes, for a person to look at: `make contact-sheet`.

Everything is made by the nodes themselves, from *Big Buck Bunny* (© Blender Foundation, CC BY 3.0) and from clips that
are generated out of it. What is to be seen stands below each picture.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from services.workers.media.ffmpeg import media_tools
from services.workers.nodes.base import NodeOutcome
from services.workers.nodes.registry import node_kinds
from tests.integration.media.context import FakeContext, task_for

ROOT = Path(__file__).resolve().parents[2]
BUNNY = ROOT / "examples" / "bigbuckbunny.mp4"
DEFAULT = ROOT / "docs" / "images" / "contact-sheet.png"
CREDIT = "Reelway: pictures made by its nodes. Source: Big Buck Bunny, (c) Blender Foundation, CC BY 3.0"
CELL = (200, 150)
PICTURE = (192, 112)
COLUMNS = 6
BACKGROUND = (36, 40, 46)
INK = (235, 235, 235)
OWN = 30001

Choose = Callable[[NodeOutcome], list[Image.Image]]


def pictures(outcome: NodeOutcome) -> list[Image.Image]:
    """Every image that the node made, of an animation the first, a middle and the last frame."""
    found = []
    for file in outcome.files:
        if not file.content_type.startswith("image/"):
            continue
        with Image.open(file.path) as image:
            count = getattr(image, "n_frames", 1)
            for index in sorted({0, count // 2, count - 1}):
                image.seek(index)
                found.append(image.convert("RGB"))
    return found


def frame_of_video(outcome: NodeOutcome) -> list[Image.Image]:
    """What the video that the node made shows after two seconds."""
    video = outcome.files[-1].path
    frame = video.with_name("shown.png")
    ffmpeg("-ss", "2", "-i", str(video), "-frames:v", "1", str(frame))
    with Image.open(frame) as image:
        return [image.convert("RGB")]


@dataclass(frozen=True)
class Shown:
    """One node and what is looked at of it."""

    labels: list[str]
    kind: str
    params: dict[str, Any]
    own: dict[str, Any] = field(default_factory=dict)
    source: str = "bunny.mp4"
    choose: Choose = pictures
    templates: dict[str, Any] = field(default_factory=dict)


def by_time(label: str, times: list[str], source: str = "bunny.mp4", **own: Any) -> Shown:
    """Snapshots at times."""
    labels = [f"{label} {time}".strip() for time in times]
    return Shown(labels, "snapshot_by_time", {"ExtTimeOffsetSet": times}, {"Width": 384} | own, source)


def watermarked(label: str) -> Shown:
    """A snapshot with a badge that is drawn here, half transparent."""
    badge = Image.new("RGBA", (200, 100))
    draw = ImageDraw.Draw(badge)
    draw.rounded_rectangle((0, 0, 199, 99), 24, fill=(200, 30, 60, 190))
    draw.text((30, 26), "LOGO", fill=(255, 255, 255, 255), font=ImageFont.load_default(48))
    written = BytesIO()
    badge.save(written, "PNG")
    content = base64.b64encode(written.getvalue()).decode()
    place = {"CoordinateOrigin": "BottomRight", "XPos": "4%", "YPos": "6%"}
    mark = {"Type": "image", "ImageTemplate": {"ImageContent": content, "Width": "25%"}} | place
    params = {"ExtTimeOffsetSet": ["2.5s"], "WatermarkSet": [{"Definition": 7}]}
    return Shown([label], "snapshot_by_time", params, {"Width": 384}, templates={"watermark:7": mark})


def encoded(label: str, video: dict[str, Any] | None = None, **params: Any) -> Shown:
    """One frame of a transcode."""
    template = {"Codec": "h264", "Fps": 0, "Bitrate": 0, "Vcrf": 20, "Width": 384} | (video or {})
    raw = {"Container": "mp4", "RemoveAudio": 1, "VideoTemplate": template}
    return Shown([label], "transcode", {"Definition": 0, "RawParameter": raw} | params, choose=frame_of_video)


def text_mark(text: str, **more: Any) -> dict[str, Any]:
    """A text watermark of the node itself."""
    style = {"FontType": "arial.ttf", "FontSize": "30px", "FontColor": "0xFFE020", "FontAlpha": 0.9}
    raw = {"Type": "text", "TextTemplate": style, "XPos": "5%", "YPos": "5%"} | more
    return {"Definition": 0, "RawParameter": raw, "TextContent": text}


SQUARE = {"Width": 300, "Height": 300}
SHEET = {"SampleType": "Percent", "SampleInterval": 9, "RowCount": 3, "ColumnCount": 4, "Width": 142, "Height": 80}
EVERYTHING = [
    by_time("snapshot jpg", ["0s", "2.5s", "100%"]),
    by_time("snapshot png", ["2.5s"], Format="png"),
    by_time("snapshot webp", ["2.5s"], Format="webp"),
    by_time("HDR, tone-mapped", ["2.5s"], source="hdr.mp4"),
    watermarked("snapshot, watermark"),
    by_time("fill black", ["2.5s"], **SQUARE, FillType="black"),
    by_time("fill white", ["2.5s"], **SQUARE, FillType="white"),
    by_time("fill gauss", ["2.5s"], **SQUARE, FillType="gauss"),
    by_time("fill stretch", ["2.5s"], **SQUARE, FillType="stretch"),
    by_time("phone, turned", ["2.5s"], source="turned.mp4"),
    by_time("anamorphic 2:1", ["0s"], source="anamorphic.mp4"),
    Shown(
        ["sampled 0 %", "sampled 50 %"],
        "sample_snapshot",
        {},
        {"SampleType": "Percent", "SampleInterval": 50, "Width": 384},
    ),
    by_time("interlaced", ["1s"], source="interlaced.ts"),
    Shown(["sprite 3x4, first tiles"], "image_sprite", {}, SHEET),
    Shown(
        ["GIF first", "GIF middle", "GIF last"],
        "animated_graphics",
        {"StartTimeOffset": 1, "EndTimeOffset": 4},
        {"Fps": 4, "Width": 384},
    ),
    Shown(
        ["WebP first", "WebP middle", "WebP last"],
        "animated_graphics",
        {"StartTimeOffset": 1, "EndTimeOffset": 4},
        {"Fps": 4, "Width": 384, "Format": "webp"},
    ),
    Shown(
        ["GIF, quality 5"],
        "animated_graphics",
        {"StartTimeOffset": 2.5, "EndTimeOffset": 2.7},
        {"Fps": 5, "Width": 384, "Quality": 5},
    ),
    encoded("transcode, text mark", WatermarkSet=[text_mark("Reelway")]),
    encoded("transcode, mosaic", MosaicSet=[{"XPos": "20%", "YPos": "20%", "Width": "30%", "Height": "40%"}]),
    encoded("transcode, fill gauss", {"Width": 300, "Height": 300, "FillType": "gauss"}),
]


def ffmpeg(*arguments: str) -> None:
    """Makes a clip or takes a frame."""
    command = [str(media_tools().ffmpeg), "-v", "error", "-y", "-nostdin", *arguments]
    subprocess.run(command, check=True, timeout=120)


def make_sources(folder: Path) -> None:
    """Clips that are made out of the film."""
    bunny = folder / "bunny.mp4"
    bunny.symlink_to(BUNNY)
    small = ["-i", str(bunny), "-an", "-t", "4"]
    quick = ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "18", "-pix_fmt", "yuv420p"]
    ffmpeg(*small, "-vf", "scale=640:360,transpose=2", *quick, str(folder / "upright.mp4"))
    ffmpeg("-display_rotation", "-90", "-i", str(folder / "upright.mp4"), "-c", "copy", str(folder / "turned.mp4"))
    ffmpeg(*small, "-vf", "scale=320:360,setsar=2/1", *quick, str(folder / "anamorphic.mp4"))
    fields = "scale=640:360,tinterlace=interleave_top,fieldorder=tff"
    interlaced = [*quick, "-flags", "+ilme+ildct", "-x264-params", "tff=1"]
    ffmpeg(*small, "-vf", fields, *interlaced, str(folder / "interlaced.ts"))
    wide = (
        "scale=640:360,setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709,zscale=t=linear:npl=203,"
        "format=gbrpf32le,zscale=p=bt2020:t=smpte2084:m=bt2020nc:r=tv:npl=203,format=yuv420p10le"
    )
    x265 = [
        "-c:v",
        "libx265",
        "-preset",
        "ultrafast",
        "-crf",
        "14",
        "-x265-params",
        "log-level=error",
        "-tag:v",
        "hvc1",
    ]
    ffmpeg(*small, "-vf", wide, *x265, str(folder / "hdr.mp4"))


async def shown_pictures(folder: Path) -> list[tuple[str, Image.Image]]:
    """Runs every node; raises NodeError of the first that fails."""
    kinds = node_kinds()
    found: list[tuple[str, Image.Image]] = []
    for number, item in enumerate(EVERYTHING):
        params = item.params if "Definition" in item.params else {"Definition": OWN} | item.params
        templates = item.templates | ({f"{item.kind}:{OWN}": item.own} if item.own else {})
        scratch = folder / f"work-{number}"
        scratch.mkdir()
        context = FakeContext(task_for(item.kind, params, templates=templates), scratch, folder / item.source)
        images = item.choose(await kinds[item.kind].execute(context))
        found += zip(item.labels, images[: len(item.labels)], strict=True)
    return found


def cells(count: int) -> Iterator[tuple[int, int]]:
    """Upper left corners, row by row."""
    for index in range(count):
        yield (index % COLUMNS) * CELL[0], (index // COLUMNS) * CELL[1]


def compose(found: list[tuple[str, Image.Image]]) -> Image.Image:
    """All pictures with their labels, in a palette that keeps the file small."""
    rows = -(-len(found) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * CELL[0], rows * CELL[1] + 24), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(13)
    for (left, top), (label, picture) in zip(cells(len(found)), found, strict=True):
        picture.thumbnail(PICTURE)
        x = left + (CELL[0] - picture.width) // 2
        sheet.paste(picture, (x, top + 8 + PICTURE[1] - picture.height))
        draw.text((left + 6, top + PICTURE[1] + 14), label, fill=INK, font=font)
    draw.text((6, rows * CELL[1] + 4), CREDIT, fill=INK, font=font)
    return sheet.quantize(256, method=Image.Quantize.MAXCOVERAGE, kmeans=3, dither=Image.Dither.FLOYDSTEINBERG)


def main() -> None:
    """Writes the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, nargs="?", default=DEFAULT)
    output: Path = parser.parse_args().output
    with tempfile.TemporaryDirectory(prefix="contact-sheet-") as name:
        folder = Path(name)
        make_sources(folder)
        sheet = compose(asyncio.run(shown_pictures(folder)))
    output.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(output, optimize=True)


if __name__ == "__main__":
    main()
