"""What may happen to a task: one attempt at a time, one holder at a time, one end."""

from __future__ import annotations

from tests.fault.simulation.checker.documents import TASK_FINAL, Doc, Documents, Report
from tests.fault.simulation.checker.graph import START, before_of, verdict

ALLOWED = {
    "queued": ("queued", "running", "held", "cancelled", "failed"),
    "held": ("held", "queued", "cancelled", "failed"),
    "running": ("running", "queued", "held", "succeeded", "failed", "cancelled"),
}
PINNED = ("run_id", "node", "attempt", "epoch", "kind", "lane", "tenant", "params", "source", "target", "original")


class TaskRules:
    """Checks every write of a task."""

    def __init__(self, documents: Documents, report: Report) -> None:
        self._documents = documents
        self._report = report

    def inserted(self, task: Doc) -> None:
        """A task that was not there before."""
        run = self._documents.runs.get(task["run_id"])
        if run is None:
            return self._report("G3", f"task {task['_id']} of a run that does not exist")
        node = run["node_runs"][task["node"]]
        if not 1 <= task["attempt"] <= node["attempt"]:
            self._report("G3", f"task {task['_id']} for an attempt that the run does not know ({node['attempt']})")
        if task["state"] not in ("queued", "held") or task["fence"] != 0:
            self._report("G3", f"task {task['_id']} begins as {task['state']} with fence {task['fence']}")
        for other in self._documents.tasks_of[task["run_id"], task["node"]]:
            found = self._documents.tasks[other]
            if other != task["_id"] and found["state"] not in TASK_FINAL:
                self._report("G3", f"task {task['_id']} is queued while {other} is {found['state']}")
        return None

    def changed(self, before: Doc, after: Doc) -> None:
        """A task that was written again."""
        name = after["_id"]
        was, now = before["state"], after["state"]
        if was in TASK_FINAL:
            return self._report("G4", f"task {name} was {was} and is written again as {now}")
        if now not in ALLOWED[was]:
            self._report("G2", f"task {name} went from {was} to {now}")
        for member in PINNED:
            if before[member] != after[member]:
                self._report("G2", f"task {name} changed its {member}")
        claimed = was == "queued" and now == "running"
        if after["fence"] != before["fence"] + claimed:
            self._report("G2", f"task {name}: fence {before['fence']} -> {after['fence']} on {was} -> {now}")
        if now == "running":
            if after["lease_until"] is None:
                self._report("G5", f"task {name} is running without a lease")
            if was == "running" and before["owner"] != after["owner"]:
                self._report("G2", f"task {name} changed hands without a claim")
        if now in ("queued", "held") and (after["lease_until"] is not None or after["owner"] is not None):
            self._report("G5", f"task {name} is {now} and still has an owner")
        if was == "queued" == now:
            changed = [member for member in after if before.get(member) != after[member]]
            if not set(changed) <= {"version", "paused", "paused_sequence"}:
                self._report("G2", f"task {name} is queued and changed its {changed}")
        if after["paused_sequence"] < before["paused_sequence"]:
            self._report("G4", f"task {name} obeys an older wish")
        if claimed:
            self._claimed(after)
            self._within_limits(after)
        return None

    def _claimed(self, task: Doc) -> None:
        """No node starts before its inputs are final (G3)."""
        run = self._documents.runs[task["run_id"]]
        before = before_of(run["nodes"])[task["node"]]
        if verdict(run, task["node"], before) != START:
            states = [run["node_runs"][index]["state"] for index in before]
            self._report("G3", f"task {task['_id']} starts while its predecessors {before} are {states}")

    def _within_limits(self, task: Doc) -> None:
        """No more tasks of a limited scope are held than the limit says (G7)."""
        for member, scope in (("tenant", "tenant"), ("pipeline_id", "pipeline")):
            gate = self._documents.gates.get(f"{scope}:{task[member]}")
            if gate is not None:
                held = [
                    other["_id"]
                    for other in self._documents.tasks.values()
                    if other["state"] == "running" and other[member] == task[member]
                ]
                if len(held) > gate["maximum"]:
                    self._report("G7", f"{len(held)} tasks at work behind {gate['_id']} of {gate['maximum']}: {held}")
