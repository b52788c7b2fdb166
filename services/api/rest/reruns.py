"""Reruns: of one run, and of all failed runs of a pipeline."""

from __future__ import annotations

from typing import Literal, Self

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.api.dependencies import Context
from services.api.domain.problems import conflict
from services.api.domain.tasks import TaskListing
from services.api.lookup import own_pipeline, own_run
from services.api.rerunning import Outcome, Rerun, Wish, rerun_page, rerun_run
from services.api.rest.access import changes
from services.api.rest.authentication import Caller
from services.api.rest.idempotency import RepeatableRoute
from services.api.rest.parameters import RunId, created_range, read_mark
from services.api.rest.views import RunDetail, detail
from shared.model.base import Instant
from shared.model.rerun import RerunScope
from shared.model.run import Reused, RunState

router = APIRouter(prefix="/runs", tags=["runs"], route_class=RepeatableRoute)

Definition = Literal["same", "latest"]


class RerunWish(BaseModel):
    """What to do again. `definition`: the one that the run had, or the pipeline's latest; of that, nodes that do the
    same work as before are not done again."""

    model_config = ConfigDict(extra="forbid")

    scope: RerunScope = RerunScope.FAILED
    node: int | None = Field(default=None, ge=0, description="With scope `node`: its index in the run.")
    definition: Definition = "same"

    @model_validator(mode="after")
    def _node_with_its_scope(self) -> Self:
        if (self.scope is RerunScope.NODE) != (self.node is not None):
            raise ValueError("node goes with scope 'node', and only with it")
        return self


class NodeFate(BaseModel):
    """What becomes of a node, and why: `reused` (its result is taken over), `unchosen` (a reused rule led elsewhere) or
    `redone`."""

    node: int
    action: Literal["reused", "unchosen", "redone"]
    reason: str
    reused: Reused | None


class RerunMade(BaseModel):
    """A new run that takes over what is still good."""

    run: RunDetail
    nodes: list[NodeFate]


@router.post("/{run_id}/rerun", status_code=201)
@changes("run")
async def rerun_one(caller: Caller, run_id: RunId, wish: RerunWish, response: Response) -> RerunMade:
    """Makes a new run of an ended one. A run is rerun once; then its rerun can be rerun."""
    run = await own_run(run_id, caller)
    made = await rerun_run(run, Wish(wish.scope, wish.definition == "latest", wish.node), caller)
    response.headers["location"] = f"/api/v1/runs/{made.run.id}"
    return await _made(made, caller)


async def _made(made: Rerun, context: Context) -> RerunMade:
    fates = [
        NodeFate(node=index, action=fate.action, reason=fate.reason, reused=fate.origin)
        for index, fate in enumerate(made.fates)
    ]
    return RerunMade(run=await detail(made.run, context), nodes=fates)


class FailedRuns(BaseModel):
    """Which failed runs to rerun: those of a pipeline, created from `from` until before `to`."""

    model_config = ConfigDict(extra="forbid")

    pipeline_id: str = Field(max_length=64)
    created_from: Instant | None = Field(default=None, alias="from")
    created_to: Instant | None = Field(default=None, alias="to")
    scope: Literal["all", "failed"] = "failed"
    definition: Definition = "same"
    limit: int = Field(default=200, ge=1, le=200, description="How many runs this call looks at, at most.")
    cursor: str | None = Field(default=None, max_length=1000)


class RerunOutcome(BaseModel):
    """What became of one run: its rerun, or why there is none. `code` is as in a refusal."""

    run_id: str
    rerun_id: str | None
    reused: int = Field(description="How many nodes' results were taken over.")
    redone: int = Field(description="How many nodes are done again.")
    code: str | None = None
    detail: str | None = None


class RerunPage(BaseModel):
    """Runs that had a rerun already are left out, so a page may be empty although there is a `cursor`."""

    results: list[RerunOutcome]
    cursor: str | None


@router.post("/rerun-failed")
@changes("run")
async def rerun_failed(caller: Caller, wanted: FailedRuns) -> RerunPage:
    """Reruns failed runs, newest first, page by page. Calling it again makes nothing twice."""
    pipeline = await own_pipeline(wanted.pipeline_id, caller)
    if pipeline is None:
        raise conflict("pipeline_deleted", f"the pipeline {wanted.pipeline_id} is deleted")
    listing = TaskListing(
        where={"tenant": caller.tenant, "pipeline_id": pipeline.id, "state": RunState.FAILED.value},
        created=created_range(wanted.created_from, wanted.created_to),
        limit=wanted.limit,
        after=read_mark(wanted.cursor),
    )
    wish = Wish(RerunScope(wanted.scope), wanted.definition == "latest")
    outcomes, mark = await rerun_page(listing, wish, pipeline, caller)
    return RerunPage(results=[_outcome(one) for one in outcomes], cursor=mark.token() if mark else None)


def _outcome(outcome: Outcome) -> RerunOutcome:
    actions = [fate.action for fate in outcome.made.fates] if outcome.made else []
    return RerunOutcome(
        run_id=outcome.run.id,
        rerun_id=outcome.made.run.id if outcome.made else None,
        reused=actions.count("reused"),
        redone=actions.count("redone"),
        code=outcome.refused.kind if outcome.refused else None,
        detail=outcome.refused.detail if outcome.refused else None,
    )
