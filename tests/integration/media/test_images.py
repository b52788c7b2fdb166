"""Pictures of all kinds on real files: which frame they show, what they look like, where tiles lie."""

from __future__ import annotations

import base64
import re
import subprocess
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from PIL import Image, ImageChops, ImageStat

from services.workers.media.ffmpeg import media_tools
from services.workers.nodes.base import NodeOutcome, UploadOrder
from services.workers.nodes.registry import node_kinds
from shared.model.failure import ErrCode, InvalidInput, SourceFileError
from tests.integration.media.conftest import FFMPEG, make
from tests.integration.media.context import FakeContext, task_for
from tests.integration.media.counted import RATE, make_counted, number_in, number_of

KINDS = node_kinds(media_tools().ffmpeg)
OWN = 30001
TIMES = ["0s", "0.001s", "0.48s", "0.5s", "0.52s", "3.999s", "4s", "4.01s", "7.99s"]
SOURCES = [f"clip.{name}" for name in ("mp4", "mkv", "ts", "flv", "h264")] + ["fragments.mp4", "live.mkv"]
EVERY_KIND: dict[str, dict[str, Any]] = {
    "snapshot_by_time": {"Definition": 10, "ExtTimeOffsetSet": ["0s"]},
    "sample_snapshot": {"Definition": 10},
    "image_sprite": {"Definition": 10},
    "animated_graphics": {"Definition": 20000, "StartTimeOffset": 0, "EndTimeOffset": 1},
}


