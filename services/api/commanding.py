"""Commands for runs, from the wish to its being taken in."""

from __future__ import annotations

import asyncio
import contextlib

from services.api.announcing import announce
from services.api.dependencies import Context
from services.api.domain.commands import appended, waits
from services.api.domain.problems import not_found
from services.api.lookup import own_run
from shared.model.run import Command, CommandKind, Run

_LOOK_EVERY_S = 0.05


async def command_run(
    run_id: str, kind: CommandKind, context: Context, *, node: int | None = None, wait_s: float = 0
) -> Run:
    """Writes a command into a run and rings; returns the run after at most `wait_s`, at once when it is taken in.

    Raises Problem 404, and 409 if it does not fit; then nothing was written.
    """
    await own_run(run_id, context)
    command = Command(kind=kind, node=node, at=await context.deps.records.now())

    def step(run: Run) -> Run | None:
        after = appended(run, command)
        return None if after is run else after

    run = await context.deps.records.runs.change(run_id, step)
    if run is None:
        raise not_found("run", run_id)
    await announce([run.id], context)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(wait_s):
            while wait_s and waits(run, command):
                await asyncio.sleep(_LOOK_EVERY_S)
                run = await own_run(run_id, context)
    return run
