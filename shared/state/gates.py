"""Limits on tasks at work, kept strictly (G7) by compare-and-set alone: nothing is counted in a counter, nothing leaks.

To claim a task of a limited scope its place is taken first: the gate document is read, the live leases of the scope are
counted, and the claim is written into the gate if there is room. Whoever comes between makes that write fail. The entry
is of use until the claim itself is written; one that never becomes a lease (its claimer died) is made powerless by
touching the task, so that a claimer that wakes up late finds its task changed.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from shared.model.gate import Gate, Passage, gates_of
from shared.model.task import Task, TaskState
from shared.ports.state import Filter
from shared.state.records import Records
from shared.state.repository import Contention

REFRESH_S = 1.0
"""How old the knowledge that there are no gates at all may be: the first limit holds after that time."""
PASSAGE = timedelta(seconds=5)
"""How long a claim may be under way."""
_TRIES = 20


class GateFull(Exception):
    """No place is left at a gate."""

    def __init__(self, gate: str) -> None:
        super().__init__(gate)
        self.gate = gate


@dataclass(frozen=True, slots=True)
class Place:
    """A place at a gate, of one claimer and for one claim."""

    gate: str
    turn: int


class Gates:
    """The gates as a claimer sees them."""

    def __init__(self, records: Records, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._records = records
        self._monotonic = monotonic
        self._none_until = float("-inf")

    @property
    def there(self) -> bool:
        """Whether there may be any gate at all."""
        return self._monotonic() >= self._none_until

    async def limiting(self, tasks: Iterable[Task]) -> dict[str, list[str]]:
        """The gates that exist for each of the tasks, by task id; nothing for tasks without a limit."""
        if self._monotonic() < self._none_until:
            return {}
        wanted = {task.id: gates_of(task) for task in tasks}
        there = await self._records.gates.get_many([gate for gates in wanted.values() for gate in gates])
        if not there and not await self._records.gates.find({}, limit=1):
            self._none_until = self._monotonic() + REFRESH_S
        limited = {task: [gate for gate in gates if gate in there] for task, gates in wanted.items()}
        return {task: gates for task, gates in limited.items() if gates}

    async def enter(self, task: Task, gates: Sequence[str]) -> list[Place]:
        """Takes a place for this task, as it stands now, at each gate. Raises GateFull, and then holds no place."""
        places: list[Place] = []
        try:
            for gate in gates:
                place = await self._enter(gate, task)
                if place is not None:
                    places.append(place)
        except GateFull:
            await self.leave(places)
            raise
        return places

    async def leave(self, places: Iterable[Place]) -> None:
        """Gives places back early, because the claim came to nothing. Without it others wait a few seconds. Another
        claimer's place, though it be for the same task, stays."""
        for place in places:

            def step(gate: Gate, turn: int = place.turn) -> Gate | None:
                rest = tuple(entry for entry in gate.passing if entry.turn != turn)
                return None if len(rest) == len(gate.passing) else gate.with_changes(passing=rest)

            with contextlib.suppress(Contention):
                await self._records.gates.change(place.gate, step)

    async def _enter(self, gate_id: str, task: Task) -> Place | None:
        for _ in range(_TRIES):
            gate = await self._records.gates.get(gate_id)
            if gate is None:
                return None
            passing = await self._under_way(gate, task)
            # Of several claims to one task at most one comes true.
            others = {entry.task_id for entry in passing} - {task.id}
            # After the entries: a claim that becomes a lease in between is counted twice, never not at all.
            at_work = await self._records.tasks.count(_at_work(gate_id))
            if at_work + len(others) >= gate.maximum:
                break
            now = await self._records.now()
            entry = Passage(task_id=task.id, task_version=task.version, turn=gate.version, at=now)
            if await self._records.gates.replace(gate.with_changes(passing=(*passing, entry))) is not None:
                return Place(gate_id, gate.version)
        raise GateFull(gate_id)

    async def _under_way(self, gate: Gate, task: Task) -> list[Passage]:
        """The entries that may still become leases; those of other claims to this very task among them."""
        if not gate.passing:
            return []
        tasks = await self._records.tasks.get_many([entry.task_id for entry in gate.passing])
        alive = [entry for entry in gate.passing if _may_claim(entry, tasks.get(entry.task_id))]
        now = await self._records.now()
        young = {task.id, *(entry.task_id for entry in alive if now - entry.at <= PASSAGE)}
        found: list[Passage] = []
        for task_id in dict.fromkeys(entry.task_id for entry in alive):
            # Touching the task shuts out a claimer that has read it before. If that fails, it was just claimed.
            if task_id in young or await self._records.tasks.replace(tasks[task_id]) is None:
                found += [entry for entry in alive if entry.task_id == task_id]
        return found


def _may_claim(entry: Passage, task: Task | None) -> bool:
    return task is not None and task.version == entry.task_version and task.state is TaskState.QUEUED


def _at_work(gate_id: str) -> Filter:
    scope, _, name = gate_id.partition(":")
    return {"state": TaskState.RUNNING.value, "tenant" if scope == "tenant" else "pipeline_id": name}
