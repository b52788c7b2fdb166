"""The caller's own runs and pipelines; those of others are not there."""

from __future__ import annotations

from services.api.dependencies import Context
from services.api.domain.problems import not_found
from shared.model.collections import RUN_SEARCH
from shared.model.pipeline import Pipeline
from shared.model.run import Run


async def own_run(run_id: str, context: Context) -> Run:
    """Raises Problem 404."""
    run = await context.deps.records.runs.get(run_id)
    if run is None or run.tenant != context.tenant:
        raise not_found("run", run_id)
    return run


async def own_pipeline(pipeline_id: str, context: Context) -> Pipeline | None:
    """None if it was the caller's and is deleted, which its runs tell. Raises Problem 404."""
    records = context.deps.records
    pipeline = await records.pipelines.get(pipeline_id)
    if pipeline is not None and pipeline.tenant == context.tenant:
        return pipeline
    theirs = {"tenant": context.tenant, "pipeline_id": pipeline_id}
    if pipeline is None and await records.runs.find(theirs, limit=1, by=RUN_SEARCH):
        return None
    raise not_found("pipeline", pipeline_id)


async def living_pipeline(pipeline_id: str, context: Context) -> Pipeline:
    """The caller's pipeline. Raises Problem 404, also for one that is deleted."""
    pipeline = await context.deps.records.pipelines.get(pipeline_id)
    if pipeline is None or pipeline.tenant != context.tenant:
        raise not_found("pipeline", pipeline_id)
    return pipeline
