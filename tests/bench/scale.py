"""How much is measured: a quarter of an hour, or the few minutes of the short form."""

from __future__ import annotations

from dataclasses import dataclass

from tests.bench.graphs import CHAIN, FAN, NINE, Graph


@dataclass(frozen=True)
class Scale:
    """Amounts of everything."""

    rounds: int
    rate_s: float
    """How long each fixed rate is held in a round."""
    singles: tuple[tuple[Graph, tuple[float, ...]], ...]
    """The graphs and the rates (runs per second) at which each is started."""
    bursts: tuple[tuple[Graph, int], ...]
    """How many runs of a graph are started at once."""
    media_rounds: int
    media_s: int
    """Length of the clip."""
    uploads: int
    """One after another."""
    many: int
    """At once."""
    big_bytes: int
    delivery_rounds: int
    deliveries: int
    """Runs that are told, in a round."""
    runs: int
    """In the store, for lists and searches."""


FULL = Scale(
    rounds=3,
    rate_s=8,
    singles=((NINE, (5, 15)), (CHAIN, (4,)), (FAN, (1,))),
    bursts=((NINE, 150), (CHAIN, 100), (FAN, 30)),
    media_rounds=3,
    media_s=20,
    uploads=20,
    many=10_000,
    big_bytes=2_000_000_000,
    delivery_rounds=3,
    deliveries=1000,
    runs=100_000,
)
SHORT = Scale(
    rounds=1,
    rate_s=6,
    singles=((NINE, (3,)), (CHAIN, (3,)), (FAN, (1,))),
    bursts=((NINE, 60), (CHAIN, 30), (FAN, 10)),
    media_rounds=1,
    media_s=6,
    uploads=10,
    many=500,
    big_bytes=200_000_000,
    delivery_rounds=1,
    deliveries=300,
    runs=5_000,
)
SLOTS = 4
"""Tasks at once in the one worker that each system has."""
