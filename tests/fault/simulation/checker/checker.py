"""All rules together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from shared.model.base import instant_text
from shared.ports.objects import ObjectInfo
from tests.fault.simulation.checker.deliveries import DeliveryRules
from tests.fault.simulation.checker.documents import (
    DELIVERY_FINAL,
    RUN_FINAL,
    TASK_FINAL,
    Doc,
    Documents,
)
from tests.fault.simulation.checker.effects import Began, EffectRules
from tests.fault.simulation.checker.runs import RunRules
from tests.fault.simulation.checker.tasks import TaskRules
from tests.fault.simulation.checker.uploads import UploadRules
from tests.fault.simulation.checker.violation import Violation

OVERDUE = timedelta(seconds=60)
"""How long after its time, with nothing wrong, a timer or the end of a lease may wait for somebody to act on it."""


CALMING = timedelta(seconds=75)
"""What went wrong before the calm may show for so long: a frozen process thaws, a late request arrives."""

MARKS = frozenset({"closed_sinks"})
"""Collections whose documents only say that something is so; removing one says that it is so no more."""


class Checker:
    """Is told of every write and every effect; calls `fail` with whatever is wrong."""

    def __init__(self, now: Callable[[], datetime], fail: Callable[[Violation], None]) -> None:
        self._now = now
        self._fail = fail
        self.documents = Documents()
        self.calm: datetime | None = None
        """Since when nothing goes wrong any more."""
        self._published: set[str] = set()
        self._cancelled: set[str] = set()
        self._runs = RunRules(self.documents, self._published, self._report)
        self._tasks = TaskRules(self.documents, self._report)
        self.deliveries = DeliveryRules(self.documents, self._report)
        self.uploads = UploadRules(self.documents, self._report)
        self.effects = EffectRules(self.documents, self._report)
        self._open: dict[str, set[str]] = {"runs": set(), "tasks": set(), "deliveries": set()}

    def _report(self, guarantee: str, what: str) -> None:
        self._fail(Violation(guarantee, what))

    # -- what happens ---------------------------------------------------------------------------------------------

    def wrote(self, collection: str, before: Doc | None, after: Doc | None) -> None:
        """A document was written, or removed."""
        if after is None:
            if collection in MARKS:
                return None
            return self._report("G9", f"{collection}/{before and before['_id']} was removed")
        if before is not None and after["version"] != before["version"] + 1:
            self._report("G9", f"{collection}/{after['_id']}: version {before['version']} -> {after['version']}")
        self.documents.put(collection, after)
        match collection:
            case "runs":
                self._run(before, after)
            case "tasks":
                self._task(before, after)
            case "deliveries":
                self._delivery(before, after)
        return None

    def _run(self, before: Doc | None, after: Doc) -> None:
        if before is None:
            self._runs.inserted(after, self._now())
            self.uploads.started(after)
        else:
            self._runs.changed(before, after, self._now())
        done = after["state"] in RUN_FINAL and not after["outbox"] and after["notify_due_at"] is None
        self._mark("runs", after["_id"], done)

    def _task(self, before: Doc | None, after: Doc) -> None:
        if before is None:
            self._tasks.inserted(after)
        else:
            self._tasks.changed(before, after)
            if after["state"] == "succeeded" and before["state"] != "succeeded":
                self.effects.ended(after)
        self._mark("tasks", after["_id"], after["state"] in TASK_FINAL)

    def _delivery(self, before: Doc | None, after: Doc) -> None:
        if before is None:
            self.deliveries.inserted(after)
        else:
            self.deliveries.changed(before, after)
        self._mark("deliveries", after["_id"], after["state"] in DELIVERY_FINAL)

    def _mark(self, collection: str, name: str, done: bool) -> None:
        if done:
            self._open[collection].discard(name)
        else:
            self._open[collection].add(name)

    def published(self, topic: str, message_id: str) -> None:
        """A publisher was told that the bus has a message."""
        self._published.add(message_id)

    def received(self, delivery_id: str, target: str, body: bytes) -> None:
        """A notification reached the other side."""
        self.deliveries.received(delivery_id, target, body)

    def commanded(self, run: str, kind: str) -> None:
        """Somebody was told that a command is accepted."""
        if kind == "cancel":
            self._cancelled.add(run)

    def began(self, work: Began) -> None:
        """Work on a task begins."""
        self.effects.began(work)

    def uploaded(self, info: ObjectInfo, pipelines: Sequence[str]) -> None:
        """A user has written an object that these pipelines want."""
        self.uploads.uploaded(info, pipelines)

    def object_written(self, info: ObjectInfo) -> None:
        """An object was written by anybody."""
        self.uploads.written(info)
        self.effects.written(info)

    def object_removed(self, bucket: str, key: str) -> None:
        """An object was removed by one of us."""
        self.effects.removed(bucket, key)

    # -- time -----------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Time has passed. When nothing is wrong any more, nobody may be late."""
        if self.calm is None:
            return
        if self._now() - self.calm <= CALMING:
            return
        self.effects.tick(self._now())
        then = instant_text(self._now() - OVERDUE)
        for name in self._open["runs"]:
            due = self.documents.runs[name]["due_at"]
            if due is not None and due < then:
                self._report("G5", f"run {name} was due at {due} and nobody looks at it")
        for name in self._open["tasks"]:
            task = self.documents.tasks[name]
            if task["state"] == "running" and task["lease_until"] < then:
                self._report("G5", f"the lease of task {name} ran out at {task['lease_until']} and nobody noticed")

    def open(self) -> list[str]:
        """What is not done."""
        found = [*self.uploads.expected.values()]
        for collection, names in self._open.items():
            for name in sorted(names):
                doc = getattr(self.documents, collection)[name]
                found.append(f"{collection[:-1]} {name} ({doc['state']}, due {doc.get('due_at')})")
        return found

    def at_the_end(self) -> None:
        """What must hold when all is done."""
        self.effects.at_the_end()
        for run in sorted(self._cancelled):
            if self.documents.runs[run]["state"] != "cancelled":
                self._report("G9", f"run {run} is {self.documents.runs[run]['state']}, and was to be cancelled")