@pytest.fixture(scope="session")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight seconds, a key frame every two, in containers with and without an index; one with frames left out; one of
    seventy seconds at five frames a second, a key frame every 2.6 s."""
    folder = tmp_path_factory.mktemp("counted")
    make_counted(folder / "clip.mp4", 8, key_every=50)
    for name in ("clip.mkv", "clip.ts", "clip.flv", "clip.h264"):
        make("-i", str(folder / "clip.mp4"), "-c", "copy", str(folder / name))
    copied = ["-i", str(folder / "clip.mp4"), "-c", "copy"]
    make(*copied, "-movflags", "+frag_keyframe+empty_moov", str(folder / "fragments.mp4"))
    # A recording that nobody closed: without an index, and without a duration.
    make(*copied, "-f", "matroska", "-live", "1", str(folder / "live.mkv"))
    sound = ["-f", "lavfi", "-i", "anullsrc", "-t", "10", "-c:a", "aac"]
    make("-itsoffset", "1.52", *copied[:2], *sound, "-c:v", "copy", str(folder / "late.mp4"))
    make_counted(folder / "vfr.mp4", 8, key_every=50, filters="select='not(mod(n,7))'")
    make_counted(folder / "long.mp4", 51, rate=5, key_every=13)
    make("-stream_loop", "1", "-i", str(folder / "long.mp4"), "-c", "copy", str(folder / "twice.mp4"))
    return folder


async def run(
    kind: str, scratch: Path, source: Path, params: dict[str, Any] | None = None, own: dict[str, Any] | None = None
) -> NodeOutcome:
    """One node on one file; `own` is a template of the tenant."""
    scratch.mkdir(exist_ok=True)
    wanted = EVERY_KIND[kind] | ({"Definition": OWN} if own else {}) | (params or {})
    templates = {f"{kind}:{OWN}": own} if own else {}
    context = FakeContext(task_for(kind, wanted, templates=templates), scratch, source)
    outcome = await KINDS[kind].execute(context)
    assert context.progress[-1] > 80
    assert context.progress == sorted(context.progress)
    return outcome


@pytest.mark.parametrize("name", SOURCES)
async def test_a_snapshot_is_the_frame_that_a_player_shows(counted: Path, tmp_path: Path, name: str) -> None:
    outcome = await run("snapshot_by_time", tmp_path, counted / name, {"ExtTimeOffsetSet": TIMES})
    shown = [number_of(file.path) for file in outcome.files]
    assert shown == [int(float(time[:-1]) * RATE + 1e-6) for time in TIMES]


async def test_a_picture_that_begins_after_the_sound_is_in_its_time(counted: Path, tmp_path: Path) -> None:
    outcome = await run("snapshot_by_time", tmp_path, counted / "late.mp4", {"ExtTimeOffsetSet": ["1s", "3s", "9.4s"]})
    assert [number_of(file.path) for file in outcome.files] == [0, 37, 197]


async def test_with_uneven_frames_a_snapshot_is_the_last_one_before(counted: Path, tmp_path: Path) -> None:
    outcome = await run("snapshot_by_time", tmp_path, counted / "vfr.mp4", {"ExtTimeOffsetSet": ["1s", "1.12s", "5s"]})
    assert [number_of(file.path) for file in outcome.files] == [21, 28, 119]


async def test_samples_are_exact_by_jumps_and_in_one_pass(counted: Path, tmp_path: Path) -> None:
    # Ten of eight seconds: in one pass. Two of eight seconds: by jumps.
    passed = await run("sample_snapshot", tmp_path / "pass", counted / "clip.mp4")
    assert [number_of(file.path) for file in passed.files] == [20 * index for index in range(10)]
    own = {"SampleType": "Time", "SampleInterval": 5, "Format": "webp", "Width": 320}
    jumped = await run("sample_snapshot", tmp_path / "jump", counted / "clip.mp4", own=own)
    assert [number_of(file.path) for file in jumped.files] == [0, 125]
    with Image.open(jumped.files[1].path) as image:
        assert (image.format, image.size) == ("WEBP", (320, 180))
    assert jumped.files[1].content_type == "image/webp"


def cues(outcome: NodeOutcome) -> list[tuple[float, float, str, tuple[int, ...]]]:
    """Start, end, key of the sheet and place of each tile, as a player finds them."""
    manifest = outcome.files[-1]
    text = manifest.path.read_text()
    assert text.startswith("WEBVTT\n\n")
    found = []
    for start, end, address, place in re.findall(r"(\S+) --> (\S+)\n(\S+)#xywh=(\S+)\n", text):
        sheet = str(Path(manifest.key).parent / unquote(address))
        left, top, width, height = map(int, place.split(","))
        found.append((_seconds(start), _seconds(end), sheet, (left, top, left + width, top + height)))
    return found


def _seconds(timestamp: str) -> float:
    hours, minutes, seconds = timestamp.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def tiles(outcome: NodeOutcome) -> list[tuple[float, Image.Image]]:
    """When each tile is shown, and the tile."""
    sheets = {file.key: Image.open(file.path) for file in outcome.files[:-1]}
    return [(start, sheets[key].crop(place)) for start, _, key, place in cues(outcome)]


@pytest.mark.parametrize("extension", ["jpg", "png", "webp"])
async def test_cues_point_at_the_tiles_of_their_times(counted: Path, tmp_path: Path, extension: str) -> None:
    own = {"SampleType": "Percent", "SampleInterval": 7, "RowCount": 2, "ColumnCount": 3, "Width": 80, "Height": 0}
    params = {"OutputObjectPath": "s {inputName}#{number}.{format}", "ObjectNumberFormat": {"InitialValue": 1}}
    outcome = await run("image_sprite", tmp_path, counted / "clip.mp4", params, own | {"Format": extension})
    assert [file.key for file in outcome.files[:-1]] == [f"out/s clip#{number}.{extension}" for number in (1, 2, 3)]
    manifest = outcome.files[-1]
    assert (manifest.key, manifest.order, manifest.content_type) == (
        f"out/clip_imageSprite_{OWN}.vtt",
        UploadOrder.MANIFEST,
        "text/vtt",
    )
    found = cues(outcome)
    assert (found[0][0], found[-1][1]) == (0, 8)
    assert all(first[1] == second[0] for first, second in pairwise(found))
    shown = tiles(outcome)
    assert len(shown) == 15
    assert [number_in(tile) for _, tile in shown] == [int(index * 0.56 * RATE + 1e-6) for index in range(15)]
    assert shown[0][1].size == (80, 45)
    assert (outcome.payload["Width"], outcome.payload["Height"], outcome.payload["TotalCount"]) == (80, 45, 6)
    assert outcome.payload["WebVttPath"] == "/" + manifest.key
    assert outcome.echo is not None
    assert outcome.echo["WebVttObjectName"] == "/" + manifest.key


async def test_tiles_of_a_long_source_are_as_near_as_promised(counted: Path, tmp_path: Path) -> None:
    own = {"SampleType": "Time", "SampleInterval": 4, "RowCount": 5, "ColumnCount": 6, "Width": 80, "Height": 45}
    outcome = await run("image_sprite", tmp_path, counted / "twice.mp4", own=own)
    shown = tiles(outcome)
    assert len(shown) == 26
    # The clip repeats itself after 51 s.
    off = [abs(number_in(tile) / 5 - start % 51) for start, tile in shown]
    assert max(off) <= 1.0 + 0.2
    assert sum(distance >= 0.2 for distance in off) >= 5, "key frames were taken where they are near"
    assert sum(distance < 0.2 for distance in off) >= 5, "where none is near, the tile is exact"


def ssim(first: Path, second: Path) -> float:
    """Structural similarity of the brightness of two pictures of one size, 1 for the same."""
    both = "[0:v]format=gray[a];[1:v]format=gray[b];[a][b]ssim"
    command = [FFMPEG, "-hide_banner", "-i", str(first), "-i", str(second), "-lavfi", both, "-f", "null", "-"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return float(done.stderr.rsplit("All:", 1)[1].split()[0])


async def test_tiles_look_like_the_frames_at_their_times(clips: Path, tmp_path: Path) -> None:
    own = {"SampleType": "Percent", "SampleInterval": 25, "RowCount": 2, "ColumnCount": 2, "Width": 160, "Height": 90}
    outcome = await run("image_sprite", tmp_path / "sprite", clips / "plain.mp4", own=own)
    shown = tiles(outcome)
    for index, (start, tile) in enumerate(shown):
        reference = tmp_path / f"reference-{index}.png"
        chain = f"select='eq(n,{int(start * RATE + 1e-6)})',scale=160:90"
        make("-i", str(clips / "plain.mp4"), "-vf", chain, "-frames:v", "1", str(reference))
        tile.save(tmp_path / f"tile-{index}.png")
        assert ssim(tmp_path / f"tile-{index}.png", reference) > 0.97
        other = tmp_path / f"other-{index}.png"
        shown[(index + 1) % 4][1].save(other)
        assert ssim(other, reference) < 0.9, "the measure tells frames apart"


@pytest.mark.parametrize("extension", ["gif", "webp"])
async def test_an_animation_has_its_part_rate_length_and_size(counted: Path, tmp_path: Path, extension: str) -> None:
    params = {"StartTimeOffset": 3.02, "EndTimeOffset": 5.02}
    own = {"Fps": 10, "Width": 320, "Format": extension}
    outcome = await run("animated_graphics", tmp_path, counted / "clip.ts", params, own)
    [file] = outcome.files
    assert (file.key, file.content_type) == (f"out/clip_animatedGraphic_{OWN}.{extension}", f"image/{extension}")
    with Image.open(file.path) as image:
        assert (image.format, image.size, image.info["loop"]) == (extension.upper(), (320, 180), 0)
        shown, length_ms = [], 0
        for index in range(image.n_frames):  # type: ignore[attr-defined]
            image.seek(index)
            shown.append(number_in(image))
            length_ms += image.info["duration"]
    assert length_ms == 2000
    assert shown == [int((3.02 + index / 10) * RATE + 1e-6) for index in range(20)]
    payload = outcome.payload
    assert (payload["Width"], payload["Height"], payload["Container"]) == (320, 180, extension)
    assert payload["Size"] == file.path.stat().st_size
    assert payload["Bitrate"] == round(payload["Size"] * 4)
    assert (payload["StartTimeOffset"], payload["EndTimeOffset"]) == (3.02, 5.02)


@pytest.mark.parametrize("extension", ["gif", "webp"])
async def test_quality_of_an_animation_costs_bytes(clips: Path, tmp_path: Path, extension: str) -> None:
    sizes = []
    for quality in (5, 90):
        own = {"Fps": 5, "Quality": quality, "Format": extension}
        outcome = await run("animated_graphics", tmp_path / str(quality), clips / "plain.mp4", own=own)
        sizes.append(outcome.payload["Size"])
    assert sizes[0] < 0.8 * sizes[1]


@pytest.mark.parametrize(("matrix", "size"), [("bt709", "1280x720"), ("unknown", "1280x720"), ("unknown", "640x360")])
async def test_pictures_have_the_colours_of_the_film(tmp_path: Path, matrix: str, size: str) -> None:
    meant = "bt601" if (matrix, size) == ("unknown", "640x360") else "bt709"
    source = tmp_path / "colour.mp4"
    chain = f"format=rgb24,scale=out_color_matrix={meant}:out_range=tv,format=yuv420p,setparams=colorspace={matrix}"
    make(
        "-f",
        "lavfi",
        "-i",
        f"color=0xC02060:size={size}:rate=1:duration=1",
        "-vf",
        chain,
        "-preset",
        "ultrafast",
        "-qp",
        "4",
        str(source),
    )
    for extension in ("jpg", "png", "webp", "gif"):
        kind = "animated_graphics" if extension == "gif" else "snapshot_by_time"
        own: dict[str, Any] = {"Format": extension} | ({"Fps": 1} if extension == "gif" else {})
        outcome = await run(kind, tmp_path / extension, source, own=own)
        with Image.open(outcome.files[0].path) as image:
            found = image.convert("RGB").getpixel((100, 100))
        assert found == pytest.approx((0xC0, 0x20, 0x60), abs=5), extension


@pytest.mark.parametrize(
    ("fill", "corner"), [("black", (0, 0, 0)), ("white", (255, 255, 255)), ("gauss", None), ("stretch", None)]
)
async def test_what_the_picture_leaves_free_is_filled(
    tmp_path: Path, fill: str, corner: tuple[int, int, int] | None
) -> None:
    source = tmp_path / "halves.mp4"
    halves = "color=red:size=160x90:rate=5:duration=1,drawbox=x=80:w=80:h=90:color=blue:t=fill"
    make("-f", "lavfi", "-i", halves, "-pix_fmt", "yuv420p", "-qp", "4", str(source))
    own = {"Width": 200, "Height": 200, "FillType": fill, "Format": "png"}
    outcome = await run("snapshot_by_time", tmp_path / "work", source, own=own)
    with Image.open(outcome.files[0].path) as image:
        assert image.size == (200, 200)
        edge, left, right = (image.getpixel(place) for place in ((100, 4), (40, 100), (160, 100)))
    assert left == pytest.approx((254, 0, 0), abs=12)
    assert right == pytest.approx((0, 0, 254), abs=12)
    if corner is not None:
        assert edge == pytest.approx(corner, abs=4)
    elif fill == "gauss":
        # Where red and blue meet, blurred.
        assert all(60 < edge[channel] < 200 for channel in (0, 2))


def logo() -> dict[str, Any]:
    """A template: a picture of 20 x 10 pixels, green and half of it transparent, 10 % from the lower right."""
    image = Image.new("RGBA", (20, 10), (0, 200, 0, 255))
    image.paste((255, 0, 0, 0), (0, 0, 10, 10))
    written = BytesIO()
    image.save(written, "PNG")
    content = base64.b64encode(written.getvalue()).decode()
    place = {"CoordinateOrigin": "BottomRight", "XPos": "10%", "YPos": "10%"}
    return {"Type": "image", "ImageTemplate": {"ImageContent": content, "Width": "64px"}} | place


@pytest.mark.parametrize("kind", ["snapshot_by_time", "sample_snapshot"])
@pytest.mark.parametrize("extension", ["jpg", "png"])
async def test_snapshots_are_watermarked(clips: Path, tmp_path: Path, kind: str, extension: str) -> None:
    body = {"Width": 320, "Format": extension} | (
        {"SampleType": "Percent", "SampleInterval": 30} if kind == "sample_snapshot" else {}
    )
    templates = {f"{kind}:{OWN}": body, "watermark:7": logo()}
    params = EVERY_KIND[kind] | {"Definition": OWN, "WatermarkSet": [{"Definition": 7}]}
    context = FakeContext(task_for(kind, params, templates=templates), tmp_path, clips / "plain.mp4")
    marked = await KINDS[kind].execute(context)
    plain = await run(kind, tmp_path / "plain", clips / "plain.mp4", own=body)
    assert len(marked.files) == len(plain.files) == (4 if kind == "sample_snapshot" else 1)
    for with_logo, without in zip(marked.files, plain.files, strict=True):
        with Image.open(with_logo.path) as first, Image.open(without.path) as second:
            assert first.size == (320, 180)
            # 64 x 32 pixels, 32 and 18 from the corner: its left half lets the film through.
            assert first.convert("RGB").getpixel((270, 145)) == pytest.approx((0, 200, 0), abs=12)
            outside = ImageStat.Stat(
                ImageChops.difference(first.convert("RGB"), second.convert("RGB")).crop((0, 0, 250, 170))
            )
            assert max(outside.mean) < 3, "the rest of the picture stays"
    shown = marked.payload
    assert (shown if kind == "sample_snapshot" else shown["PicInfoSet"][0])["WaterMarkDefinition"] == [7]
    assert marked.echo is not None
    assert marked.echo["WatermarkSet"][0]["Definition"] == 7


@pytest.mark.parametrize("kind", EVERY_KIND)
async def test_every_kind_takes_odd_sources(clips: Path, tmp_path: Path, kind: str) -> None:
    names = ["rotated.mp4", "hdr.mp4", "still.jpg", "moving.gif", "clear.png", "sparse.mp4", "odd.mkv"]
    make("-i", str(clips / "plain.mp4"), "-vf", "fps=5,scale=160:-1", str(tmp_path / "moving.gif"))
    Image.new("RGBA", (64, 48), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    for name in names:
        source = tmp_path / name if (tmp_path / name).exists() else clips / name
        outcome = await run(kind, tmp_path / f"work-{name}", source)
        pictures = [file for file in outcome.files if file.content_type.startswith("image/")]
        assert pictures
        for file in pictures:
            with Image.open(file.path) as image:
                image.load()
                if name == "rotated.mp4" and kind != "image_sprite":
                    assert image.size == (180, 320)
                if name == "clear.png":
                    assert max(image.convert("RGB").getpixel((1, 1))) < 8, "what is transparent is black"


@pytest.mark.parametrize("kind", EVERY_KIND)
async def test_every_kind_refuses_what_has_no_picture_or_is_cut_off(clips: Path, tmp_path: Path, kind: str) -> None:
    with pytest.raises(SourceFileError) as refused:
        await run(kind, tmp_path / "sound", clips / "sound.m4a")
    assert refused.value.failure.code is ErrCode.NO_VIDEO
    late: dict[str, dict[str, Any]] = {
        "snapshot_by_time": {"ExtTimeOffsetSet": ["1.8s"]},
        "animated_graphics": {"EndTimeOffset": 2},
    }
    dense = {"SampleType": "Percent", "SampleInterval": 10, "RowCount": 5, "ColumnCount": 5, "Width": 80}
    own = {"image_sprite": dense, "animated_graphics": {"Fps": 10}}
    with pytest.raises(SourceFileError, match="truncated or damaged") as refused:
        await run(kind, tmp_path / "cut", clips / "cut.mp4", late.get(kind), own.get(kind))
    assert not refused.value.failure.retryable


async def test_an_animation_beyond_the_end_is_invalid(clips: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="beyond the end") as refused:
        await run("animated_graphics", tmp_path, clips / "plain.mp4", {"StartTimeOffset": 600, "EndTimeOffset": 610})
    assert refused.value.failure.code is ErrCode.INVALID_TIME_OFFSET


async def test_a_sprite_does_not_overwrite_its_source(clips: Path, tmp_path: Path) -> None:
    params = {"OutputObjectPath": "/in/x_{number}.{format}", "WebVttObjectName": "clip.{format}"}
    task = task_for("image_sprite", {"Definition": 10} | params, key="in/clip.vtt")
    same = task.with_changes(target=task.target.model_copy(update={"bucket": task.source.bucket}))
    with pytest.raises(InvalidInput, match=r"/in/clip\.vtt would overwrite the source"):
        await KINDS["image_sprite"].execute(FakeContext(same, tmp_path, clips / "plain.mp4"))
