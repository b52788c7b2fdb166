"""Runs as the REST interface shows them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, Field

from services.api.dependencies import Context
from shared.ids import task_id
from shared.model.base import Instant
from shared.model.failure import Failure
from shared.model.run import Command, NodeState, Reused, Run, RunEvent, RunState
from shared.model.task import MediaObject, OutputTarget, Task, TaskState

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
    """A run with the progress of the nodes at work."""
    current = {
        index: task_id(run.id, index, node.attempt, run.epoch)
        for index, node in enumerate(run.node_runs)
        if node.state is NodeState.QUEUED
    }
    tasks = await context.deps.records.tasks.get_many(list(current.values()))
    live = {index: tasks[name] for index, name in current.items() if name in tasks}
    return RunDetail.model_validate(
        _members(run)
        | {
            "target": run.target,
            "session_context": run.session_context,
            "nodes": [_node(run, index, live) for index in range(len(run.nodes))],
            "commands": run.commands,
            "history": run.history,
        }
    )


def _members(run: Run) -> dict[str, object]:
    shared = {name: getattr(run, name) for name in RunSummary.model_fields if name != "nodes_by_state"}
    return shared | {"nodes_by_state": Counter(node.state for node in run.node_runs)}


def _node(run: Run, index: int, live: Mapping[int, Task]) -> NodeView:
    node, stands = run.nodes[index], run.node_runs[index]
    task = live.get(index)
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
    )
