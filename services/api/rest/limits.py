"""Limits: how many tasks of a tenant, or of one of its pipelines, may be at work at once."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from services.api.dependencies import Context
from services.api.lookup import own_pipeline
from services.api.rest.access import changes
from services.api.rest.authentication import Caller
from services.api.rest.parameters import PipelineId
from shared.model.credential import Role
from shared.model.gate import Gate, pipeline_gate, tenant_gate
from shared.model.task import TaskState
from shared.ports.state import DuplicateKey
from shared.state.repository import Contention

router = APIRouter(prefix="/limits", tags=["limits"])
_TRIES = 20


class LimitWish(BaseModel):
    """A limit. Zero lets nothing start."""

    model_config = ConfigDict(extra="forbid")

    max_running: int = Field(ge=0, le=100_000)


class Limit(BaseModel):
    """What holds now. A changed limit is kept within about a second; what runs already goes on."""

    max_running: int | None = Field(description="Null: no limit.")
    running: int = Field(description="Tasks at work now.")


@router.get("/tenant")
async def show_tenant_limit(caller: Caller) -> Limit:
    """The limit on all tasks of the caller's tenant."""
    return await _show(tenant_gate(caller.tenant), {"tenant": caller.tenant}, caller)


@router.put("/tenant")
@changes("limit", by=Role.ADMIN)
async def set_tenant_limit(caller: Caller, wish: LimitWish) -> Limit:
    """Sets it."""
    await _set(tenant_gate(caller.tenant), wish.max_running, caller)
    return await show_tenant_limit(caller)


@router.delete("/tenant", status_code=204)
@changes("limit", by=Role.ADMIN)
async def clear_tenant_limit(caller: Caller) -> None:
    """Removes it; fine if there is none."""
    await _clear(tenant_gate(caller.tenant), caller)


@router.get("/pipelines/{pipeline_id}")
async def show_pipeline_limit(caller: Caller, pipeline_id: PipelineId) -> Limit:
    """The limit on the tasks of one pipeline. It outlives a deleted pipeline: its last runs keep to it."""
    await own_pipeline(pipeline_id, caller)
    return await _show(pipeline_gate(pipeline_id), {"pipeline_id": pipeline_id}, caller)


@router.put("/pipelines/{pipeline_id}")
@changes("limit", by=Role.ADMIN)
async def set_pipeline_limit(caller: Caller, pipeline_id: PipelineId, wish: LimitWish) -> Limit:
    """Sets it."""
    await own_pipeline(pipeline_id, caller)
    await _set(pipeline_gate(pipeline_id), wish.max_running, caller)
    return await show_pipeline_limit(caller, pipeline_id)


@router.delete("/pipelines/{pipeline_id}", status_code=204)
@changes("limit", by=Role.ADMIN)
async def clear_pipeline_limit(caller: Caller, pipeline_id: PipelineId) -> None:
    """Removes it; fine if there is none."""
    await own_pipeline(pipeline_id, caller)
    await _clear(pipeline_gate(pipeline_id), caller)


async def _show(gate_id: str, whose: dict[str, str], context: Context) -> Limit:
    records = context.deps.records
    gate = await records.gates.get(gate_id)
    running = await records.tasks.count({"state": TaskState.RUNNING.value, **whose})
    return Limit(max_running=None if gate is None else gate.maximum, running=running)


async def _set(gate_id: str, maximum: int, context: Context) -> None:
    """Claims that pass the gate at this moment keep their entries."""
    gates, now = context.deps.records.gates, await context.deps.records.now()
    for _ in range(_TRIES):
        changed = await gates.change(gate_id, lambda gate: gate.with_changes(maximum=maximum))
        if changed is not None:
            return
        try:
            # A place is told from others by the gate's version: it must not start anew after the gate was removed.
            await gates.insert(Gate(id=gate_id, maximum=maximum, version=int(now.timestamp() * 1000)))
        except DuplicateKey:
            continue
        return
    raise Contention(f"gates/{gate_id} came and went {_TRIES} times under a change")


async def _clear(gate_id: str, context: Context) -> None:
    gates = context.deps.records.gates
    for _ in range(_TRIES):
        gate = await gates.get(gate_id)
        if gate is None or await gates.delete(gate):
            return
    raise Contention(f"gates/{gate_id} changed {_TRIES} times under a delete")
