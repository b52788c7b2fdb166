"""A no-reference score of the picture: a documented heuristic, not a model trained on opinions. Pure.

Each picture begins with 100 and loses by what can be measured without an original: soft edges (blurdetect), visible
blocks (blockdetect), too little or too much light, too little contrast (signalstats). The score of a source is the
mean of its pictures; those of one colour have nothing to judge and are left out. The opinion score is the same on the
scale of 1 to 5. It orders versions of one source rightly; across different sources it is a hint.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from services.workers.media.quality.checks import one_colour
from services.workers.media.quality.measuring import Sample


def picture_score(sample: Sample) -> float | None:
    """0 to 100; None if there is nothing to judge."""
    if one_colour(sample):
        return None
    blur, block = sample.get("blur"), sample.get("block")
    mean, low, high = (sample.get(f"signalstats.{name}") for name in ("YAVG", "YLOW", "YHIGH"))
    if blur is None or mean is None or low is None or high is None:
        return None
    left = 1.0
    left *= 1 - 0.8 * _share(blur, 4.0, 14.0)
    left *= 1 - 0.7 * _share(math.log10(max(block or 1.0, 1.0)), math.log10(2.0), math.log10(100.0))
    left *= 1 - 0.5 * max(_share(mean, 60, 20), _share(mean, 190, 230))
    left *= 1 - 0.4 * _share(high - low, 60, 10)
    return 100 * left


def _share(value: float, harmless: float, worst: float) -> float:
    """How far a value has gone from harmless to worst, 0 to 1."""
    return min(max((value - harmless) / (worst - harmless), 0.0), 1.0)


def score(samples: Iterable[Sample]) -> float | None:
    """The mean of the pictures, 0 to 100; None if none can be judged."""
    scores = [each for sample in samples if (each := picture_score(sample)) is not None]
    return sum(scores) / len(scores) if scores else None


def opinion(score_: float) -> float:
    """The same from 1 (bad) to 5 (excellent), with one decimal."""
    return round(1 + score_ / 25, 1)
