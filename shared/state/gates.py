"""Limits on tasks at work, kept strictly (G7) by compare-and-set alone: nothing is counted in a counter, nothing leaks.

To claim a task of a limited scope its place is taken first: the gate document is read, the live leases of the scope are
counted, and the claim is written into the gate if there is room. Whoever comes between makes that write fail. The entry
is of use until the claim itself is written; one that never becomes a lease (its claimer died) is made powerless by
touching the task, so that a claimer that wakes up late finds its task changed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from datetime import timedelta

from shared.model.gate import Gate, Passage, gates_of
from shared.model.task import Task, TaskState
from shared.ports.state import Filter
from shared.state.records import Records

REFRESH_S = 1.0
"""How old the list of existing gates may be: a new limit holds after that time."""
PASSAGE = timedelta(seconds=5)
"""How long a claim may be under way."""
_TRIES = 20


class Gates:
    """The gates as a claimer sees them."""

    def __init__(self, records: Records, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._records = records
        self._monotonic = monotonic
        self._known: frozenset[str] = frozenset()
        self._refresh_at = float("-inf")

    async def limiting(self, task: Task) -> list[str]:
        """The ids of the gates that exist for this task."""
        if self._monotonic() >= self._refresh_at:
            found = await self._records.gates.find({}, limit=10_000)
            self._known = frozenset(gate.id for gate in found)
            self._refresh_at = self._monotonic() + REFRESH_S
        return [gate for gate in gates_of(task) if gate in self._known] if self._known else []

    async def enter(self, task: Task, gates: Collection[str]) -> str | None:
        """Takes a place for this task, as it stands now, at each gate. Returns the gate that is full, or None."""
        entered: list[str] = []
        for gate in gates:
            if not await self._enter(gate, task):
                await self.leave(task, entered)
                return gate
            entered.append(gate)
        return None

    async def leave(self, task: Task, gates: Collection[str]) -> None:
        """Gives places back early: the claim was made, or came to nothing. Without it others wait a few seconds."""
        for gate_id in gates:
            gate = await self._records.gates.get(gate_id)
            if gate is not None and any(entry.task_id == task.id for entry in gate.passing):
                rest = tuple(entry for entry in gate.passing if entry.task_id != task.id)
                await self._records.gates.replace(gate.with_changes(passing=rest))

    async def _enter(self, gate_id: str, task: Task) -> bool:
        for _ in range(_TRIES):
            gate = await self._records.gates.get(gate_id)
            if gate is None:
                return True
            passing = await self._under_way(gate, task)
            # After the entries: a claim that becomes a lease in between is counted twice, never not at all.
            at_work = await self._records.tasks.count(_at_work(gate_id))
            if at_work + len(passing) >= gate.maximum:
                return False
            entry = Passage(task_id=task.id, task_version=task.version, at=await self._records.now())
            if await self._records.gates.replace(gate.with_changes(passing=(*passing, entry))) is not None:
                return True
        return False

    async def _under_way(self, gate: Gate, task: Task) -> list[Passage]:
        """The entries of others that may still become leases."""
        others = [entry for entry in gate.passing if entry.task_id != task.id]
        if not others:
            return []
        tasks = await self._records.tasks.get_many([entry.task_id for entry in others])
        now = await self._records.now()
        found: list[Passage] = []
        for entry in others:
            there = tasks.get(entry.task_id)
            if there is None or there.version != entry.task_version or there.state is not TaskState.QUEUED:
                continue
            # Touching the task shuts out a claimer that has read it before. If that fails, it was just claimed.
            if now - entry.at <= PASSAGE or await self._records.tasks.replace(there) is None:
                found.append(entry)
        return found


def _at_work(gate_id: str) -> Filter:
    scope, _, name = gate_id.partition(":")
    return {"state": TaskState.RUNNING.value, "tenant" if scope == "tenant" else "pipeline_id": name}
