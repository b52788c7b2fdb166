"""What the orchestration must know of a node kind: where it runs and how often it is tried."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from shared.model.pipeline import RetryRule, Timeouts
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
    on: tuple[str, ...] | None = None

    def allows(self, code: str) -> bool:
        """Whether failures of this code are retried at all."""
        return self.on is None or any(code == prefix or code.startswith(f"{prefix}.") for prefix in self.on)


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """How long an attempt may wait for a worker, run, and stand still."""

    queued: timedelta
    running: timedelta
    stalled: timedelta


_QUICK = TimeLimits(timedelta(days=7), timedelta(hours=1), timedelta(minutes=15))
_LONG = TimeLimits(timedelta(days=7), timedelta(days=2), timedelta(minutes=30))


@dataclass(frozen=True, slots=True)
class KindTraits:
    """Lane, retry policy and time limits of a node kind."""

    lane: Lane
    retry: RetryPolicy = RetryPolicy()
    limits: TimeLimits = _LONG


_TRAITS = {
    PROBE: KindTraits(Lane.LIGHT, limits=_QUICK),
    NOOP: KindTraits(Lane.LIGHT, limits=_QUICK),
    "transcode": KindTraits(Lane.MEDIA),
    "snapshot_by_time": KindTraits(Lane.MEDIA),
    "sample_snapshot": KindTraits(Lane.MEDIA),
    "image_sprite": KindTraits(Lane.MEDIA),
    "animated_graphics": KindTraits(Lane.MEDIA),
    "quality_control": KindTraits(Lane.MEDIA),
    "adaptive_streaming": KindTraits(Lane.MEDIA),
}


def traits(kind: str) -> KindTraits:
    """The traits of a kind; one that is not known here (a third party's) runs on the media lane."""
    return _TRAITS.get(kind, KindTraits(Lane.MEDIA))


def retry_policy(kind: str, rule: RetryRule | None) -> RetryPolicy:
    """The kind's policy with what the node says of its own."""
    policy = traits(kind).retry
    if rule is None:
        return policy
    base = policy.base if rule.base_s is None else timedelta(seconds=rule.base_s)
    # A first wait that is longer than the kind's cap is what was asked for; a cap that was asked for holds.
    cap = max(base, policy.cap) if rule.cap_s is None else timedelta(seconds=rule.cap_s)
    return RetryPolicy(
        max_attempts=rule.max_attempts or policy.max_attempts,
        base=base,
        cap=cap,
        on=policy.on if rule.on is None else rule.on,
    )


def time_limits(kind: str, given: Timeouts | None) -> TimeLimits:
    """The kind's limits with what the node says of its own."""
    limits = traits(kind).limits
    if given is None:
        return limits
    return TimeLimits(
        limits.queued if given.queued_s is None else timedelta(seconds=given.queued_s),
        limits.running if given.running_s is None else timedelta(seconds=given.running_s),
        limits.stalled if given.stalled_s is None else timedelta(seconds=given.stalled_s),
    )


def known_kinds() -> frozenset[str]:
    """The kinds that ship with Reelway."""
    return frozenset(_TRAITS)
