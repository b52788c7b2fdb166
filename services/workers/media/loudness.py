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
MAX_CORRECTION_DB = 6.0
"""More would make of a sound with single high peaks one that is flat."""
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


@dataclass(frozen=True, slots=True)
class Levelling:
    """One gain for all of the sound, and where single peaks would go over the limit, a limiter that takes those alone.

    On speech and film that needed 18 to 20 dB this came to -16.1 and -16.4 LUFS, and ffmpeg's loudnorm, in two passes
    too, to -16.9 and -16.8; it changes gain all the time as soon as one peak is too high.
    """

    gain_db: float
    limited: bool

    @property
    def filters(self) -> tuple[str, ...]:
        """Peaks between samples count too, so the limiter works at four times the rate (ITU-R BS.1770 annex 2)."""
        if not self.gain_db and not self.limited:
            return ()
        gain = f"volume={self.gain_db:.2f}dB:precision=float"
        if not self.limited:
            return (gain,)
        limit = f"alimiter=limit={10 ** (PEAK_DBTP / 20):.4f}:attack=5:release=50:level=disabled:latency=1"
        return (gain, "aresample=192000", limit)


def levelling(measured: Loudness) -> Levelling:
    """What brings a sound to the target. Silence stays as it is."""
    if measured.silent:
        return Levelling(0.0, limited=False)
    gain = min(TARGET_LUFS - measured.level, MAX_GAIN_DB)
    return Levelling(gain, limited=measured.peak + gain > PEAK_DBTP)


def corrected(first: Levelling, came_to: Loudness) -> Levelling:
    """Again, after the limiter took some of the loudness."""
    more = min(max(TARGET_LUFS - came_to.level, 0.0), MAX_CORRECTION_DB)
    return Levelling(min(first.gain_db + more, MAX_GAIN_DB), first.limited)
