"""Notifications: at least one per change and subscription, in order per run, with stable ids (G8)."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import orjson

from tests.fault.simulation.checker.documents import DELIVERY_FINAL, Doc, Documents, Report, notifiable

PINNED = ("run_id", "sequence", "sink", "target", "tenant", "created_at")


class DeliveryRules:
    """Checks every write of a delivery, and everything that arrives at the other side."""

    def __init__(self, documents: Documents, report: Report) -> None:
        self._documents = documents
        self._report = report
        self.arrived: defaultdict[str, int] = defaultdict(int)
        """How often each delivery was received."""
        self._newest: dict[str, int] = {}
        """The newest sequence number that was received, by run."""

    def inserted(self, delivery: Doc) -> None:
        """A delivery that was not there before."""
        name, run = delivery["_id"], self._documents.runs.get(delivery["run_id"])
        if run is None or run["notification"] is None:
            return self._report("G8", f"delivery {name} that nobody asked for")
        told = run["notification"]
        if name != f"{run['_id']}:{delivery['sequence']}:{told['sink']}":
            self._report("G8", f"delivery {name} of event {delivery['sequence']} of run {run['_id']}")
        if delivery["sequence"] not in notifiable(run):
            self._report("G8", f"delivery {name} of an event that is not told")
        if delivery["state"] != "pending":
            self._report("G8", f"delivery {name} begins as {delivery['state']}")
        return self._timer(delivery)

    def changed(self, before: Doc, after: Doc) -> None:
        """A delivery that was written again."""
        name = after["_id"]
        if before["state"] in DELIVERY_FINAL:
            return self._report("G4", f"delivery {name} was {before['state']} and is written as {after['state']}")
        for member in PINNED:
            if before[member] != after[member]:
                self._report("G8", f"delivery {name} changed its {member}")
        if after["state"] == "delivered" and not self.arrived[name]:
            self._report("G8", f"delivery {name} counts as delivered, and nobody received it")
        return self._timer(after)

    def _timer(self, delivery: Doc) -> None:
        if (delivery["state"] == "pending") != (delivery["due_at"] is not None):
            self._report("G5", f"delivery {delivery['_id']} is {delivery['state']}, due {delivery['due_at']}")

    def received(self, delivery_id: str, target: str, body: bytes) -> None:
        """The other side got a notification."""
        delivery = self._documents.deliveries.get(delivery_id)
        if delivery is None:
            return self._report("G8", f"{delivery_id} was received, and is no delivery")
        if delivery["target"] != target:
            self._report("G8", f"{delivery_id} went to {target}")
        run, sequence = self._documents.runs[delivery["run_id"]], delivery["sequence"]
        told: Any = orjson.loads(body)
        event = told.get("ScheduleTaskEvent") or told["WorkflowTaskEvent"]
        last = sequence == len(run["history"]) and run["history"][-1]["type"] == "run.finished"
        if event["TaskId"] != run["_id"] or (event["Status"] == "FINISH") != last:
            self._report("G8", f"{delivery_id} tells {event['Status']} of {event['TaskId']}")
        if not self.arrived[delivery_id]:
            self._first(run, sequence, delivery_id)
        self.arrived[delivery_id] += 1
        return None

    def _first(self, run: Doc, sequence: int, name: str) -> None:
        """Whatever comes for the first time comes after all that was before it."""
        if self._newest.get(run["_id"], 0) > sequence:
            self._report("G8", f"{name} was received after event {self._newest[run['_id']]}")
        self._newest[run["_id"]] = max(sequence, self._newest.get(run["_id"], 0))
        for earlier in notifiable(run):
            if earlier >= sequence:
                break
            before = f"{run['_id']}:{earlier}:{run['notification']['sink']}"
            found = self._documents.deliveries.get(before)
            if not self.arrived[before] and (found is None or found["state"] != "dead"):
                self._report("G8", f"{name} was received before {before}")
