"""What is drawn on a picture, looked at pixel by pixel: watermarks and mosaics on a grey film."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image, ImageChops, ImageDraw

from services.workers.media.ffmpeg import media_tools
from services.workers.nodes.base import NodeOutcome
from services.workers.nodes.transcode import Transcode
from shared.model.failure import ErrCode, InvalidInput
from tests.integration.media.conftest import make
from tests.integration.media.context import FakeContext, task_for

WIDTH, HEIGHT, SECONDS = 320, 180, 2
GREY, RED, GREEN, BLUE = (128, 128, 128), (255, 0, 0), (0, 255, 0), (0, 0, 255)
Colour = tuple[int, int, int]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A grey film, one with a fine pattern, and pictures to draw with."""
    folder = tmp_path_factory.mktemp("films")
    fast = ["-c:v", "libx264", "-preset", "ultrafast", "-qp", "8", "-pix_fmt", "yuv420p"]
    shape = f"size={WIDTH}x{HEIGHT}:rate=25:duration={SECONDS}"
    make("-f", "lavfi", "-i", f"color=0x808080:{shape}", *fast, str(folder / "grey.mp4"))
    make(
        "-f", "lavfi", "-i", f"color=white:{shape},drawgrid=w=8:h=8:t=4:color=black", *fast, str(folder / "pattern.mp4")
    )
    Image.new("RGB", (80, 40), RED).save(folder / "red.png")
    Image.new("RGB", (80, 40), GREEN).save(folder / "green.jpg", quality=95)
    Image.new("RGB", (80, 40), BLUE).save(folder / "blue.webp", lossless=True)
    disc = Image.new("RGBA", (400, 400), (0, 0, 0, 0))
    ImageDraw.Draw(disc).ellipse((0, 0, 399, 399), fill=(255, 255, 255, 255))
    disc.save(folder / "disc.png")
    first, *others = (Image.new("RGB", (40, 40), colour) for colour in (RED, GREEN, BLUE))
    for name in ("moving.gif", "moving.png"):
        first.save(folder / name, save_all=True, append_images=others, duration=200, loop=1)
    (folder / "broken.png").write_bytes((folder / "red.png").read_bytes()[:50])
    return folder


def cos(name: str) -> dict[str, Any]:
    return {"Type": "COS", "CosInputInfo": {"Bucket": "in-1", "Region": "ap-guangzhou", "Object": f"/marks/{name}"}}


def mark(kind: str, style: dict[str, Any], **more: Any) -> dict[str, Any]:
    times = {name: more.pop(name) for name in ("StartTimeOffset", "EndTimeOffset") if name in more}
    content = {name: more.pop(name) for name in ("TextContent", "SvgContent") if name in more}
    member = {"image": "ImageTemplate", "text": "TextTemplate", "svg": "SvgTemplate"}[kind]
    return {"Definition": 0, "RawParameter": {"Type": kind, member: style, **more}, **times, **content}


def picture(name: str, **more: Any) -> dict[str, Any]:
    sides = {side: more.pop(side) for side in ("Width", "Height", "RepeatType") if side in more}
    return mark("image", {"ImageContent": cos(name), **sides}, **more)


async def draw(
    films: Path, scratch: Path, *marks: dict[str, Any], source: str = "grey.mp4", own: Any = None, **more: Any
) -> NodeOutcome:
    video = {"Codec": "h264", "Fps": 0, "Bitrate": 0, "Vcrf": 8} | more.pop("video", {})
    template = {"Container": "mp4", "VideoTemplate": video, "RemoveAudio": 1}
    params = {"Definition": 0, "RawParameter": template, "WatermarkSet": list(marks), **more}
    objects = {f"in-1/marks/{path.name}": path for path in films.iterdir()}
    context = FakeContext(task_for("transcode", params, templates=own or {}), scratch, films / source, objects=objects)
    return await Transcode(media_tools()).execute(context)


def frames(path: Path, times: Sequence[float]) -> Iterator[Image.Image]:
    """The pictures at these moments, ascending."""
    waiting = list(times)
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            while waiting and frame.time is not None and frame.time >= waiting[0] - 0.001:
                yield frame.to_image()
                waiting.pop(0)
    assert not waiting, "the film is too short"


def near(found: Any, wanted: Colour, by: int = 24) -> bool:
    return all(abs(a - b) <= by for a, b in zip(found, wanted, strict=True))


def inked(image: Image.Image, box: tuple[int, int, int, int] = (0, 0, WIDTH, HEIGHT), by: int = 60) -> int:
    """How many pixels of the box are not grey."""
    apart = ImageChops.difference(image.crop(box), Image.new("RGB", (box[2] - box[0], box[3] - box[1]), GREY))
    return sum(apart.convert("L").histogram()[by:])


