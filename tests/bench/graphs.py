"""The graphs that are run on both systems. Nothing but the standard library: the peer's own Python reads it too."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Graph:
    """Stages that run one after another; the tasks of a stage side by side, each waiting for all of the
    stage before."""

    name: str
    stages: tuple[int, ...]
    sleep_ms: int = 0
    """How long each task takes."""

    @property
    def nodes(self) -> int:
        """How many tasks there are."""
        return sum(self.stages)

    def before(self, node: int) -> range:
        """The tasks that this one waits for; tasks are numbered from stage to stage."""
        first = previous = 0
        for count in self.stages:
            if node < first + count:
                return range(first - previous, first)
            first, previous = first + count, count
        raise IndexError(node)


NINE = Graph("nine", (1, 6, 1, 1))
"""1 -> 6 -> join -> 1"""
CHAIN = Graph("chain", (1,) * 10)
FAN = Graph("fan", (1, 50, 1))
"""1 -> 50 -> join"""
GRAPHS = {graph.name: graph for graph in (NINE, CHAIN, FAN)}
