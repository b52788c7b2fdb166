"""Which commands fit a run as it stands: asked by whoever writes a command, and again by whoever takes it in."""

from __future__ import annotations

from typing import assert_never

from shared.model.run import CommandKind, NodeState, Run, RunState

MAX_PENDING = 20
"""How many commands may wait in a run at once; they are taken in within seconds."""


def refusal(run: Run, kind: CommandKind, node: int | None = None) -> str | None:
    """Why a command does not fit the run as it stands; None if it does. Pending commands are not looked at."""
    if run.state.final:
        return f"the run has ended ({run.state.value})"
    match kind:
        case CommandKind.CANCEL:
            return None
        case CommandKind.PAUSE:
            return "the run is paused already" if run.state is RunState.PAUSED else None
        case CommandKind.RESUME:
            return None if run.state is RunState.PAUSED else "the run is not paused"
        case CommandKind.RETRY_NODE:
            return _retry_refusal(run, node)
        case _:
            assert_never(kind)


def _retry_refusal(run: Run, node: int | None) -> str | None:
    if node is None or not 0 <= node < len(run.nodes):
        return f"node {node} does not exist: the run has nodes 0 to {len(run.nodes) - 1}"
    state = run.node_runs[node].state
    if state not in (NodeState.FAILED, NodeState.WAITING):
        return f"node {node} is {state.value}: only one that has failed, or waits for its next attempt, is tried again"
    return None
