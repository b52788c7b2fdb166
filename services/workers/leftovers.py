"""What a cancelled attempt has already written goes away again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from shared.errors import ReelwayError
from shared.model.task import Task, TaskState
from shared.model.upload import RUN_METADATA
from shared.ports.objects import ObjectInfo, ObjectNotFound, ObjectStore
from shared.state.records import Records

log = structlog.get_logger(__name__)

PATIENCE_S = 10.0
"""How long removing may take: the slot is not free before."""


class Leftovers:
    """Removes objects of cancelled tasks, and only these: after a lost lease the next holder writes to the same places,
    and what lies there may be its own."""

    def __init__(self, records: Records, objects: ObjectStore) -> None:
        self._records = records
        self._objects = objects

    async def remove(self, task: Task, written: Sequence[ObjectInfo]) -> None:
        """Removes what this attempt wrote if its task was cancelled. What cannot be removed stays, and is logged."""
        if not written:
            return
        try:
            async with asyncio.timeout(PATIENCE_S):
                stored = await self._records.tasks.get(task.id)
                if stored is not None and stored.state is TaskState.CANCELLED and stored.fence == task.fence:
                    await asyncio.gather(*(self._remove(task, info) for info in written))
        except (TimeoutError, ReelwayError) as error:
            log.warning("outputs of a cancelled task are left", task=task.id, objects=len(written), error=str(error))

    async def _remove(self, task: Task, info: ObjectInfo) -> None:
        try:
            lies = await self._objects.head(info.bucket, info.key)
        except ObjectNotFound:
            return
        if lies.etag == info.etag and lies.metadata.get(RUN_METADATA) == task.run_id:
            await self._objects.delete(info.bucket, info.key)
