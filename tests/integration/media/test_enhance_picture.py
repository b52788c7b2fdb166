"""Each enhancement of the picture, measured: a clean original is damaged, and what comes out must be nearer to the
original than what comes out without the enhancement."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import av
import pytest

from services.workers.media.ffmpeg import media_tools
from services.workers.media.probe import probe
from services.workers.nodes.transcode import Transcode
from shared.mps.media import MediaMetaData
from tests.integration.media.conftest import BUNNY, make
from tests.integration.media.context import FakeContext, task_for
from tests.integration.media.measures import picture

_PROBED: dict[Path, MediaMetaData] = {}
LOSSLESS = ["-c:v", "ffv1"]
NEARLY_LOSSLESS = {"Codec": "h264", "Fps": 0, "Bitrate": 0, "Mode": "VCRF", "Vcrf": 8}


def dirt(frames: int) -> str:
    """Scratches and spots that are there for one frame each."""
    chance = random.Random(3)
    boxes = []
    for number in range(frames):
        for width, height in ((1, 120), (2, 90), (6, 6), (4, 5)):
            x, y = chance.randrange(0, 310), chance.randrange(0, 170)
            colour = chance.choice(("white", "black"))
            boxes.append(f"drawbox=x={x}:y={y}:w={width}:h={height}:c={colour}:t=fill:enable='eq(n,{number})'")
    return ",".join(boxes)


DAMAGE = {
    "little_noise": "noise=alls=12:allf=t",
    "much_noise": "noise=alls=30:allf=t",
    "soft": "gblur=sigma=0.7,noise=alls=4:allf=t",
    "softer": "gblur=sigma=0.9,noise=alls=4:allf=t",
    "softest": "gblur=sigma=1.1,noise=alls=4:allf=t",
    "faded": "eq=contrast=0.8:saturation=0.6",
    "underexposed": "lutyuv=y='(val-16)*0.35+16':u='(val-128)*0.35+128':v='(val-128)*0.35+128',noise=alls=3:allf=t",
    "gloomy": "lutyuv=y='219*pow(max(val-16,0)/219,2.2)+16',noise=alls=3:allf=t",
    "dirty": dirt(24),
}


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean film and a moving picture, and what happened to them."""
    folder = tmp_path_factory.mktemp("films")

    def at(name: str) -> str:
        return str(folder / f"{name}.mkv")

    make(
        "-ss",
        "1",
        "-i",
        str(BUNNY),
        "-frames:v",
        "24",
        "-an",
        "-vf",
        "scale=320:180:flags=area",
        *LOSSLESS,
        at("clean"),
    )
    make(
        "-ss",
        "1",
        "-i",
        str(BUNNY),
        "-frames:v",
        "12",
        "-an",
        "-vf",
        "scale=640:360:flags=area",
        *LOSSLESS,
        at("large"),
    )
    still = str(folder / "still.png")
    make("-ss", "4", "-i", str(BUNNY), "-frames:v", "1", "-update", "1", still)
    pan = "crop=320:180:x='100+n*6':y='100+n*2',format=yuv420p"
    make("-loop", "1", "-framerate", "50", "-i", still, "-frames:v", "40", "-vf", pan, *LOSSLESS, at("pan50"))
    make("-i", at("pan50"), "-vf", "fps=25", *LOSSLESS, at("pan"))
    for name, filters in DAMAGE.items():
        make("-i", at("clean"), "-vf", f"{filters},format=yuv420p", *LOSSLESS, at(name))
    for name in ("dirty", "little_noise", "much_noise"):
        make("-i", at("pan"), "-vf", f"{DAMAGE[name]},format=yuv420p", *LOSSLESS, at(f"{name}_pan"))
    make("-i", at("clean"), "-c:v", "mpeg2video", "-q:v", "20", at("blocks"))
    make("-i", at("clean"), "-c:v", "mpeg2video", "-q:v", "31", at("worse_blocks"))
    make("-i", at("large"), "-vf", "scale=320:180:flags=area", *LOSSLESS, at("half"))
    make(
        "-i",
        at("large"),
        "-vf",
        "scale=320:180:flags=area,noise=alls=10:allf=t,format=yuv420p",
        *LOSSLESS,
        at("half_noisy"),
    )
    woven = "tinterlace=mode=interleave_top,fieldorder=tff"
    make("-i", at("pan50"), "-vf", woven, "-c:v", "libx264", "-crf", "8", "-flags", "+ildct+ilme", at("interlaced"))
    return folder


async def probed(path: Path) -> MediaMetaData:
    """Each film once: a probe is a process of its own."""
    if path not in _PROBED:
        _PROBED[path] = await probe(path)
    return _PROBED[path]


async def enhanced(source: Path, folder: Path, enhance: dict[str, Any] | None = None, **video: Any) -> Path:
    """What the transcode node makes of it."""
    template: dict[str, Any] = {"Container": "mkv", "VideoTemplate": NEARLY_LOSSLESS | video, "RemoveAudio": 1}
    if enhance:
        template["EnhanceConfig"] = {"VideoEnhance": enhance}
    metadata = (await probed(source)).to_wire()
    task = task_for("transcode", {"Definition": 0, "RawParameter": template}, metadata=metadata)
    context = FakeContext(task, folder, source)
    outcome = await Transcode(media_tools(threads=1)).execute(context)
    assert context.progress == sorted(context.progress)
    return outcome.files[0].path


