"""A rules node: which of its successors are to run."""

from __future__ import annotations

from dataclasses import dataclass

from shared.model.run import Run
from shared.model.task import NodeResult


@dataclass(frozen=True, slots=True)
class Decision:
    """What a rules node came to, and why."""

    node_result: NodeResult
    explanation: str


def decide(run: Run, index: int) -> Decision:
    """The successors that the rules choose, by the run's metadata and the results so far. Total: whatever is missing
    makes a condition false."""
    raise NotImplementedError
