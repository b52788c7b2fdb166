"""How near an output is to a clean original: PSNR, SSIM, SI-SDR; loudness."""

from __future__ import annotations

import math
import re
import subprocess
from array import array
from dataclasses import dataclass
from pathlib import Path

from tests.integration.media.conftest import FFMPEG


@dataclass(frozen=True)
class Picture:
    """PSNR of all planes in dB, SSIM of luma."""

    psnr: float
    ssim: float


def ffmpeg_says(*arguments: str) -> str:
    """What ffmpeg wrote to its log."""
    program = [FFMPEG, "-hide_banner", "-nostdin", "-nostats", *arguments]
    return subprocess.run(program, check=True, capture_output=True, text=True, timeout=60).stderr


def picture(made: Path, original: Path, shaped: str = "null") -> Picture:
    """The first against the second, frame by frame; `shaped` are filters for both."""
    by_number = f"setpts=N/25/TB,{shaped},format=yuv420p,split"
    log = ffmpeg_says(
        *("-i", str(made), "-i", str(original), "-filter_complex"),
        f"[0:v]{by_number}[a][b];[1:v]{by_number}[c][d];[a][c]psnr;[b][d]ssim",
        *("-f", "null", "-"),
    )
    psnr = re.search(r"PSNR .*average:([\d.]+|inf)", log)
    ssim = re.search(r"SSIM Y:([\d.]+)", log)
    assert psnr
    assert ssim
    return Picture(float(psnr[1]), float(ssim[1]))


def samples(path: Path, rate: int = 48000) -> array[float]:
    """The sound as one channel."""
    program = [
        FFMPEG,
        "-v",
        "error",
        "-i",
        str(path),
        "-map",
        "0:a:0",
        "-ac",
        "1",
        "-ar",
        str(rate),
        "-f",
        "f32le",
        "-",
    ]
    return array("f", subprocess.run(program, check=True, capture_output=True, timeout=60).stdout)


def si_sdr(made: array[float], original: array[float]) -> float:
    """Scale-invariant signal-to-distortion ratio in dB (Le Roux et al. 2019), of every second sample."""
    pairs = list(zip(made[::2], original[::2], strict=False))
    own = sum(b * b for _, b in pairs)
    scale = sum(a * b for a, b in pairs) / own
    wanted = scale * scale * own
    return 10 * math.log10(wanted / sum((a - scale * b) ** 2 for a, b in pairs))


@dataclass(frozen=True)
class Loud:
    """LUFS, dBTP and LU."""

    level: float
    peak: float
    spread: float


def loud(path: Path) -> Loud:
    """By ffmpeg's ebur128."""
    log = ffmpeg_says("-i", str(path), "-map", "0:a:0", "-af", "ebur128=peak=true", "-f", "null", "-")
    summary = log[log.rindex("Summary:") :]
    values = [re.search(rf"{name}:\s+(-?[\d.]+|-inf)", summary) for name in ("I", "Peak", "LRA")]
    return Loud(*(float(value[1]) for value in values if value))
