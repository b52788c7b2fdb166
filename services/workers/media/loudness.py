"""Loudness of a whole sound: measured in one pass, brought to one level in the next (EBU R 128). Pure."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from shared.model.failure import InternalError

TARGET_LUFS = -16.0
"""What streaming services and players aim at [OURS: the contract names no level]."""
PEAK_DBTP = -1.5
MAX_GAIN_DB = 30.0
"""More only makes noise loud."""
_SILENT_LUFS = -69.0
"""ebur128 calls silence -70."""
MEASURE = "ebur128=peak=true:framelog=quiet"
"""Behind the filters whose sound is to be measured; its summary goes to the log at level info."""
_SUMMARY = re.compile(
    r"Integrated loudness:\s+I:\s+(?P<level>-?[\d.]+|-inf|nan) LUFS.*?Peak:\s+(?P<peak>-?[\d.]+|-?inf|nan) dBFS", re.S
)


@dataclass(frozen=True, slots=True)
class Loudness:
    """`level` in LUFS over the whole, `peak` the true peak in dBTP."""

    level: float
    peak: float

    @property
    def silent(self) -> bool:
        """Whether there is nothing to bring to a level."""
        return not math.isfinite(self.level) or self.level <= _SILENT_LUFS


def loudness_of(log: str) -> Loudness:
    """From what ffmpeg said. Raises InternalError if there is no summary."""
    # The last: what stands before it may be the words of a hostile file.
    summaries = list(_SUMMARY.finditer(log))
    if not summaries:
        raise InternalError("the loudness could not be measured")
    found = summaries[-1]
    return Loudness(float(found["level"]), float(found["peak"]))


def levelled(measured: Loudness) -> list[str]:
    """Filters that bring the sound to the target: one gain for all of it, and where single peaks would go over the
    limit a limiter that takes those alone."""
    if measured.silent:
        return []
    gain = min(TARGET_LUFS - measured.level, MAX_GAIN_DB)
    filters = [f"volume={gain:.2f}dB:precision=float"]
    if measured.peak + gain > PEAK_DBTP:
        filters += _limited()
    return filters


def _limited() -> list[str]:
    """Peaks between samples count too, so the limiter works at four times the rate (ITU-R BS.1770 annex 2)."""
    return [
        "aresample=192000",
        f"alimiter=limit={10 ** (PEAK_DBTP / 20):.4f}:attack=5:release=50:level=disabled:latency=1",
    ]