async def test_pictures_stand_at_their_corners_in_their_sizes_and_times(films: Path, tmp_path: Path) -> None:
    outcome = await draw(
        films,
        tmp_path,
        picture("red.png", XPos="11px", YPos="7px", Width="40px"),
        picture("green.jpg", CoordinateOrigin="TopRight", XPos="5%", YPos="10%", Width="25%", Height="20%"),
        picture("blue.webp", CoordinateOrigin="BottomLeft", Height="30px", EndTimeOffset=1),
        picture("red.png", CoordinateOrigin="BottomRight", XPos="10px", YPos="10px", StartTimeOffset=-0.8),
    )
    early, late = frames(outcome.files[0].path, [0.4, 1.6])
    for image in (early, late):
        assert near(image.getpixel((13, 9)), RED, 40), "red from 11,7, 40 x 20"
        assert near(image.getpixel((48, 24)), RED, 40)
        assert near(image.getpixel((8, 9)), GREY)
        assert near(image.getpixel((53, 15)), GREY)
        assert near(image.getpixel((227, 20)), GREEN, 40), "80 x 36, 16 from the right, 18 from above"
        assert near(image.getpixel((301, 51)), GREEN, 40)
        assert near(image.getpixel((306, 30)), GREY)
    assert near(early.getpixel((57, 155)), BLUE, 40), "30 high, so 60 wide"
    assert near(early.getpixel((64, 165)), GREY)
    assert near(late.getpixel((30, 165)), GREY), "gone after a second"
    assert near(early.getpixel((300, 165)), GREY), "not there before the last 0.8 s"
    assert near(late.getpixel((300, 165)), RED, 40), "a tenth of the width by itself: 32 x 16"
    assert near(late.getpixel((272, 165)), GREY)
    assert outcome.echo is not None
    assert outcome.echo["WatermarkSet"][2]["EndTimeOffset"] == 1
    assert outcome.echo["WatermarkSet"][0]["TextContent"] == ""


async def test_an_edge_has_no_dark_rim(films: Path, tmp_path: Path) -> None:
    outcome = await draw(films, tmp_path, picture("disc.png", Width="40px", XPos="40px", YPos="40px"))
    (image,) = frames(outcome.files[0].path, [0])
    row = [image.getpixel((x, 60))[0] for x in range(30, 60)]  # type: ignore[index]
    assert min(row) >= 110, "between grey and white there is nothing darker than grey"
    assert max(row) >= 240


async def test_moving_pictures_repeat_stay_or_go(films: Path, tmp_path: Path) -> None:
    side = {"Width": "40px", "Height": "40px"}
    outcome = await draw(
        films,
        tmp_path,
        picture("moving.gif", **side),
        picture("moving.png", XPos="50px", **side),
        picture("moving.gif", XPos="100px", RepeatType="once", **side),
        picture("moving.png", XPos="150px", RepeatType="repeat_last_frame", **side),
        picture("moving.gif", XPos="200px", StartTimeOffset=1, RepeatType="once", **side),
    )
    first, looped, second = frames(outcome.files[0].path, [0.1, 0.9, 1.3])
    centres = [(x, 20) for x in (20, 70, 120, 170, 220)]
    assert [near(first.getpixel(c), RED, 40) for c in centres] == [True, True, True, True, False]
    assert [
        near(looped.getpixel(c), w, 40) for c, w in zip(centres, (GREEN, GREEN, GREY, BLUE, GREY), strict=True)
    ] == [True] * 5
    assert near(second.getpixel(centres[4]), GREEN, 40), "it begins to move when it is first seen"


HOSTILE = "%{pts}'\":,;[x]\\n\n第二行"


async def test_text_is_drawn_as_it_is(films: Path, tmp_path: Path) -> None:
    style = {"FontSize": "24px", "FontColor": "0xFF0000"}
    places = [("TopLeft", (0, 0)), ("TopRight", (320, 0)), ("BottomLeft", (0, 180)), ("BottomRight", (320, 180))]
    own = {"watermark:900": {"Type": "text", "TextTemplate": style | {"TextContent": HOSTILE}, "XPos": "50%"}}
    outcome = await draw(
        films,
        tmp_path,
        *(mark("text", style, TextContent="口口", CoordinateOrigin=origin) for origin, _ in places),
        {"Definition": 900, "StartTimeOffset": 1},
        own=own,
    )
    early, late = frames(outcome.files[0].path, [0.2, 1.6])
    for _, (x, y) in places:
        corner = (min(x, 270), min(y, 150), min(x, 270) + 50, min(y, 150) + 30)
        assert inked(early, corner) > 100, "red ink in each corner"
    assert inked(early, (60, 40, 260, 140)) == 0
    own_text = inked(late, (160, 0, 270, 60)) - inked(early, (160, 0, 270, 60))
    assert own_text > 200, "two lines"


async def test_hostile_text_changes_nothing_but_the_ink(films: Path, tmp_path: Path) -> None:
    style = {"FontSize": "16px", "FontColor": "0xFF0000", "FontAlpha": 1}
    outcome = await draw(films, tmp_path, mark("text", style, TextContent="%{pts} %{n} ${PATH} {file:/etc/passwd}"))
    first, last = frames(outcome.files[0].path, [0, 1.9])
    apart = ImageChops.difference(first, last).convert("L").histogram()
    assert sum(apart[60:]) == 0, "nothing in it is evaluated for each frame"


