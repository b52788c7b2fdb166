"""What is done to the world: work that is begun, and objects that results point to."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Protocol

from shared.model.base import instant_text
from shared.model.upload import RUN_METADATA
from shared.ports.objects import ObjectInfo
from tests.fault.simulation.checker.documents import Doc, Documents, Report

CANCEL = timedelta(seconds=6)
"""How long work may go on after its task was cancelled: five seconds (G6), and one between two looks of ours."""


class Began(Protocol):
    """Work that somebody has begun; `ended` becomes true when it is over."""

    number: int
    task_id: str
    run_id: str
    node: int
    fence: int
    lane: str
    worker: str
    ended: bool


class EffectRules:
    """Each claim is worked on once, by its holder, and a result names the work that it came from (G2)."""

    def __init__(self, documents: Documents, report: Report) -> None:
        self._documents = documents
        self._report = report
        self._begun: dict[tuple[str, int], Began] = {}
        self._by_number: dict[int, Began] = {}
        self._under_way: list[Began] = []
        self._objects: dict[tuple[str, str], ObjectInfo] = {}
        self.slots: dict[str, int] = {}
        """How many tasks of a lane one worker may work on at once."""

    def began(self, work: Began) -> None:
        """Somebody begins to work on a task."""
        task = self._documents.tasks.get(work.task_id)
        if task is None or task["fence"] < work.fence:
            return self._report("G2", f"work on {work.task_id} fence {work.fence} that nobody claimed")
        if (work.task_id, work.fence) in self._begun:
            self._report("G2", f"{work.task_id} fence {work.fence} is worked on twice")
        self._begun[work.task_id, work.fence] = work
        self._by_number[work.number] = work
        self._under_way = [*(one for one in self._under_way if not one.ended), work]
        busy = Counter((one.worker, one.lane) for one in self._under_way)
        if busy[work.worker, work.lane] > self.slots.get(work.lane, 1_000_000):
            self._report("G7", f"{work.worker} works on {busy[work.worker, work.lane]} {work.lane} tasks at once")
        return None

    def ended(self, task: Doc) -> None:
        """A task has succeeded."""
        made = (task["result"] or {"payload": None})["payload"]
        work = self._by_number.get(made["execution"]) if isinstance(made, dict) else None
        if work is None or (work.task_id, work.fence) != (task["_id"], task["fence"]):
            self._report("G2", f"task {task['_id']} fence {task['fence']} has a result that its holder did not make")

    def written(self, info: ObjectInfo) -> None:
        """An object lies there now."""
        self._objects[info.bucket, info.key] = info

    def removed(self, bucket: str, key: str) -> None:
        """It does not any more."""
        self._objects.pop((bucket, key), None)

    def tick(self, now: datetime) -> None:
        """With nothing wrong, cancelled work ends within seconds (G6)."""
        for work in self._under_way:
            task = self._documents.tasks[work.task_id]
            if not work.ended and task["state"] == "cancelled" and task["finished_at"] < instant_text(now - CANCEL):
                self._report("G6", f"{work.worker} works on {work.task_id}, cancelled at {task['finished_at']}")

    def at_the_end(self) -> None:
        """What results point to is there, and of that node. A late attempt may have written it once more: the storage
        knows no fences, and both have made the same."""
        for task in self._documents.tasks.values():
            for output in (task["result"] or {}).get("outputs", ()):
                found = self._objects.get((output["bucket"], output["key"]))
                if found is None or found.metadata.get(RUN_METADATA) != task["run_id"]:
                    self._report("G2", f"task {task['_id']}: {output['key']} is not what it made")
