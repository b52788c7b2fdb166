"""Whether a node may start: what its predecessors have come to, by its join mode (DESIGN §7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from shared.model.pipeline import OUTPUT, RULES, Join
from shared.model.run import NodeRun, NodeState, Run


class Edge(Enum):
    """What the edge from a predecessor to a node has come to."""

    OPEN = auto()
    """The predecessor is not final."""
    FINE = auto()
    """It succeeded, and leads here."""
    UNCHOSEN = auto()
    """A rule chose another way; nobody is to blame and nobody waits."""
    BAD = auto()
    """It failed, or was skipped because something before it failed, or was cancelled."""


@dataclass(frozen=True, slots=True)
class Start:
    """The node is to run, after these predecessors."""

    after: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Skip:
    """The node will not run."""

    reason: str
    unchosen: bool


@dataclass(frozen=True, slots=True)
class Reached:
    """The end of the graph is reached; it does no work."""


Verdict = Start | Skip | Reached | None


def verdict(run: Run, states: Sequence[NodeRun], index: int, before: Sequence[int]) -> Verdict:
    """What becomes of a pending node; None while it has to wait."""
    edges = {predecessor: _edge(run, states, predecessor, index) for predecessor in before}
    fine = tuple(predecessor for predecessor, edge in edges.items() if edge is Edge.FINE)
    waits = Edge.OPEN in edges.values()
    node = run.nodes[index]
    if node.kind == OUTPUT:
        return None if waits else Reached()
    if node.join is Join.ANY and fine:
        return Start(fine)
    if waits:
        return None
    if not before:
        return Start(())
    bad = next((predecessor for predecessor, edge in edges.items() if edge is Edge.BAD), None)
    if bad is not None:
        return Skip(f"node {bad} ({run.nodes[bad].kind}) {states[bad].state.value}", unchosen=False)
    return Start(fine) if fine else Skip(_not_chosen(run, states, before), unchosen=True)


def _edge(run: Run, states: Sequence[NodeRun], predecessor: int, index: int) -> Edge:
    state = states[predecessor]
    if not state.state.final:
        return Edge.OPEN
    if state.state is NodeState.SUCCEEDED:
        chosen = None if state.result is None else state.result.chosen
        return Edge.UNCHOSEN if chosen is not None and index not in chosen else Edge.FINE
    return Edge.UNCHOSEN if state.unchosen else Edge.BAD


def _not_chosen(run: Run, states: Sequence[NodeRun], before: Sequence[int]) -> str:
    first = before[0]
    if run.nodes[first].kind == RULES:
        return f"not chosen by node {first} ({RULES})"
    return f"node {first} ({run.nodes[first].kind}) was not chosen"
