"""Many numbers made few."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

Figures = dict[str, Any]
"""What a section found: plain data for JSON; names end with their unit."""


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which this share of the values lies; 0 of nothing."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)] if values else 0.0


def spread_ms(seconds: Sequence[float]) -> Figures:
    """p50 and p99 in milliseconds."""
    return {"p50_ms": quantile(seconds, 0.5) * 1000, "p99_ms": quantile(seconds, 0.99) * 1000, "count": len(seconds)}


def median(values: Sequence[float]) -> float:
    """0 of nothing."""
    return statistics.median(values) if values else 0.0


def ratio(ours: float, theirs: float) -> float:
    """Ours to the peer's; 0 if there is none."""
    return ours / theirs if theirs else 0.0


def at(figures: Mapping[str, Any], *path: str) -> Any:
    """What lies at the end of the path, None if that section was not measured."""
    found: Any = figures
    for name in path:
        if not isinstance(found, Mapping) or name not in found:
            return None
        found = found[name]
    return found
