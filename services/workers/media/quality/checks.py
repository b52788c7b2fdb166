"""What the measures of one sample say, for each item of the contract. Pure.

The thresholds are the template's, their defaults `shared.mps.quality_control`'s. What a measure is worth was tried on
clips with known faults: see docs/reference/quality-control.md.
"""

from __future__ import annotations

import math

from services.workers.media.quality.measuring import Sample
from services.workers.media.quality.segments import Area, Check, Hit, confidence

_ONE_COLOUR_CHROMA = 16
"""Range of the colour planes in a picture of one colour."""
_NEARLY_BLACK = 40
"""Luma that nothing in a black picture exceeds, grain included."""
_BLACK = 16
_WHITE = 235


def check_of(item: str, threshold: float, width: int, height: int) -> Check | None:
    """The check of an item of the picture or the sound, for a picture of this size as it is shown; None for the score,
    which judges the whole."""
    match item:
        case "Mosaic":
            return _above("block", threshold, certain=threshold * 10, whole=(0, 0, width, height), logarithmic=True)
        case "Blur":
            return _above("blur", threshold, certain=threshold * 1.75, whole=(0, 0, width, height))
        case "HighLighting":
            return _lit(lambda sample: _mean(sample, threshold, _WHITE, 1))
        case "LowLighting":
            return _lit(lambda sample: _mean(sample, threshold, _BLACK, -1))
        case "SolidColorScreen":
            return lambda sample: Hit(1.0, (0, 0, width, height)) if one_colour(sample, threshold) else None
        case "BlackWhiteEdge":
            return lambda sample: _bars(sample, threshold / 100, width, height)
        case "VideoDuplicatedFrame":
            return lambda sample: _still(sample, threshold)
        case "NoVoice":
            return lambda sample: _below(sample.get("astats.Overall.RMS_level"), threshold, threshold - 20)
        case "LowVoice":
            return lambda sample: _below(sample.get("r128.M"), threshold, threshold - 15, at_least=-70)
        case "HighVoice":
            return _above("r128.M", threshold, certain=threshold + 6)
        case "AudioOutOfPhase":
            return lambda sample: _opposite(sample, threshold)
        case _:
            return None


def one_colour(sample: Sample, spread: float = 24) -> bool:
    """Whether the picture is one colour, or black with nothing but grain in it."""
    ranges = [_range(sample, plane) for plane in "YUV"]
    highest = sample.get("signalstats.YMAX")
    if highest is None or any(each is None for each in ranges):
        return False
    luma, *chroma = (each for each in ranges if each is not None)
    flat = luma <= spread and all(each <= _ONE_COLOUR_CHROMA for each in chroma)
    return flat or highest <= _NEARLY_BLACK


def _range(sample: Sample, plane: str) -> float | None:
    low, high = sample.get(f"signalstats.{plane}MIN"), sample.get(f"signalstats.{plane}MAX")
    return None if low is None or high is None else high - low


def _above(
    name: str, threshold: float, *, certain: float, whole: Area | None = None, logarithmic: bool = False
) -> Check:
    def check(sample: Sample) -> Hit | None:
        value = sample.get(name)
        if value is None or value < threshold:
            return None
        if logarithmic:
            return Hit(confidence(math.log(value), math.log(threshold), math.log(certain)), whole)
        return Hit(confidence(value, threshold, certain), whole)

    return check


def _below(value: float | None, threshold: float, certain: float, at_least: float = -math.inf) -> Hit | None:
    """Digital silence is -inf dB and certain."""
    if value is None or not at_least <= value <= threshold:
        return None
    return Hit(confidence(value, threshold, certain))


def _lit(check: Check) -> Check:
    """A picture of one colour is a fault of its own: nothing is lit wrongly in it."""
    return lambda sample: None if one_colour(sample) else check(sample)


def _mean(sample: Sample, threshold: float, certain: float, side: int) -> Hit | None:
    value = sample.get("signalstats.YAVG")
    if value is None or value * side < threshold * side:
        return None
    return Hit(confidence(value, threshold, certain))


def _bars(sample: Sample, share: float, width: int, height: int) -> Hit | None:
    """Black bars on opposite sides. The area is what lies between them."""
    sides = [sample.get(f"cropdetect.{name}") for name in ("x1", "y1", "x2", "y2")]
    if one_colour(sample) or any(side is None for side in sides):
        return None
    left, top, right, bottom = (side for side in sides if side is not None)
    if right <= left or bottom <= top:
        return None
    # What was measured is at most 360 lines high; the bars are wanted in pixels of the whole.
    factor = max(min(width, height) / 360, 1.0)
    area = (
        round(left * factor),
        round(top * factor),
        min(round((right + 1) * factor), width),
        min(round((bottom + 1) * factor), height),
    )
    beside = _pair(area[0], width - area[2]) / width
    over = _pair(area[1], height - area[3]) / height
    if max(beside, over) < share:
        return None
    return Hit(confidence(max(beside, over), share, share * 2), area)


def _pair(one: int, other: int) -> int:
    """Two bars together; 0 if they are no pair: a dark corner of a scene has no equal on the other side."""
    return one + other if abs(one - other) <= 8 + 0.1 * max(one, other) else 0


def _still(sample: Sample, threshold: float) -> Hit | None:
    """Nothing moves in the luma, nor in the colours: measured against the sample before, which the first one lacks."""
    moved = [sample.get(f"signalstats.{plane}DIF") for plane in "YUV"]
    if any(each is None or each > threshold for each in moved):
        return None
    return Hit(confidence(max(each for each in moved if each is not None), threshold, 0.0))


def _opposite(sample: Sample, threshold: float) -> Hit | None:
    phase, level = sample.get("aphasemeter.phase"), sample.get("astats.Overall.RMS_level")
    if phase is None or level is None or level < -60 or phase > threshold:
        return None
    return Hit(confidence(phase, threshold, -1.0))
