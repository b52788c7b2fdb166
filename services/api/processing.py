"""Starting runs for objects that lie in the bucket already."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal

from services.api.announcing import announce
from services.api.dependencies import Context
from services.api.domain.problems import Problem, conflict
from services.api.rerunning import Wish, write_rerun
from services.api.versions import keep_version
from shared.concurrency import gather_to_end
from shared.metrics import RUNS_STARTED
from shared.model.pipeline import Pipeline
from shared.model.rerun import RerunScope, rerun_id
from shared.model.run import Run
from shared.model.starting import run_for, run_id_for, unfit
from shared.ports.objects import ObjectAccessDenied, ObjectInfo, ObjectNotFound
from shared.state.own_objects import writers
from shared.state.templates import Templates


@dataclass(frozen=True, slots=True)
class Found:
    """What became of one object: `known` has a run already, `skipped` is to have none."""

    key: str
    outcome: Literal["started", "known", "skipped"]
    run_id: str | None = None
    reason: str | None = None


async def process_page(
    pipeline: Pipeline, prefix: str, after: str, limit: int, context: Context, *, again: bool
) -> tuple[list[Found], str | None]:
    """Looks at about `limit` objects under a prefix of the trigger's bucket. Returns what became of each, in the order
    of the listing, and the key to go on behind, None at the end.

    An object gets the very run that its upload would have started, so nothing is processed twice; with `again`, runs
    that have ended are rerun. Raises Problem 409 if the bucket cannot be listed.
    """
    try:
        infos, more = await _listed(pipeline.trigger.bucket, prefix, after, limit, context)
    except (ObjectNotFound, ObjectAccessDenied) as error:
        raise conflict("bucket_unusable", str(error)) from None
    found = {info.key: Found(info.key, "skipped", reason=unfit(pipeline.trigger, info)) for info in infos}
    heads = await gather_to_end(*(_head(info, context) for info in infos if found[info.key].reason is None))
    present = [head for head in heads if isinstance(head, ObjectInfo)]
    found |= {head.key: head for head in heads if isinstance(head, Found)}
    for info, writer in zip(present, await writers(context.deps.records, present), strict=True):
        if writer is not None:
            found[info.key] = Found(info.key, "skipped", reason=f"written by run {writer}")
    wanted = [info for info in present if found[info.key].reason is None]
    for one in await _start(pipeline, wanted, context):
        found[one.key] = await _repeat(one, pipeline, context) if again and one.outcome == "known" else one
    await announce([one.run_id for one in found.values() if one.outcome == "started" and one.run_id], context)
    return list(found.values()), infos[-1].key if more else None


async def _listed(bucket: str, prefix: str, after: str, limit: int, context: Context) -> tuple[list[ObjectInfo], bool]:
    """The next objects, and whether there are more. A page does not end at an object that the next one lies "inside" of
    (`a`, then `a/b`): some storages cannot go on behind such a one."""
    infos: list[ObjectInfo] = []
    async with aclosing(context.deps.objects.list(bucket, prefix, after=after)) as listing:
        async for info in listing:
            if len(infos) >= limit and not info.key.startswith(f"{infos[-1].key}/"):
                return infos, True
            infos.append(info)
    return infos, False


async def _head(info: ObjectInfo, context: Context) -> ObjectInfo | Found:
    """A listing knows neither version nor metadata; the storage's word on this one object does."""
    try:
        async with context.deps.head_slots:
            return await context.deps.objects.head(info.bucket, info.key)
    except ObjectNotFound:
        return Found(info.key, "skipped", reason="the object does not exist any more")
    except ObjectAccessDenied:
        return Found(info.key, "skipped", reason="the storage refuses to show the object")


async def _start(pipeline: Pipeline, infos: Sequence[ObjectInfo], context: Context) -> list[Found]:
    records = context.deps.records
    if infos:
        await keep_version(records, pipeline)
    [pipeline] = await Templates(records).bound([pipeline])
    now = await records.now()
    runs = [run_for(pipeline, run_id_for(pipeline, info), info, now) for info in infos]
    written = await records.runs.insert_many(runs)
    RUNS_STARTED.labels("api").inc(sum(written))
    return [
        Found(info.key, "started", run.id) if new else Found(info.key, "known", run.id, "it has this run already")
        for info, run, new in zip(infos, runs, written, strict=True)
    ]


async def _repeat(known: Found, pipeline: Pipeline, context: Context) -> Found:
    """Reruns the newest run of an object as a whole, by the latest definition, if it has ended."""
    run = await _newest(known.run_id or "", context)
    if run is None:
        return known
    try:
        made = await write_rerun(run, Wish(RerunScope.ALL, latest=True), pipeline, context)
    except Problem as problem:
        return Found(known.key, "known", run.id, problem.detail)
    return Found(known.key, "started", made.run.id, f"again, after run {run.id}")


async def _newest(run_id: str, context: Context) -> Run | None:
    runs = context.deps.records.runs
    run = newer = await runs.get(run_id)
    while newer is not None:
        run, newer = newer, await runs.get(rerun_id(newer))
    return run
