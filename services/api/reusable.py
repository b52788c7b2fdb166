"""What of an ended run is still good: its input, and the objects that its nodes wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.api.dependencies import Context
from services.api.domain.problems import Problem, conflict
from shared.concurrency import gather_to_end
from shared.ids import task_id
from shared.model.pipeline import RULES
from shared.model.rerun import Fate
from shared.model.run import Reused, Run
from shared.model.task import MediaObject, Task
from shared.ports.objects import ObjectAccessDenied, ObjectNotFound


async def check_input(run: Run, context: Context) -> None:
    """Raises Problem 404 if the run's input is gone, 409 if it is another object now."""
    source = run.input
    place = f"{source.bucket}/{source.key}"
    try:
        async with context.deps.head_slots:
            info = await context.deps.objects.head(source.bucket, source.key, version_id=source.version_id)
    except ObjectNotFound:
        raise Problem(404, "input_gone", f"the input {place} does not exist any more") from None
    except ObjectAccessDenied:
        raise conflict("input_denied", f"the storage refuses to show the input {place}") from None
    if info.etag != source.etag:
        raise conflict("input_overwritten", f"the input {place} was overwritten; the new object has a run of its own")


async def spoiled(run: Run, fates: Sequence[Fate], context: Context) -> dict[int, str]:
    """Of the results that these fates would reuse, those whose objects are not what they were, with the reason, by the
    node's index in `run`. The probe writes no objects, a rules node has not even a task."""
    reused = {
        fate.old: fate.origin
        for fate in fates
        if fate.old is not None and fate.origin is not None and _has_task(run, fate.old, fate.origin)
    }
    names = {old: task_id(one.run_id, one.node, one.attempt, one.epoch) for old, one in reused.items()}
    tasks = await context.deps.records.tasks.get_many(list(names.values()))
    reasons = await gather_to_end(*(_spoiled(tasks, name, context) for name in names.values()))
    return {old: reason for old, reason in zip(names, reasons, strict=True) if reason is not None}


def _has_task(run: Run, old: int, origin: Reused) -> bool:
    return run.nodes[old].kind != RULES and origin.attempt > 0


async def _spoiled(tasks: Mapping[str, Task], name: str, context: Context) -> str | None:
    task = tasks.get(name)
    if task is None or task.result is None:
        return "what it wrote is not known any more"
    reasons = await gather_to_end(*(_changed(output, context) for output in task.result.outputs))
    return next((reason for reason in reasons if reason is not None), None)


async def _changed(output: MediaObject, context: Context) -> str | None:
    try:
        async with context.deps.head_slots:
            info = await context.deps.objects.head(output.bucket, output.key)
    except ObjectNotFound:
        return f"its output {output.bucket}/{output.key} does not exist any more"
    except ObjectAccessDenied:
        return f"the storage refuses to show its output {output.bucket}/{output.key}"
    return None if info.etag == output.etag else f"its output {output.bucket}/{output.key} was overwritten"
