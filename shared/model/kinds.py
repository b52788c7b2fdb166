"""What the orchestration must know of a node kind: where it runs and how often it is tried."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from shared.model.task import Lane

PROBE = "probe"
"""What running the input node means: read the source's metadata."""
NOOP = "noop"
"""Does nothing, for tests and benchmarks; not reachable through the API."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a node is tried when its failure is retryable: waits `base * 2^(n-1)`, at most `cap`, after the n-th
    attempt, plus up to a half of that as jitter."""

    max_attempts: int = 3
    base: timedelta = timedelta(seconds=2)
    cap: timedelta = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class KindTraits:
    """Lane and retry policy of a node kind."""

    lane: Lane
    retry: RetryPolicy = RetryPolicy()


_TRAITS = {
    PROBE: KindTraits(Lane.LIGHT),
    NOOP: KindTraits(Lane.LIGHT),
    "transcode": KindTraits(Lane.MEDIA),
    "snapshot_by_time": KindTraits(Lane.MEDIA),
    "sample_snapshot": KindTraits(Lane.MEDIA),
}


def traits(kind: str) -> KindTraits:
    """The traits of a kind; one that is not known here (a third party's) runs on the media lane."""
    return _TRAITS.get(kind, KindTraits(Lane.MEDIA))


def known_kinds() -> frozenset[str]:
    """The kinds that ship with Reelway."""
    return frozenset(_TRAITS)
