"""The task queue: tasks are documents, a claim is a compare-and-set, a lease ends by itself, a fence shuts out zombies.

Built on the state port alone, so it behaves the same on every store. Kafka only rings the doorbell (DESIGN §8).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from shared.model.base import instant_text
from shared.model.failure import Failure
from shared.model.task import Lane, NodeResult, Task, TaskState
from shared.ports.state import Order
from shared.state import task_steps
from shared.state.gates import GateFull, Gates, Place
from shared.state.records import Records
from shared.state.task_steps import MAX_LOST, Holder
from shared.state.turns import Turns

__all__ = ["MAX_LOST", "OVERTIME", "Held", "Holder", "TaskQueue"]

OVERTIME = timedelta(seconds=60)
"""How much longer than its limit a task may run before the queue ends it: its worker should have done so itself."""
MAX_BEATEN = 5
"""How often `claim_next` looks again because others were faster."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a holder says of a task it works on."""

    fence: int
    progress: int


CLOCK_AHEAD = timedelta(minutes=10)
"""How much longer than a lease one may seem to be: clocks differ a little, and holders of a queue with another
setting are left alone."""


class TaskQueue:
    """Every method may be called by any process at any time; at most one holder's completion of a task is taken."""

    def __init__(self, records: Records, lease: timedelta = timedelta(seconds=30)) -> None:
        self._records = records
        self._tasks = records.tasks
        self._lease = lease
        self._gates = Gates(records)
        self._turns: dict[Lane, Turns] = {}

    async def enqueue(self, tasks: Sequence[Task]) -> list[Task]:
        """Writes the tasks that are not there yet; returns those. A task that exists keeps its state."""
        written = await self._tasks.insert_many(tasks)
        return [task for task, new in zip(tasks, written, strict=True) if new]

    # -- claims ---------------------------------------------------------------------------------------------------

    async def claim(self, task_id: str, holder: Holder) -> Task | None:
        """Takes one task if it is queued and within its limits: fence + 1, lease from now. None if it is not to be
        had."""
        claimed = await self.claim_all([task_id], holder)
        return claimed[0] if claimed else None

    async def claim_all(self, task_ids: Sequence[str], holder: Holder) -> list[Task]:
        """The same for several; returns those that are now this holder's."""
        known = await self._tasks.get_many(task_ids)
        queued = [task for task in known.values() if task.state is TaskState.QUEUED]
        return await self._claim(queued, holder, set()) if queued else []

    async def claim_next(self, lane: Lane, holder: Holder, limit: int) -> list[Task]:
        """Takes up to `limit` queued tasks of a lane: tenants in turn, each tenant's by priority and age. What a limit
        keeps back does not keep back what is behind it."""
        turns = self._turns.setdefault(lane, Turns(self._tasks, lane))
        taken: list[Task] = []
        full: set[str] = set()
        beaten = 0
        while len(taken) < limit and beaten < MAX_BEATEN:
            waiting = await turns.look(limit - len(taken), full)
            met, tried = len(full), 0
            before = len(taken)
            while waiting and len(taken) < limit:
                batch, waiting = waiting[: limit - len(taken)], waiting[limit - len(taken) :]
                tried += len(batch)
                taken += await self._claim(batch, holder, full)
            if taken[before:]:
                turns.served(taken[-1].tenant)
            if len(full) > met:
                continue  # what the full gates kept from view may be more
            if tried == len(taken) - before:
                break
            beaten += 1
        return taken

    @property
    def limited(self) -> bool:
        """Whether limits may keep tasks back, as far as is known."""
        return self._gates.there

    async def _claim(self, tasks: Sequence[Task], holder: Holder, full: set[str]) -> list[Task]:
        """Those of the tasks that are now this holder's. `full` gets the gates that have no place left."""
        limiting = await self._gates.limiting(tasks)
        places: dict[str, list[Place]] = {}
        allowed: list[Task] = []
        for task in tasks:
            gates = limiting.get(task.id, [])
            if not full.isdisjoint(gates):
                continue
            try:
                places[task.id] = await self._gates.enter(task, gates)
            except GateFull as error:
                full.add(error.gate)
                continue
            allowed.append(task)
        now = await self._records.now()
        wanted = [task_steps.claimed(task, holder, now, self._lease) for task in allowed]
        claimed = await self._tasks.replace_many(wanted)
        for task, done in zip(allowed, claimed, strict=True):
            if done is None:
                await self._gates.leave(places[task.id])
        return [task for task in claimed if task is not None]

    # -- leases ---------------------------------------------------------------------------------------------------

    async def heartbeat(self, holder: Holder, held: Mapping[str, Held]) -> set[str]:
        """Renews the leases of all held tasks in one write and stores their progress; returns the ids of those that
        are not this holder's any more. What the holder itself has ended is not lost."""
        tasks = await self._tasks.get_many(list(held))
        now = await self._records.now()
        mine = [task for task_id, task in tasks.items() if task_steps.holds(task, holder.owner, held[task_id].fence)]
        renewed = await self._tasks.replace_many(
            [task_steps.renewed(task, now, self._lease, held[task.id].progress) for task in mine]
        )
        kept = {task.id for task, done in zip(mine, renewed, strict=True) if done is not None}
        # A conflict is not a loss: somebody wrote in between, another look decides.
        beaten = [task.id for task in mine if task.id not in kept]
        tasks = {task_id: task for task_id, task in tasks.items() if task_id not in beaten}
        tasks |= await self._tasks.get_many(beaten)
        return {
            task_id
            for task_id, said in held.items()
            if task_id not in kept and task_steps.slipped(tasks.get(task_id), holder.owner, said.fence)
        }

    async def lost(self, holder: Holder, held: Mapping[str, int]) -> set[str]:
        """Which of the held tasks (fences by id) are not this holder's any more; writes nothing."""
        tasks = await self._tasks.get_many(list(held))
        return {
            task_id for task_id, fence in held.items() if task_steps.slipped(tasks.get(task_id), holder.owner, fence)
        }

    async def holds(self, task_id: str, owner: str, fence: int) -> bool:
        """Whether this holder still has the task now."""
        task = await self._tasks.get(task_id)
        return task is not None and task_steps.holds(task, owner, fence)

    async def succeed(self, task_id: str, owner: str, fence: int, result: NodeResult) -> Task | None:
        """Ends a task with its result. None if the caller does not hold it any more: then nothing was written."""
        return await self._end(task_id, owner, fence, state=TaskState.SUCCEEDED, result=result, progress=100)

    async def fail(self, task_id: str, owner: str, fence: int, failure: Failure) -> Task | None:
        """Ends a task with a failure. None if the caller does not hold it any more."""
        return await self._end(task_id, owner, fence, state=TaskState.FAILED, failure=failure)

    async def _end(self, task_id: str, owner: str, fence: int, **outcome: object) -> Task | None:
        now = await self._records.now()

        def step(task: Task) -> Task | None:
            if not task_steps.holds(task, owner, fence):
                return None
            return task.with_changes(finished_at=now, lease_until=None, **outcome)

        task = await self._tasks.change(task_id, step)
        # Our own earlier write whose answer was lost counts as done.
        ours = task is not None and (task.state, task.owner, task.fence) == (outcome["state"], owner, fence)
        return task if ours else None

    async def release(self, task_id: str, owner: str, fence: int) -> bool:
        """Gives a task back, so that another worker takes it at once."""
        now = await self._records.now()
        released = False

        def step(task: Task) -> Task | None:
            nonlocal released
            released = task_steps.holds(task, owner, fence)
            return task_steps.requeued(task, now, lost=task.lost) if released else None

        await self._tasks.change(task_id, step)
        return released

    async def release_strays(self, holder: Holder, known: Collection[str], older_than: timedelta) -> list[str]:
        """Gives back what this holder has a lease on but does not know of: a claim whose answer was lost. Returns the
        ids. Claims younger than `older_than` may still be on their way and are left alone."""
        now = await self._records.now()
        held = await self._tasks.find({"state": TaskState.RUNNING.value, "worker": holder.worker}, limit=1000)
        strays = [
            task
            for task in held
            if task.owner == holder.owner
            and task.id not in known
            and task.claimed_at is not None
            and now - task.claimed_at > older_than
        ]
        return [task.id for task in strays if await self.release(task.id, holder.owner, task.fence)]

    async def take_back_expired(self, limit: int = 200) -> list[Task]:
        """Ends the leases that ran out: the tasks are queued again, or failed after `MAX_LOST` losses. Returns them
        as they then stand; those that are final want to be told to their runs.

        A lease far beyond its length was given by a clock that was ahead: it has run out too.
        """
        now = await self._records.now()
        found: list[Task] = []
        for order, limits in (
            (Order.ASC, {"$lte": instant_text(now)}),
            (Order.DESC, {"$gt": instant_text(now + self._lease + CLOCK_AHEAD)}),
        ):
            where = {"state": TaskState.RUNNING.value, "lease_until": limits}
            found += await self._tasks.find(where, sort=[("lease_until", order)], limit=limit - len(found))
        return await self._take_back(found)

    async def take_back_from(self, worker: str, batch: int = 200) -> list[Task]:
        """The same for all tasks of a worker that is known to be dead, whatever their leases say."""
        taken: list[Task] = []
        while held := await self._tasks.find({"state": TaskState.RUNNING.value, "worker": worker}, limit=batch):
            back = await self._take_back(held)
            if not back:
                break  # somebody else is at it
            taken += back
        return taken

    async def _take_back(self, tasks: Sequence[Task]) -> list[Task]:
        now = await self._records.now()
        written = await self._tasks.replace_many([task_steps.taken_back(task, now) for task in tasks])
        return [task for task in written if task is not None]

    # -- what the run wants of its tasks --------------------------------------------------------------------------

    async def cancel(self, task_ids: Collection[str]) -> None:
        """Ends tasks whatever they are at; a worker that holds one learns it from its next look at its leases. Final
        ones stay as they are."""
        now = await self._records.now()
        await self._change_all(task_ids, lambda task: task_steps.cancelled(task, now))

    async def hold(self, wishes: Mapping[str, int]) -> None:
        """Keeps tasks from being claimed. Those that a worker holds go on, but are not claimed again if it gives them
        back or dies.

        `wishes` are task ids with the number of the run's event behind the wish. Of hold and unhold the one with the
        highest number counts, in whatever order and however often they come.
        """
        await self._change_all(wishes, lambda task: task_steps.held(task, wishes[task.id]))

    async def unhold(self, wishes: Mapping[str, int]) -> list[Task]:
        """Lets tasks be claimed again; returns those that can be."""
        now = await self._records.now()
        tasks = await self._change_all(wishes, lambda task: task_steps.unheld(task, now, wishes[task.id]))
        return [task for task in tasks if task.state is TaskState.QUEUED]

    async def time_out(self, seen: Task, why: str) -> Task | None:
        """Fails a task that has waited, or run, for too long; None if it has moved on from what was seen."""
        now = await self._records.now()
        task = await self._tasks.change(seen.id, lambda task: task_steps.timed_out(task, now, seen, why))
        return task if task is not None and task.state is TaskState.FAILED else None

    async def _change_all(self, task_ids: Collection[str], step: Callable[[Task], Task | None]) -> list[Task]:
        """Changes many tasks; returns them as they then stand."""
        known = await self._tasks.get_many(list(task_ids))
        wanted = [changed for task in known.values() if (changed := step(task)) is not None]
        for task, done in zip(wanted, await self._tasks.replace_many(wanted), strict=True):
            stands = done or await self._tasks.change(task.id, step)
            if stands is not None:
                known[task.id] = stands
        return list(known.values())
