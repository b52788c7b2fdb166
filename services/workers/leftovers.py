"""What an attempt has already written goes away again when nobody will ever want it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog

from shared.concurrency import a_few_at_once
from shared.errors import ReelwayError
from shared.model.kinds import retry_policy
from shared.model.task import Task, TaskState
from shared.model.upload import RUN_METADATA
from shared.ports.objects import ObjectNotFound, ObjectStore
from shared.state.records import Records

log = structlog.get_logger(__name__)

PATIENCE_S = 10.0
"""How long removing may take: the slot is not free before."""
AT_ONCE = 8
MOST_RECORDS = 20_000
"""Of one run."""


class Leftovers:
    """Removes objects of tasks that were cancelled or have failed for good, and only these: after a lost lease, or a
    failure that is tried again, the next holder writes to the same places, and what lies there may be its own."""

    def __init__(self, records: Records, objects: ObjectStore) -> None:
        self._records = records
        self._objects = objects

    async def remove(self, task: Task, written: Mapping[tuple[str, str], str | None]) -> None:
        """Removes what this attempt wrote, and those before it, if its task has ended so. `written` are places with the
        etag, if that is known. What cannot be removed stays, and is logged."""
        first = task.attempt == 1 and task.fence == 1
        if first and not written:
            return
        try:
            async with asyncio.timeout(PATIENCE_S):
                stored = await self._records.tasks.get(task.id)
                if stored is None or stored.fence != task.fence or not await self._for_good(stored):
                    return
                etags = {**({} if first else await self._registered(task)), **written}
                removals = (self._remove(task, bucket, key, etag) for (bucket, key), etag in etags.items())
                await a_few_at_once(removals, AT_ONCE)
        except (TimeoutError, ReelwayError) as error:
            log.warning("outputs of an ended task are left", task=task.id, objects=len(written), error=str(error))

    async def _for_good(self, task: Task) -> bool:
        """Whether no other attempt of this node follows."""
        if task.state is TaskState.CANCELLED:
            return True
        if task.state is not TaskState.FAILED or task.failure is None:
            return False
        if not task.failure.retryable:
            return True
        run = await self._records.runs.get(task.run_id)
        if run is None:
            return False
        policy = retry_policy(task.kind, run.nodes[task.node].retry)
        tries = task.attempt - run.node_runs[task.node].fresh_at
        return tries >= policy.max_attempts or not policy.allows(task.failure.code.value)

    async def _registered(self, task: Task) -> dict[tuple[str, str], str | None]:
        """The places that attempts of this node have put their names to; the etag is None if nobody came to confirm."""
        records = await self._records.outputs.find({"run_id": task.run_id}, limit=MOST_RECORDS)
        return {(record.bucket, record.key): record.etag for record in records if record.node == task.node}

    async def _remove(self, task: Task, bucket: str, key: str, etag: str | None) -> None:
        try:
            lies = await self._objects.head(bucket, key)
        except ObjectNotFound:
            return
        if lies.metadata.get(RUN_METADATA) == task.run_id and etag in (None, lies.etag):
            await self._objects.delete(bucket, key)
