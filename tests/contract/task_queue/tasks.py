"""What the tests of the queue begin with."""

from __future__ import annotations

from typing import Any

from shared.model.failure import ErrCode, Failure
from shared.model.task import NodeResult, Task
from shared.state.task_queue import Holder
from tests.builders import a_media, a_task
from tests.contract.task_queue.conftest import Bench

ONE, TWO = Holder("w1", "w1/1"), Holder("w2", "w2/1")
RESULT = NodeResult(outputs=(a_media("out/a.mp4"),), payload={"x": [1, None, "视频"]})
FAILURE = Failure(code=ErrCode.SOURCE_FILE, message="damaged")


async def a_claimed(bench: Bench, holder: Holder = ONE, **members: Any) -> Task:
    """A task that the holder has."""
    task = a_task(**members)
    await bench.queue.enqueue([task])
    claimed = await bench.queue.claim(task.id, holder)
    assert claimed is not None
    return claimed


async def stored(bench: Bench, task: Task) -> Task:
    found = await bench.records.tasks.get(task.id)
    assert found is not None
    return found
