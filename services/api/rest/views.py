"""Runs as the REST interface shows them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, Field

from services.api.attempts import attempts_of
from services.api.dependencies import Context
from shared.model.base import Instant
from shared.model.failure import Failure
from shared.model.run import Command, NodeState, Reused, Run, RunEvent, RunState
from shared.model.task import Lane, MediaObject, OutputTarget, Task, TaskState

NodeShown = Literal["pending", "queued", "running", "waiting", "succeeded", "failed", "skipped", "cancelled"]


class RunSummary(BaseModel):
    """A run in a list. `nodes_by_state` counts its nodes; a run that `rerun_of` names another is its rerun."""

    id: str
    state: RunState
    pipeline_id: str
    pipeline_name: str
    definition: int = Field(description="Which saved definition of the pipeline it runs.")
    input: MediaObject
    priority: int
    session_id: str
    rerun_of: str | None
    root: str | None = Field(description="The first run of a chain of reruns.")
    epoch: int = Field(description="How many reruns lie before this one.")
    failure: Failure | None = Field(description="Why the source could not be used.")
    nodes_by_state: dict[NodeState, int]
    created_at: Instant
    started_at: Instant | None
    finished_at: Instant | None


class AttemptView(BaseModel):
    """One attempt at a node. From `queued_at` to `claimed_at` it waited for a worker, until `finished_at` one was at
    it; after a worker's death the times are those of the last that had it."""

    attempt: int
    state: TaskState
    lane: Lane
    worker: str | None = Field(description="Who has, or had, it last.")
    queued_at: Instant
    claimed_at: Instant | None
    finished_at: Instant | None
    lease_until: Instant | None
    progress: int = Field(description="Percent.")
    claims: int = Field(description="How often a worker took it; each has a log.")
    lost: int = Field(description="How many workers died over it.")
    failure: Failure | None = Field(description="Error class, message, and whether it is one that is tried again.")
    outputs: int = Field(description="How many objects it wrote.")


class NodeView(BaseModel):
    """A node of a run. `running` means that a worker is at it; `due_at` is when a waiting one is tried again."""

    index: int
    kind: str
    name: str | None
    state: NodeShown
    attempt: int
    progress: int = Field(description="Percent.")
    queued_at: Instant | None
    started_at: Instant | None
    finished_at: Instant | None
    due_at: Instant | None
    failure: Failure | None
    reason: str | None = Field(description="Why it was skipped, or what a rules node found.")
    unchosen: bool = Field(description="Skipped because a rule chose another way, not because something failed.")
    reused: Reused | None = Field(description="The attempt of an earlier run that made the result.")
    successors: list[int]
    attempts: list[AttemptView] = Field(description="Oldest first; those of a reused node are the earlier run's.")


class RunDetail(RunSummary):
    """A run with everything about it. `commands` are wishes that were not taken in yet."""

    target: OutputTarget
    session_context: str
    nodes: list[NodeView]
    commands: list[Command]
    history: list[RunEvent]


def summary(run: Run) -> RunSummary:
    """A run for a list."""
    return RunSummary.model_validate(_members(run))


async def detail(run: Run, context: Context) -> RunDetail:
    """A run with the attempts at its nodes, and the progress of those at work."""
    attempts = await attempts_of(run, context)
    return RunDetail.model_validate(
        _members(run)
        | {
            "target": run.target,
            "session_context": run.session_context,
            "nodes": [_node(run, index, attempts.get(index, [])) for index in range(len(run.nodes))],
            "commands": run.commands,
            "history": run.history,
        }
    )


def _members(run: Run) -> dict[str, object]:
    shared = {name: getattr(run, name) for name in RunSummary.model_fields if name != "nodes_by_state"}
    return shared | {"nodes_by_state": Counter(node.state for node in run.node_runs)}


def _node(run: Run, index: int, attempts: Sequence[Task]) -> NodeView:
    node, stands = run.nodes[index], run.node_runs[index]
    current = [one for one in attempts if one.attempt == stands.attempt]
    task = current[0] if current and stands.state is NodeState.QUEUED else None
    works = task is not None and task.state is TaskState.RUNNING
    done = stands.state is NodeState.SUCCEEDED
    return NodeView(
        index=index,
        kind=node.kind,
        name=node.name,
        state="running" if works else stands.state.value,
        attempt=stands.attempt,
        progress=100 if done else task.progress if task is not None else 0,
        queued_at=stands.queued_at,
        started_at=task.claimed_at if task is not None and works else stands.started_at,
        finished_at=stands.finished_at,
        due_at=stands.due_at,
        failure=stands.failure,
        reason=stands.reason,
        unchosen=stands.unchosen,
        reused=stands.reused,
        successors=list(node.successors),
        attempts=[_attempt(one) for one in attempts],
    )


def _attempt(task: Task) -> AttemptView:
    shared = {name: getattr(task, name) for name in AttemptView.model_fields if name not in ("claims", "outputs")}
    outputs = len(task.result.outputs) if task.result else 0
    return AttemptView.model_validate(shared | {"claims": task.fence, "outputs": outputs})
