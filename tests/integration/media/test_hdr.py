"""SDR to HDR and back, and HDR that stays: tags, static metadata, and what the picture looks like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import pytest
from av.sidedata.sidedata import Type

from services.workers.media.ffmpeg import media_tools
from services.workers.nodes.transcode import Transcode
from shared.model.failure import InvalidInput
from tests.integration.media.conftest import BUNNY, make
from tests.integration.media.context import FakeContext, task_for
from tests.integration.media.measures import picture

BT709, BT2020, PQ, HLG, BT2020NC = 1, 9, 16, 18, 9
DISPLAY = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
X265 = ["-c:v", "libx265", "-preset", "ultrafast", "-crf", "12", "-tag:v", "hvc1", "-x265-params"]


def graded(transfer: str) -> str:
    """An SDR picture as an HDR one that looks the same: white at 203 nits."""
    return (
        "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv,zscale=t=linear:npl=203,"
        f"format=gbrpf32le,zscale=p=bt2020,zscale=t={transfer}:m=bt2020nc:r=tv:npl=203,format=yuv420p10le"
    )


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hdr")
    small = "scale=320:180:flags=area,setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709"
    cut = ["-ss", "1", "-i", str(BUNNY), "-frames:v", "8", "-an"]
    make(*cut, "-vf", small, "-c:v", "ffv1", str(folder / "sdr.mkv"))
    static = f"log-level=error:hdr10=1:master-display={DISPLAY}:max-cll=1000,400"
    source = ["-i", str(folder / "sdr.mkv"), "-vf"]
    make(*source, graded("smpte2084"), *X265, static, str(folder / "hdr10.mp4"))
    make(*source, graded("arib-std-b67"), *X265, "log-level=error", str(folder / "hlg.mp4"))
    # Many files say the transfer and nothing else.
    bare = f"{graded('smpte2084')},setparams=color_primaries=unknown:colorspace=unknown"
    make(*source, bare, *X265, "log-level=error", str(folder / "bare.mp4"))
    return folder


async def made(source: Path, folder: Path, enhance: dict[str, Any] | None = None, **video: Any) -> Path:
    template: dict[str, Any] = {
        "Container": "mp4",
        "VideoTemplate": {"Codec": "h265", "Fps": 0, "Bitrate": 0, "Mode": "VCRF", "Vcrf": 12} | video,
        "RemoveAudio": 1,
    }
    template |= {"EnhanceConfig": {"VideoEnhance": enhance}} if enhance else {}
    context = FakeContext(task_for("transcode", {"Definition": 0, "RawParameter": template}), folder, source)
    return (await Transcode(media_tools(threads=1)).execute(context)).files[0].path


def colours(path: Path) -> tuple[str, int, int, int, set[Type]]:
    """Pixel format, primaries, transfer, matrix and kinds of static metadata of the first frame."""
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        static = {each.type for each in frame.side_data} & {
            Type.MASTERING_DISPLAY_METADATA,
            Type.CONTENT_LIGHT_LEVEL,
        }
        return frame.format.name, frame.color_primaries, frame.color_trc, frame.colorspace, static


STATIC = {Type.MASTERING_DISPLAY_METADATA, Type.CONTENT_LIGHT_LEVEL}


@pytest.mark.parametrize("name", ["hdr10.mp4", "hlg.mp4", "bare.mp4"])
async def test_hdr_as_sdr_looks_like_the_picture_it_was_graded_from(films: Path, tmp_path: Path, name: str) -> None:
    path = await made(films / name, tmp_path, Codec="h264")
    assert colours(path) == ("yuv420p", BT709, BT709, BT709, set())
    measured = picture(path, films / "sdr.mkv")
    assert measured.ssim > 0.95
    assert measured.psnr > 29, "the highlights alone are pressed together"


@pytest.mark.parametrize("codec", ["h264", "h265", "av1", "vp9"])
async def test_ten_bits_keep_hdr_with_its_tags_and_static_metadata(films: Path, tmp_path: Path, codec: str) -> None:
    container = {"Container": "mkv"}
    template = {
        **container,
        "VideoTemplate": {"Codec": codec, "Fps": 0, "Bitrate": 0, "BitDepth": 10, "Width": 160, "Height": 0},
        "RemoveAudio": 1,
    }
    context = FakeContext(
        task_for("transcode", {"Definition": 0, "RawParameter": template}), tmp_path, films / "hdr10.mp4"
    )
    outcome = await Transcode(media_tools(threads=1)).execute(context)
    assert colours(outcome.files[0].path) == ("yuv420p10le", BT2020, PQ, BT2020NC, STATIC)
    assert outcome.payload["VideoStreamSet"][0]["HdrType"] == "hdr10"


@pytest.mark.parametrize(
    ("codec", "kind", "transfer", "static"),
    [("h265", "HDR10", PQ, STATIC), ("h264", "HDR10", PQ, STATIC), ("h265", "HLG", HLG, set())],
)
async def test_sdr_becomes_hdr_that_looks_the_same(
    films: Path, tmp_path: Path, codec: str, kind: str, transfer: int, static: set[Type]
) -> None:
    path = await made(films / "sdr.mkv", tmp_path, {"Hdr": {"Type": kind}}, Codec=codec, BitDepth=10)
    assert colours(path) == ("yuv420p10le", BT2020, transfer, BT2020NC, static)
    back = "zscale=t=linear:npl=203,format=gbrpf32le,zscale=p=bt709,zscale=t=bt709:m=bt709:r=tv"
    same = tmp_path / "same.mkv"
    make("-i", str(path), "-vf", f"{back},format=yuv420p", "-c:v", "ffv1", str(same))
    measured = picture(same, films / "sdr.mkv")
    assert measured.psnr > 36
    assert measured.ssim > 0.97


async def test_hdr10_becomes_hlg(films: Path, tmp_path: Path) -> None:
    path = await made(films / "hdr10.mp4", tmp_path, {"Hdr": {"Type": "HLG"}}, BitDepth=10)
    assert colours(path)[:4] == ("yuv420p10le", BT2020, HLG, BT2020NC)
    assert picture(path, films / "hlg.mp4").psnr > 36


async def test_what_is_for_sdr_pictures_is_refused_for_hdr_ones(films: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"VideoEnhance\.ColorEnhance is for SDR pictures"):
        await made(films / "hlg.mp4", tmp_path, {"ColorEnhance": {}}, BitDepth=10)