async def test_a_drawing_is_drawn_in_its_proportions_with_our_fonts(films: Path, tmp_path: Path) -> None:
    drawing = (
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 200 100'><rect width='200' height='100' fill='#f00'/>"
        "<text x='10' y='80' font-size='90' fill='#fff'>水印</text></svg>"
    )
    outcome = await draw(
        films,
        tmp_path,
        mark("svg", {"Width": "50S%"}, SvgContent=drawing, XPos="10px", YPos="10px"),
        mark("svg", {"Width": "20W%", "Height": "20W%"}, SvgContent=drawing, CoordinateOrigin="BottomRight"),
    )
    (image,) = frames(outcome.files[0].path, [0.5])
    assert near(image.getpixel((98, 12)), RED, 40), "half of the short side: 90 x 45"
    assert near(image.getpixel((98, 53)), RED, 40)
    assert near(image.getpixel((104, 30)), GREY)
    assert near(image.getpixel((258, 118)), RED, 40), "64 x 64, stretched"
    white = sum(near(image.getpixel((x, y)), (255, 255, 255), 60) for x in range(10, 100) for y in range(10, 55))
    assert white > 200, "glyphs, drawn without fonts of the machine"


async def test_an_area_is_unrecognisable_while_its_time_lasts(films: Path, tmp_path: Path) -> None:
    area = {"XPos": "50%", "YPos": "40px", "Width": "80px", "Height": "25%", "EndTimeOffset": 1}
    outcome = await draw(films, tmp_path, MosaicSet=[area], source="pattern.mp4")
    (tmp_path / "plain").mkdir()
    plain = await draw(films, tmp_path / "plain", source="pattern.mp4")
    box, outside = (160, 40, 240, 86), (0, 90, 320, 180)
    during, after = zip(frames(outcome.files[0].path, [0.4, 1.4]), frames(plain.files[0].path, [0.4, 1.4]), strict=True)

    def apart(pair: tuple[Image.Image, Image.Image], where: tuple[int, int, int, int]) -> float:
        histogram = ImageChops.difference(pair[0].crop(where), pair[1].crop(where)).convert("L").histogram()
        return sum(histogram[30:]) / sum(histogram)

    assert apart(during, box) > 0.9, "a fine grid becomes even"
    assert apart(during, outside) < 0.01
    assert apart(after, box) < 0.01
    assert outcome.echo is not None
    assert outcome.echo["MosaicSet"] == [area | {"CoordinateOrigin": "TopLeft", "StartTimeOffset": 0}]


async def test_deep_pictures_stay_deep(films: Path, tmp_path: Path) -> None:
    outcome = await draw(
        films,
        tmp_path,
        picture("red.png"),
        MosaicSet=[{}],
        video={"Codec": "h265", "BitDepth": 10},
        EndTimeOffset=0.4,
    )
    with av.open(str(outcome.files[0].path)) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p10le"
    (image,) = frames(outcome.files[0].path, [0.2])
    assert near(image.getpixel((16, 8)), RED, 50)


@pytest.mark.parametrize(
    ("marks", "more", "message"),
    [
        ([picture("gone.png")], {}, "ImageContent: there is no object marks/gone.png in in-1"),
        ([picture("broken.png")], {}, "ImageContent: the picture cannot be read"),
        ([picture("grey.mp4")], {}, "ImageContent: it is no JPEG, PNG, APNG, GIF or still WebP picture"),
        ([picture("red.png", XPos="400px")], {}, "WatermarkSet[0]: it would lie outside of the picture"),
        ([], {"MosaicSet": [{"YPos": "180px"}]}, "MosaicSet[0]: it would lie outside of the picture"),
    ],
)
async def test_what_cannot_be_drawn_says_which_and_why(
    films: Path, tmp_path: Path, marks: list[Any], more: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInput) as failed:
        await draw(films, tmp_path, *marks, **more)
    assert failed.value.failure.code is ErrCode.INVALID_INPUT
    assert message in failed.value.failure.message
    assert not failed.value.failure.retryable


@pytest.mark.parametrize(
    "drawing",
    [
        "<svg xmlns='http://www.w3.org/2000/svg' width='90000' height='90000'><rect width='9' height='9'/></svg>",
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 9 9'><defs><g id='a0'><rect width='9' height='9'/></g>"
        + "".join(f"<g id='a{level}'>" + f"<use href='#a{level - 1}'/>" * 10 + "</g>" for level in range(1, 9))
        + "</defs><use href='#a8'/></svg>",
    ],
)
async def test_a_bomb_of_a_drawing_fails_the_node_and_no_more(films: Path, tmp_path: Path, drawing: str) -> None:
    size = {"Width": "0px", "Height": "0px"}
    with pytest.raises(InvalidInput, match="SvgContent cannot be drawn"):
        await draw(films, tmp_path, mark("svg", size, SvgContent=drawing))
