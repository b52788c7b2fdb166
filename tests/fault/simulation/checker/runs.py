"""What may happen to a run: what follows from the graph, from the results of its tasks, and from nothing else."""

from __future__ import annotations

from datetime import datetime, timedelta

from shared.model.base import instant_text
from tests.fault.simulation.checker import graph
from tests.fault.simulation.checker.documents import (
    NODE_FINAL,
    RUN_FINAL,
    TASK_FINAL,
    Doc,
    Documents,
    Report,
    notifiable,
    task_id,
)

FREE_WHEN_FINAL = ("version", "outbox", "commands", "due_at", "notify_due_at")
PINNED = (
    "tenant", "pipeline_id", "definition", "nodes", "input", "target", "notification", "priority", "created_at",
    "epoch",
)  # fmt: skip
LONGEST_TIMER = timedelta(seconds=95)
"""The longest watch interval or retry wait, with jitter."""
NEXT = {
    "requested": ("requested", "running", "paused", *RUN_FINAL),
    "running": ("running", "paused", *RUN_FINAL),
    "paused": ("paused", "running", *RUN_FINAL),
}


class RunRules:
    """Checks every write of a run."""

    def __init__(self, documents: Documents, published: set[str], report: Report) -> None:
        self._documents = documents
        self._published = published
        self._report = report

    def inserted(self, run: Doc, now: datetime) -> None:
        """A run that was not there before."""
        name = run["_id"]
        if run["state"] != "requested" or run["history"] or run["outbox"]:
            self._report("G4", f"run {name} begins as {run['state']}")
        for index, node in enumerate(run["node_runs"]):
            if node["state"] != "pending":
                self._taken_over(run, index, node)
        self._timer(run, now)

    def _taken_over(self, run: Doc, index: int, node: Doc) -> None:
        """A rerun begins with results that were made before, and with nothing that depends on what it does again."""
        what = f"run {run['_id']} begins with node {index} {node['state']}"
        for before in graph.before_of(run["nodes"])[index]:
            if run["node_runs"][before]["state"] == "pending":
                self._report("G3", f"{what}, and node {before} before it is pending")
        if not run["rerun_of"]:
            self._report("G3", what)
        elif node["state"] == "skipped" and node["unchosen"]:
            return
        elif node["state"] != "succeeded" or not node["reused"]:
            self._report("G2", what)
        elif run["nodes"][index]["kind"] != "rules" and node["reused"]["attempt"]:
            made = node["reused"]
            task = self._documents.tasks.get(f"{made['run_id']}:{made['epoch']}.{made['node']}:{made['attempt']}")
            if task is None or task["result"]["payload"] != node["result"]["payload"]:
                self._report("G2", f"{what}, and nobody made its result")

    def changed(self, before: Doc, after: Doc, now: datetime) -> None:
        """A run that was written again."""
        name = after["_id"]
        if before["state"] in RUN_FINAL:
            for member, value in before.items():
                if member not in FREE_WHEN_FINAL and after.get(member) != value:
                    self._report("G4", f"run {name} was {before['state']} and its {member} changed")
        elif after["state"] not in NEXT[before["state"]]:
            self._report("G4", f"run {name} went from {before['state']} to {after['state']}")
        for member in PINNED:
            if before[member] != after[member]:
                self._report("G4", f"run {name} changed its {member}")
        self._history(before, after)
        if before["node_runs"] != after["node_runs"]:
            for index in range(len(after["nodes"])):
                if before["node_runs"][index] != after["node_runs"][index]:
                    self._node(before, after, index, now)
        self._outbox(before, after)
        self._settled(after)
        self._end(after)
        self._timer(after, now)
        self._told(after)

    # -- nodes ----------------------------------------------------------------------------------------------------

    def _node(self, before: Doc, after: Doc, index: int, now: datetime) -> None:
        was, node = before["node_runs"][index], after["node_runs"][index]
        step = f"{was['state']} -> {node['state']}"
        what = f"node {index} of run {after['_id']} ({step}, attempt {was['attempt']} -> {node['attempt']})"
        retried = _commanded(before, "retry_node", index)
        if was["state"] in NODE_FINAL:
            self._reopened(before, was, node, index, what)
            return
        if node["attempt"] < was["attempt"] or node["attempt"] > was["attempt"] + 1:
            self._report("G3", f"{what}: attempts count one by one")
        if was["state"] == "queued" and not (node["state"] == "queued" and node["attempt"] == was["attempt"]):
            self._ended(after, was, node, index, what)
        if node["attempt"] > was["attempt"]:
            self._begins(before, after, index, what)
            if was["state"] == "waiting" and not retried and was["due_at"] > instant_text(now):
                self._report("G5", f"{what}: tried again before it was due at {was['due_at']}")
        if was["state"] == "pending" and node["state"] in NODE_FINAL:
            self._decided(after, node, index, what)
        if node["state"] == "pending" and was["state"] != "pending":
            self._report("G4", f"{what}: it had begun")
        if node["state"] == "waiting" and node["due_at"] is None:
            self._report("G5", f"{what}: waits without a timer")

    def _begins(self, before: Doc, after: Doc, index: int, what: str) -> None:
        predecessors = graph.before_of(after["nodes"])[index]
        if graph.verdict(after, index, predecessors) != graph.START:
            states = [after["node_runs"][one]["state"] for one in predecessors]
            self._report("G3", f"{what}: begins although its predecessors {predecessors} are {states}")
        if (
            after["state"] == "paused"
            and before["state"] == "paused"
            and after["node_runs"][index]["state"] == "queued"
        ):
            self._report("G3", f"{what}: begins while the run is paused")

    def _ended(self, after: Doc, was: Doc, node: Doc, index: int, what: str) -> None:
        """A queued attempt has ended: because its task has, with what its task says."""
        if node["state"] == "cancelled":
            return
        task = self._documents.tasks.get(task_id(after, index, was["attempt"]))
        if task is None or task["state"] not in TASK_FINAL:
            state = "nowhere" if task is None else task["state"]
            self._report("G2", f"{what}: its task is {state}")
            return
        if (node["state"] == "succeeded") != (task["state"] == "succeeded"):
            self._report("G2", f"{what}: its task is {task['state']}")
        if node["state"] == "succeeded" and node["result"]["payload"] != task["result"]["payload"]:
            self._report("G2", f"{what}: its result is not that of its task")

    def _decided(self, after: Doc, node: Doc, index: int, what: str) -> None:
        """A node that has not begun is final without a task."""
        kind = after["nodes"][index]["kind"]
        due = graph.verdict(after, index, graph.before_of(after["nodes"])[index])
        match node["state"]:
            case "skipped":
                if due != (graph.UNCHOSEN if node.get("unchosen") else graph.SKIP):
                    self._report("G3", f"{what}: skipped, but the graph says {due}")
            case "succeeded" if kind == "output":
                if due != graph.REACHED:
                    self._report("G3", f"{what}: the end is reached, but the graph says {due}")
            case "succeeded" if kind == "rules":
                chosen = node["result"]["chosen"]
                if due != graph.START or not set(chosen) <= set(after["nodes"][index]["successors"]):
                    self._report("G3", f"{what}: chose {chosen}, but the graph says {due}")
            case "succeeded" if kind == "input" and after["skip_probe"]:
                pass
            case "cancelled" if after["state"] == "cancelled":
                pass
            case _:
                self._report("G2", f"{what}: nobody has worked on it")

    def _reopened(self, before: Doc, was: Doc, node: Doc, index: int, what: str) -> None:
        """What is final stays so, unless somebody asked to try a failed node of a live run again."""
        asked = [command["node"] for command in before.get("commands", ()) if command["kind"] == "retry_node"]
        if before["state"] not in RUN_FINAL:
            if was["state"] == "failed" and index in asked:
                return
            if was["state"] == "skipped" and not was.get("unchosen") and asked:
                return
            if was["state"] == "succeeded" and before["nodes"][index]["kind"] == "output" and asked:
                # An end that a join of any had reached early; it waits for the node again, or is cancelled with it.
                return
        changes = [member for member in node if node[member] != was.get(member)]
        # A reused node is told of when the run starts.
        if changes != ["sequence"] or before["state"] != "requested":
            self._report("G4", f"{what}: it was final and changed {changes}")

    # -- the run as a whole ---------------------------------------------------------------------------------------

    def _history(self, before: Doc, after: Doc) -> None:
        told = before["history"]
        if after["history"][: len(told)] != told:
            self._report("G8", f"run {after['_id']}: its history was rewritten")
        for number, event in enumerate(after["history"][len(told) :], len(told) + 1):
            if event["sequence"] != number:
                self._report("G8", f"run {after['_id']}: event {event['sequence']} stands at {number}")
            first, last = event["type"] == "run.started", event["type"] == "run.finished"
            if first != (number == 1) or (last and number != len(after["history"])):
                self._report("G8", f"run {after['_id']}: {event['type']} at {number}")
            if event["type"] == "node.succeeded" and any(
                other["type"] == "node.succeeded" and other["node"] == event["node"]
                for other in after["history"][: number - 1]
            ):
                self._report("G2", f"run {after['_id']}: node {event['node']} succeeded twice")

    def _outbox(self, before: Doc, after: Doc) -> None:
        """Nothing leaves an outbox before it is done, and nothing new is missing in it (G9)."""
        name = after["_id"]
        kept = {_key(entry) for entry in after["outbox"]}
        for entry in before["outbox"]:
            if _key(entry) not in kept and not self._done(name, entry):
                self._report("G9", f"run {name}: {_key(entry)} left the outbox before it was done")
        for event in after["history"][len(before["history"]) :]:
            if f"event {event['sequence']}" not in kept:
                self._report("G9", f"run {name}: event {event['sequence']} is not in the outbox")
        for index, node in enumerate(after["node_runs"]):
            if node["state"] == "queued" and node != before["node_runs"][index]:
                wanted = task_id(after, index, node["attempt"])
                if f"task {wanted}" not in kept and wanted not in self._documents.tasks:
                    self._report("G9", f"run {name}: task {wanted} is not in the outbox")

    def _done(self, run: str, entry: Doc) -> bool:
        match entry["kind"]:
            case "task":
                return entry["task"]["id"] in self._documents.tasks
            case "event":
                return f"{run}:{entry['event']['sequence']}" in self._published
            case "cancel":
                task = self._documents.tasks.get(entry["task_id"])
                return task is not None and task["state"] in TASK_FINAL
            case _:
                return True

    def _settled(self, run: Doc) -> None:
        """Nothing that could be decided is left undecided: a join that does not fire would wait for ever."""
        if run["state"] != "running":
            return
        before = None
        for index, node in enumerate(run["node_runs"]):
            if node["state"] == "pending":
                before = before or graph.before_of(run["nodes"])
                due = graph.verdict(run, index, before[index])
                if due != graph.WAIT:
                    self._report("G3", f"node {index} of run {run['_id']} waits, but the graph says {due}")

    def _end(self, run: Doc) -> None:
        """A run is final if and only if its nodes are."""
        states = {node["state"] for node in run["node_runs"]}
        name, state = run["_id"], run["state"]
        if (state in RUN_FINAL) != states.issubset(NODE_FINAL):
            self._report("G4", f"run {name} is {state} with nodes {sorted(states)}")
        if state == "succeeded" and states & {"failed", "cancelled"}:
            self._report("G4", f"run {name} succeeded with nodes {sorted(states)}")
        if state == "failed" and "failed" not in states:
            self._report("G4", f"run {name} failed with nodes {sorted(states)}")
        if (state in RUN_FINAL) != any(event["type"] == "run.finished" for event in run["history"]):
            self._report("G8", f"run {name} is {state}, and its history does not agree")

    def _timer(self, run: Doc, now: datetime) -> None:
        """What is not final, or has something to send, has a timer (G5)."""
        name, due = run["_id"], run["due_at"]
        if due is None:
            if run["state"] not in RUN_FINAL or run["outbox"]:
                self._report("G5", f"run {name} is {run['state']} without a timer")
        elif due > instant_text(now + LONGEST_TIMER):
            self._report("G5", f"run {name} is looked at no sooner than {due}")

    def _told(self, run: Doc) -> None:
        """Every change that somebody is to be told of has its delivery, or a timer that makes it (G8)."""
        if run["notify_due_at"] is None:
            missing = set(notifiable(run)) - self._documents.deliveries_of[run["_id"]]
            if missing:
                self._report("G8", f"run {run['_id']}: nobody will make the deliveries {sorted(missing)}")


def _key(entry: Doc) -> str:
    match entry["kind"]:
        case "task":
            return f"task {entry['task']['id']}"
        case "event":
            return f"event {entry['event']['sequence']}"
        case kind:
            return f"{kind} {entry['task_id']}"


def _commanded(run: Doc, kind: str, node: int) -> bool:
    return any(command["kind"] == kind and command["node"] == node for command in run.get("commands", ()))
