"""The documents as they lie in the store, found by what they are about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

Doc = dict[str, Any]
Report = Callable[[str, str], None]
"""Takes the guarantee and what is wrong."""

RUN_FINAL = ("succeeded", "failed", "cancelled")
NODE_FINAL = ("succeeded", "failed", "skipped", "cancelled")
TASK_FINAL = ("succeeded", "failed", "cancelled")
DELIVERY_FINAL = ("delivered", "dead")


class Documents:
    """Every document that was ever written, as it stands now."""

    def __init__(self) -> None:
        self.runs: dict[str, Doc] = {}
        self.tasks: dict[str, Doc] = {}
        self.deliveries: dict[str, Doc] = {}
        self.uploads: dict[str, Doc] = {}
        self.outputs: dict[str, Doc] = {}
        self.gates: dict[str, Doc] = {}
        self.tasks_of: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
        """Ids of the tasks of one node of one run, in the order of writing."""
        self.deliveries_of: defaultdict[str, set[int]] = defaultdict(set)
        """Sequence numbers by run."""

    def put(self, collection: str, doc: Doc) -> None:
        """A document was written."""
        known: dict[str, Doc] | None = getattr(self, collection, None)
        if known is None:
            return
        new = doc["_id"] not in known
        known[doc["_id"]] = doc
        if new and collection == "tasks":
            self.tasks_of[doc["run_id"], doc["node"]].append(doc["_id"])
        if new and collection == "deliveries":
            self.deliveries_of[doc["run_id"]].add(doc["sequence"])


def notifiable(run: Doc) -> list[int]:
    """The sequence numbers of a run's history that somebody is to be told of."""
    told = run["notification"]
    if told is None:
        return []
    wanted = ("run.finished",)
    if told["mode"] == "Change":
        wanted = ("run.finished", "run.started", "node.succeeded", "node.failed")
    return [event["sequence"] for event in run["history"] if event["type"] in wanted]


def task_id(run: Doc, node: int, attempt: int) -> str:
    """The id of one attempt."""
    return f"{run['_id']}:{run['epoch']}.{node}:{attempt}"
