"""A gate: how many tasks of a tenant, or of a pipeline, may be at work at the same time."""

from __future__ import annotations

from pydantic import Field

from shared.model.base import Document, Instant, Value
from shared.model.task import Task

SCOPES = ("tenant", "pipeline")
"""What a limit can be on."""


class Passage(Value):
    """A claim that is under way: the task as it was when its place was taken. `turn` is the gate's version at which it
    was written, which tells it from all others."""

    task_id: str
    task_version: int
    turn: int
    at: Instant


class Gate(Document):
    """A limit. What is at work is counted from live leases; `passing` holds only claims that are not leases yet, so
    that two claimers never take the last place both."""

    maximum: int = Field(ge=0, le=100_000)
    passing: tuple[Passage, ...] = ()


def tenant_gate(tenant: str) -> str:
    """The id of a tenant's gate."""
    return f"tenant:{tenant}"


def pipeline_gate(pipeline_id: str) -> str:
    """The id of a pipeline's gate."""
    return f"pipeline:{pipeline_id}"


def gates_of(task: Task) -> tuple[str, str]:
    """The gates that a task has to pass, if they exist."""
    return tenant_gate(task.tenant), pipeline_gate(task.pipeline_id)
