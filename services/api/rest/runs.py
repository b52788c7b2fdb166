"""Runs: list, look, and cancel, pause, resume, retry of one node."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from services.api.commanding import command_run
from services.api.domain.tasks import Mark, TaskListing
from services.api.lookup import own_run
from services.api.newest import beginning_with, newest_first
from services.api.rest.access import changes
from services.api.rest.authentication import Caller
from services.api.rest.idempotency import RepeatableRoute
from services.api.rest.parameters import NodeIndex, RunId, Wait, created_range, read_mark
from services.api.rest.views import RunDetail, RunSummary, detail, summary
from shared.model.base import Instant
from shared.model.run import CommandKind, RunState

router = APIRouter(prefix="/runs", tags=["runs"], route_class=RepeatableRoute)


class RunPage(BaseModel):
    """Some runs. `cursor` leads to those after them; null at the end."""

    runs: list[RunSummary]
    cursor: str | None


class RunFilter(BaseModel):
    """Which runs. Runs created while somebody turns pages come before the first page and move nothing."""

    model_config = ConfigDict(extra="forbid")

    state: list[RunState] = Field(default_factory=list, description="One of these; any if absent.")
    pipeline_id: str | None = Field(default=None, max_length=64)
    name: str | None = Field(
        default=None,
        min_length=1,
        max_length=128,
        description="A piece of the pipeline's name as it was then; Latin letters in either case.",
    )
    bucket: str | None = Field(default=None, max_length=63, description="Of the input.")
    key_prefix: str | None = Field(
        default=None, min_length=1, max_length=1024, description="How the input's key begins; no leading slash."
    )
    created_from: Instant | None = Field(default=None, alias="from", description="Created at this moment or later.")
    created_to: Instant | None = Field(default=None, alias="to", description="Created before this moment.")
    limit: int = Field(default=20, ge=1, le=100)
    cursor: str | None = Field(default=None, max_length=1000)


@router.get("")
async def list_runs(caller: Caller, wanted: Annotated[RunFilter, Query()]) -> RunPage:
    """The caller's runs, newest first."""
    where: dict[str, Any] = {"tenant": caller.tenant}
    if wanted.state:
        where["state"] = {"$in": [state.value for state in wanted.state]}
    if wanted.pipeline_id is not None:
        where["pipeline_id"] = wanted.pipeline_id
    if wanted.name is not None:
        where["pipeline_name"] = {"$contains": wanted.name}
    if wanted.bucket is not None:
        where["input.bucket"] = wanted.bucket
    if wanted.key_prefix is not None:
        where["input.key"] = beginning_with(wanted.key_prefix)
    listing = TaskListing(
        where, created_range(wanted.created_from, wanted.created_to), wanted.limit, read_mark(wanted.cursor)
    )
    found = await newest_first(listing, caller)
    page, more = found[: wanted.limit], len(found) > wanted.limit
    return RunPage(runs=[summary(run) for run in page], cursor=Mark.of(page[-1]).token() if more else None)


@router.get("/{run_id}")
async def show_run(caller: Caller, run_id: RunId) -> RunDetail:
    """One run with its nodes, the commands that wait, and its history."""
    return await detail(await own_run(run_id, caller), caller)


@router.post("/{run_id}/cancel", status_code=202)
@changes("run")
async def cancel_run(caller: Caller, run_id: RunId, wait: Wait = 0) -> RunDetail:
    """End it: nothing more starts, what runs is stopped within seconds and leaves nothing behind."""
    return await detail(await command_run(run_id, CommandKind.CANCEL, caller, wait_s=wait), caller)


@router.post("/{run_id}/pause", status_code=202)
@changes("run")
async def pause_run(caller: Caller, run_id: RunId, wait: Wait = 0) -> RunDetail:
    """Start nothing new; what a worker is at goes on."""
    return await detail(await command_run(run_id, CommandKind.PAUSE, caller, wait_s=wait), caller)


@router.post("/{run_id}/resume", status_code=202)
@changes("run")
async def resume_run(caller: Caller, run_id: RunId, wait: Wait = 0) -> RunDetail:
    """Go on after a pause."""
    return await detail(await command_run(run_id, CommandKind.RESUME, caller, wait_s=wait), caller)


@router.post("/{run_id}/nodes/{node}/retry", status_code=202)
@changes("run")
async def retry_node(caller: Caller, run_id: RunId, node: NodeIndex, wait: Wait = 0) -> RunDetail:
    """Try a failed node again while the run goes on, or one that waits for its next attempt at once."""
    return await detail(await command_run(run_id, CommandKind.RETRY_NODE, caller, node=node, wait_s=wait), caller)
