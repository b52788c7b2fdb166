"""From samples to segments: when something began, when it ended, and how sure it is. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from services.workers.media.quality.measuring import Sample

Area = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A sample in which something was found. `confidence` is 0 to 1."""

    confidence: float
    area: Area | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """`start_s` to `end_s` from the start of the source."""

    start_s: float
    end_s: float
    confidence: float
    area: Area | None = None


Check = Callable[[Sample], Hit | None]


def confidence(value: float, threshold: float, certain: float) -> float:
    """A half at the threshold, one where it is certain, straight between; `certain` may lie on either side."""
    if certain == threshold:
        return 1.0
    return 0.5 + 0.5 * min(max((value - threshold) / (certain - threshold), 0.0), 1.0)


def segments(
    samples: Sequence[Sample], check: Check, lasting_s: float, end_s: float, *, lag_s: float = 0.0, bridged: int = 1
) -> list[Segment]:
    """Where `check` holds for at least `lasting_s`. A segment ends with the sample that ends it, or at `end_s`.

    `bridged` samples in between may miss: a single picture of a blurred scene may be sharp. `lag_s` is by how much the
    samples are late.
    """
    found: list[Segment] = []
    hits: list[Hit] = []
    start_s = stop_s = 0.0
    missed = 0

    def close() -> None:
        if hits and stop_s - start_s >= lasting_s - 1e-6:
            found.append(_segment(start_s, stop_s, hits))

    for index, sample in enumerate(samples):
        hit = check(sample)
        if hit is None:
            missed += 1
            if hits and missed > bridged:
                close()
                hits = []
            continue
        at_s = max(sample.at_s - lag_s, 0.0)
        if not hits:
            start_s = at_s
        hits.append(hit)
        missed = 0
        stop_s = max(samples[index + 1].at_s - lag_s, at_s) if index + 1 < len(samples) else max(end_s, at_s)
    close()
    return found


def standing(samples: Sequence[Sample], check: Check, lasting_s: float, end_s: float) -> list[Segment]:
    """Where the picture stands still for at least `lasting_s`: `check` compares a sample with the one before it. A
    picture that no other follows for that long stands still as well."""
    found: list[Segment] = []
    since_s: float | None = None
    sure: list[float] = []

    def close(at_s: float) -> None:
        if since_s is not None and at_s - since_s >= lasting_s - 1e-6:
            found.append(Segment(round(since_s, 3), round(at_s, 3), sum(sure) / len(sure)))

    for before, sample in pairwise(samples):
        hit = check(sample)
        if hit is None and sample.at_s - before.at_s >= lasting_s:
            hit = Hit(1.0)
        if hit is None:
            close(before.at_s)
            since_s, sure = None, []
            continue
        since_s = before.at_s if since_s is None else since_s
        sure.append(hit.confidence)
    if samples and since_s is None and end_s - samples[-1].at_s >= lasting_s:
        since_s, sure = samples[-1].at_s, [1.0]
    close(end_s)
    return found


def _segment(start_s: float, end_s: float, hits: Sequence[Hit]) -> Segment:
    areas = [hit.area for hit in hits if hit.area is not None]
    # The median of each side: one odd picture does not move the bar.
    area = _middle(areas) if areas else None
    return Segment(round(start_s, 3), round(end_s, 3), sum(hit.confidence for hit in hits) / len(hits), area)


def _middle(areas: Sequence[Area]) -> Area:
    def median(values: Iterable[int]) -> int:
        ordered = sorted(values)
        return ordered[len(ordered) // 2]

    left, top, right, bottom = (median(area[side] for area in areas) for side in range(4))
    return (left, top, right, bottom)
