"""Reruns: from the wish to the written run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from services.api.announcing import announce
from services.api.dependencies import Context
from services.api.domain.problems import Problem, conflict, not_found
from services.api.domain.tasks import Mark, TaskListing
from services.api.lookup import own_pipeline
from services.api.newest import newest_first
from services.api.reusable import check_input, spoiled
from services.api.versions import keep_version
from services.api.work import INLINE
from shared.concurrency import gather_to_end
from shared.metrics import RUNS_STARTED
from shared.model.pipeline import OUTPUT, Pipeline
from shared.model.rerun import Basis, Fate, RerunScope, plan, rerun, rerun_id
from shared.model.run import Run
from shared.ports.state import DuplicateKey
from shared.state.templates import Templates

BUDGET_S = 20.0
"""How long a call goes on rerunning; the rest is for the next call."""
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Wish:
    """What of a run is to be done again, and by which definition: the pipeline's latest, or the run's own."""

    scope: RerunScope
    latest: bool
    node: int | None = None


@dataclass(frozen=True, slots=True)
class Rerun:
    """A rerun that was written, and what becomes of its nodes."""

    run: Run
    fates: tuple[Fate, ...]


async def rerun_run(run: Run, wish: Wish, context: Context) -> Rerun:
    """Writes the rerun of an ended run and rings. Raises Problem 404 or 409; then nothing was written."""
    made = await write_rerun(run, wish, await own_pipeline(run.pipeline_id, context), context)
    await announce([made.run.id], context)
    return made


async def write_rerun(run: Run, wish: Wish, pipeline: Pipeline | None, context: Context) -> Rerun:
    """The same without ringing. `pipeline` is the run's; None if it is deleted."""
    if not run.state.final:
        raise conflict("run_not_ended", f"the run has not ended ({run.state.value}); cancel it first", state=run.state)
    if wish.node is not None and not 0 <= wish.node < len(run.nodes):
        raise not_found("node", str(wish.node))
    runs = context.deps.records.runs
    if await runs.get(rerun_id(run)) is not None:
        raise _already(run)
    if run.pipeline_id == INLINE:
        if wish.latest:
            raise conflict("no_pipeline", "this run has no pipeline, only the definition that came with it")
    elif pipeline is None:
        raise conflict("pipeline_deleted", f"the pipeline {run.pipeline_id} of this run is deleted")
    basis = Basis.same(run)
    if wish.latest and pipeline is not None:
        [bound] = await Templates(context.deps.records).bound([pipeline])
        basis = Basis.latest(run, bound)
    await check_input(run, context)
    fates = plan(run, basis, wish.scope, wish.node)
    lost = await spoiled(run, fates, context)
    if lost:
        fates = plan(run, basis, wish.scope, wish.node, lost)
    redone = [one for one, node in zip(fates, basis.nodes, strict=True) if one.action == "redone"]
    if len(redone) <= sum(node.kind == OUTPUT for node in basis.nodes):
        raise conflict("nothing_to_redo", "every result of this run is still good")
    if wish.latest and pipeline is not None:
        await keep_version(context.deps.records, pipeline)
    made = rerun(run, basis, fates, await context.deps.records.now())
    try:
        await runs.insert(made)
    except DuplicateKey:
        raise _already(run) from None
    RUNS_STARTED.labels("rerun").inc()
    return Rerun(made, tuple(fates))


def _already(run: Run) -> Problem:
    there = rerun_id(run)
    return conflict("already_rerun", f"this run was rerun already, as {there}", run_id=there)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one run in a bulk rerun: its rerun, or the reason for none."""

    run: Run
    made: Rerun | None = None
    refused: Problem | None = None


async def rerun_page(
    listing: TaskListing, wish: Wish, pipeline: Pipeline | None, context: Context
) -> tuple[list[Outcome], Mark | None]:
    """Reruns the runs of a page that were not rerun yet, for a bounded time. Returns what became of them and where to
    go on, None at the end."""
    until = time.monotonic() + BUDGET_S
    found = await newest_first(listing, context)
    page, more = found[: listing.limit], len(found) > listing.limit
    newer = await context.deps.records.runs.get_many([rerun_id(run) for run in page])
    outcomes: list[Outcome] = []
    done = 0
    while done < len(page) and (done == 0 or time.monotonic() < until):
        some = page[done : done + _AT_ONCE]
        done += len(some)
        wanted = [run for run in some if rerun_id(run) not in newer]
        outcomes += await _rerun_some(wanted, wish, pipeline, context)
    return outcomes, Mark.of(page[done - 1]) if more or done < len(page) else None


async def _rerun_some(runs: Sequence[Run], wish: Wish, pipeline: Pipeline | None, context: Context) -> list[Outcome]:
    async def one(run: Run) -> Outcome:
        try:
            return Outcome(run, made=await write_rerun(run, wish, pipeline, context))
        except Problem as problem:
            return Outcome(run, refused=problem)

    outcomes = await gather_to_end(*(one(run) for run in runs))
    await announce([outcome.made.run.id for outcome in outcomes if outcome.made], context)
    return [outcome for outcome in outcomes if outcome.refused is None or outcome.refused.kind != "already_rerun"]