@pytest.mark.parametrize(
    ("damage", "enhance", "gain_db"),
    [
        ("little_noise", {"Denoise": {}}, 3),
        ("much_noise", {"Denoise": {"Type": "strong"}}, 6),
        ("little_noise_pan", {"Denoise": {}}, 0.4),
        ("much_noise_pan", {"Denoise": {"Type": "strong"}}, 6),
        ("soft", {"ImageQualityEnhance": {}}, 0.5),
        ("softer", {"ImageQualityEnhance": {"Type": "normal"}}, 0.5),
        ("softest", {"ImageQualityEnhance": {"Type": "strong"}}, 0.5),
        ("faded", {"ColorEnhance": {"Type": "weak"}}, 1.5),
        ("faded", {"ColorEnhance": {"Type": "normal"}}, 4),
        ("faded", {"ColorEnhance": {"Type": "strong"}}, 7),
        ("underexposed", {"LowLightEnhance": {}}, 8),
        ("gloomy", {"LowLightEnhance": {}}, 6),
        ("dirty", {"ScratchRepair": {"Intensity": 0.2}}, 2),
        ("dirty", {"ScratchRepair": {"Intensity": 1.0}}, 3),
        ("dirty_pan", {"ScratchRepair": {"Intensity": 1.0}}, 1),
        ("blocks", {"ArtifactRepair": {}}, 0.15),
        ("worse_blocks", {"ArtifactRepair": {"Type": "strong"}}, 0.2),
    ],
)
async def test_nearer_to_the_original_than_without(
    films: Path, tmp_path: Path, damage: str, enhance: dict[str, Any], gain_db: float
) -> None:
    original = films / ("pan.mkv" if damage.endswith("pan") else "clean.mkv")
    source = films / f"{damage}.mkv"
    without = picture(source, original)
    with_it = picture(await enhanced(source, tmp_path, enhance), original)
    assert with_it.psnr > without.psnr + gain_db
    assert with_it.ssim > without.ssim


async def test_a_picture_that_is_light_stays_as_it_is(films: Path, tmp_path: Path) -> None:
    made = await enhanced(films / "clean.mkv", tmp_path, {"LowLightEnhance": {}})
    assert picture(made, films / "clean.mkv").psnr > 40


@pytest.mark.parametrize(("kind", "source", "gain_db"), [("hq", "half", 0.2), ("lq", "half_noisy", 1.0)])
async def test_super_resolution_doubles_and_is_nearer_than_plain_scaling(
    films: Path, tmp_path: Path, kind: str, source: str, gain_db: float
) -> None:
    (tmp_path / "with").mkdir()
    (tmp_path / "without").mkdir()
    path = films / f"{source}.mkv"
    made = await enhanced(path, tmp_path / "with", {"SuperResolution": {"Type": kind}})
    plain = await enhanced(path, tmp_path / "without", Width=640, Height=360)
    original = films / "large.mkv"
    assert (await probe(made)).shown_size == (640, 360)
    assert picture(made, original).psnr > picture(plain, original).psnr + gain_db
    assert picture(made, original).ssim > picture(plain, original).ssim


@pytest.mark.parametrize("enhance", [{"FrameRate": {"Fps": 50}}, {"FrameRateWithDen": {"FpsNum": 100, "FpsDen": 2}}])
async def test_frames_between_frames_follow_the_motion(films: Path, tmp_path: Path, enhance: dict[str, Any]) -> None:
    made = await enhanced(films / "pan.mkv", tmp_path, enhance)
    repeated = films / "repeated.mkv"
    make("-i", str(films / "pan.mkv"), "-vf", "fps=50", *LOSSLESS, str(repeated))
    data = await probe(made)
    assert data.frame_rate == 50
    assert data.duration == pytest.approx(0.8, abs=0.025)
    assert picture(made, films / "pan50.mkv").psnr > picture(repeated, films / "pan50.mkv").psnr + 4


async def test_a_source_with_as_many_frames_keeps_its_own(films: Path, tmp_path: Path) -> None:
    made = await enhanced(films / "pan50.mkv", tmp_path, {"FrameRate": {"Fps": 30}})
    assert (await probe(made)).frame_rate == 50
    assert picture(made, films / "pan50.mkv").psnr > 40


async def test_interlaced_pictures_are_made_whole_without_being_asked(films: Path, tmp_path: Path) -> None:
    assert (await probed(films / "interlaced.mkv")).facts.interlaced  # type: ignore[union-attr]
    made = await enhanced(films / "interlaced.mkv", tmp_path)
    original = films / "pan.mkv"
    assert picture(made, original).psnr > picture(films / "interlaced.mkv", original).psnr + 3


@pytest.mark.parametrize(
    "enhance",
    [
        {"Denoise": {"Type": "strong"}, "ScratchRepair": {"Intensity": 0.5}, "ColorEnhance": {"Type": "strong"}},
        {"ArtifactRepair": {"Type": "strong"}, "LowLightEnhance": {}},
        {"ImageQualityEnhance": {}, "SuperResolution": {"Type": "hq"}, "FrameRate": {"Fps": 50}},
    ],
)
async def test_ten_bits_stay_ten_bits(films: Path, tmp_path: Path, enhance: dict[str, Any]) -> None:
    ramp = "geq=lum='64+X*2+mod(N,3)':cb=512:cr=512"
    source = films / "ramp.mkv"
    grey = "color=gray:size=320x180:rate=25:duration=0.4,format=yuv420p10le"
    make("-f", "lavfi", "-i", f"{grey},{ramp}", *LOSSLESS, str(source))
    made = await enhanced(source, tmp_path, enhance, Codec="h265", BitDepth=10)
    with av.open(str(made)) as container:
        frame = list(container.decode(video=0))[4]
        assert frame.format.name == "yuv420p10le"
        luma = bytes(frame.planes[0])
    row = memoryview(luma).cast("H")[: frame.width]
    assert len(set(row)) > 256
