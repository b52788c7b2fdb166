"""What happens in runs, as it happens, and from where somebody stopped listening.

The store is asked, about once a second: its histories are the truth, and have what nobody may miss. What is told about
one run goes by the run's own sequence numbers, exactly once and in order. A tenant's runs have no common sequence. They
are followed by the moment of their newest entry, looking back far enough for whatever was written late; so whoever
comes back is told the last minute again, and knows by run and sequence what he has seen.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from services.api.dependencies import Context
from shared.errors import ReelwayError
from shared.ids import task_id
from shared.model.base import instant_text
from shared.model.run import NodeState, Run
from shared.model.task import TaskState
from shared.ports.state import Order

LOOK_EVERY_S = 1.0
LATE = timedelta(seconds=60)
"""An entry may be written so long after the moment that it tells: a write has its timeout, and is tried no longer."""
RECENT = timedelta(seconds=3)
"""How far most looks go back; every `WIDE_EVERY`-th goes back by `LATE`."""
WIDE_EVERY = 10
OLDEST = timedelta(hours=24)
"""From how long ago somebody may go on."""
PAGE = 200

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Told:
    """One thing to tell. `mark` is from where to go on after it; None leaves that as it is. Without an `event` there is
    nothing but the mark."""

    event: str | None = None
    data: dict[str, Any] | None = None
    mark: str | None = None


def entries(run: Run, *, after: int = -1, since: datetime | None = None) -> list[dict[str, Any]]:
    """What happened in a run, with the run as it stands. Number 0 is its making, which its history does not tell."""
    made = {"sequence": 0, "type": "run.requested", "at": instant_text(run.created_at)}
    told = [made, *(event.model_dump(mode="json", exclude_none=True) for event in run.history)]
    about = {
        "run_id": run.id,
        "pipeline_id": run.pipeline_id,
        "pipeline_name": run.pipeline_name,
        "state": run.state.value,
    }
    from_when = "" if since is None else instant_text(since)
    return [about | {"event": one} for one in told if one["sequence"] > after and one["at"] > from_when]


async def follow_run(run: Run, after: int, context: Context) -> AsyncIterator[Told]:
    """What happens in one run after an entry of its history, and how far its nodes are, until it has ended."""
    streams, records = context.deps.streams, context.deps.records
    shown: list[dict[str, Any]] = []
    while not streams.ending:
        for one in entries(run, after=after):
            after = one["event"]["sequence"]
            yield Told("history", one, str(after))
        if run.state.final:
            yield Told("end", {"run_id": run.id, "state": run.state.value})
            return
        try:
            nodes = await _at_work(run, context)
            if nodes != shown:
                shown = nodes
                yield Told("progress", {"run_id": run.id, "nodes": nodes})
            await streams.pause(LOOK_EVERY_S)
            run = await records.runs.get(run.id) or run
        except ReelwayError as error:
            log.warning("cannot look at a run that is followed", error=str(error))
            await streams.pause(LOOK_EVERY_S)
        yield Told()


async def _at_work(run: Run, context: Context) -> list[dict[str, Any]]:
    current = {
        task_id(run.id, index, node.attempt, run.epoch): index
        for index, node in enumerate(run.node_runs)
        if node.state is NodeState.QUEUED
    }
    tasks = await context.deps.records.tasks.get_many(list(current)) if current else {}
    return [
        {
            "node": current[name],
            "state": "running" if task.state is TaskState.RUNNING else "queued",
            "attempt": task.attempt,
            "progress": task.progress,
            "worker": task.worker,
        }
        for name, task in sorted(tasks.items(), key=lambda item: current[item[0]])
    ]


async def follow_tenant(since: datetime | None, context: Context) -> AsyncIterator[Told]:
    """What happens in the caller's runs, from a minute ago on, or a minute before `since`, a mark. At least once, in
    order within each run. `reset` says that it is too long ago for that: then everything has to be read anew."""
    streams, records = context.deps.streams, context.deps.records
    now = await records.now()
    mark = now if since is None else min(since, now)
    if now - mark > OLDEST:
        yield Told("reset", {})
        mark = now
    floor = mark - LATE
    yield Told(mark=instant_text(mark))
    seen: dict[str, int] = {}
    looks = 0
    while not streams.ending:
        try:
            looked = await records.now()
            wide = looks % WIDE_EVERY == 0
            start = floor if wide else max(floor, looked - RECENT)
            async for run in _changed_since(start, context):
                for one in entries(run, after=seen.get(run.id, -1), since=floor):
                    yield Told("history", one)
                seen[run.id] = run.sequence
            if wide:
                # What is older has been told by this look, or by one before.
                floor = max(floor, looked - LATE)
                seen = await _still_recent(seen, floor, context)
            looks += 1
            yield Told(mark=instant_text(looked))
        except ReelwayError as error:
            log.warning("cannot look at the runs that are followed", error=str(error))
        await streams.pause(LOOK_EVERY_S)


async def _changed_since(start: datetime, context: Context) -> AsyncIterator[Run]:
    """A page in memory. What changes while pages are turned moves behind and is met there."""
    runs = context.deps.records.runs
    order = [("news_at", Order.ASC), ("_id", Order.ASC)]
    bound: dict[str, str] = {"$gt": instant_text(start)}
    met: set[tuple[str, int]] = set()
    while True:
        page = await runs.find({"tenant": context.tenant, "news_at": bound}, sort=order, limit=PAGE)
        fresh = [run for run in page if (run.id, run.version) not in met]
        for run in fresh:
            yield run
        if len(page) < PAGE or not fresh or page[-1].news_at is None:
            return
        met = {(run.id, run.version) for run in page}
        bound = {"$gte": instant_text(page[-1].news_at)}


async def _still_recent(seen: dict[str, int], floor: datetime, context: Context) -> dict[str, int]:
    """Without runs whose newest entry lies before the floor: should they go on, their entries are behind it."""
    if len(seen) < PAGE:
        return seen
    kept: dict[str, int] = {}
    names = list(seen)
    for first in range(0, len(names), PAGE):
        found = await context.deps.records.runs.get_many(names[first : first + PAGE])
        kept |= {run.id: seen[run.id] for run in found.values() if run.news_at is not None and run.news_at > floor}
    return kept
