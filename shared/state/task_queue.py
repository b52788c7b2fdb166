"""The task queue: tasks are documents, a claim is a compare-and-set, a lease ends by itself, a fence shuts out zombies.

Built on the state port alone, so it behaves the same on every store. Kafka only rings the doorbell (DESIGN §8).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.model.base import instant_text
from shared.model.failure import ErrCode, Failure
from shared.model.gate import SCOPES
from shared.model.task import Lane, NodeResult, Task, TaskState
from shared.ports.state import Order
from shared.state.gates import Gates
from shared.state.records import Records
from shared.state.turns import Turns

OVERTIME = timedelta(seconds=60)
"""How much longer than its limit a task may run before the queue ends it: its worker should have done so itself."""
MAX_LOST = 3
"""A task whose worker died this often is failed: it would kill the next one too."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who claims: a worker's stable name and the one process behind it."""

    worker: str
    owner: str


@dataclass(frozen=True, slots=True)
class Held:
    """What a holder says of a task it works on."""

    fence: int
    progress: int


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

    async def claim(self, task_id: str, holder: Holder) -> Task | None:
        """Takes one task if it is queued and within its limits: fence + 1, lease from now. None if it is not to be
        had."""
        task = await self._tasks.get(task_id)
        if task is None or task.state is not TaskState.QUEUED:
            return None
        claimed = await self._claim([task], holder, set())
        return claimed[0] if claimed else None

    async def claim_next(self, lane: Lane, holder: Holder, limit: int) -> list[Task]:
        """Takes up to `limit` queued tasks of a lane: tenants in turn, each tenant's by priority and age. What a limit
        keeps back does not keep back what is behind it."""
        taken: list[Task] = []
        blocked: set[str] = set()
        turns = self._turns.setdefault(lane, Turns())
        while len(taken) < limit:
            waiting = await self._waiting(lane, limit - len(taken), blocked, turns)
            full_before = len(blocked)
            while waiting and len(taken) < limit:
                batch, waiting = waiting[: limit - len(taken)], waiting[limit - len(taken) :]
                for task in await self._claim(batch, holder, blocked):
                    turns.serve(task.tenant)
                    taken.append(task)
            # Another look only if a limit was met, behind which there may be more.
            if len(blocked) == full_before:
                break
        return taken

    async def _waiting(self, lane: Lane, wanted: int, blocked: Collection[str], turns: Turns) -> list[Task]:
        """The next queued tasks in the order in which they are to be taken."""
        shut = {scope: [gate.partition(":")[2] for gate in blocked if gate.startswith(f"{scope}:")] for scope in SCOPES}
        where: dict[str, Any] = {"state": TaskState.QUEUED.value, "lane": lane.value}
        if shut["pipeline"]:
            where["pipeline_id"] = {"$nin": shut["pipeline"]}
        found: list[Task] = []
        passed = list(shut["tenant"])
        # Each look brings tenants that were not seen yet, so that none stands behind another's thousands of tasks.
        while len({task.tenant for task in found}) <= wanted:
            tenants = {"tenant": {"$nin": passed}} if passed else {}
            # More than asked for: other workers look at the same head of the queue.
            page = await self._tasks.find({**where, **tenants}, sort=[("order", Order.ASC)], limit=wanted * 4)
            found += page
            passed += dict.fromkeys(task.tenant for task in page)
            if not page:
                turns.forget(set(turns.served) - set(passed))
                break
        return list(turns.in_order(found))

    async def _claim(self, tasks: Sequence[Task], holder: Holder, blocked: set[str]) -> list[Task]:
        """Those of the tasks that are now this holder's. `blocked` gets the gates that have no place left."""
        entered: dict[str, list[str]] = {}
        allowed: list[Task] = []
        for task in tasks:
            gates = await self._gates.limiting(task)
            if not blocked.isdisjoint(gates):
                continue
            full = await self._gates.enter(task, gates) if gates else None
            if full is not None:
                blocked.add(full)
                continue
            entered[task.id] = gates
            allowed.append(task)
        now = await self._records.now()
        claimed = await self._tasks.replace_many([self._claimed(task, holder, now) for task in allowed])
        for task, done in zip(allowed, claimed, strict=True):
            if done is None and entered[task.id]:
                await self._gates.leave(task, entered[task.id])
        return [task for task in claimed if task is not None]

    def _claimed(self, task: Task, holder: Holder, now: datetime) -> Task:
        return task.with_changes(
            state=TaskState.RUNNING,
            fence=task.fence + 1,
            worker=holder.worker,
            owner=holder.owner,
            claimed_at=now,
            lease_until=now + self._lease,
            progress=0,
        )

    async def heartbeat(self, holder: Holder, held: Mapping[str, Held]) -> set[str]:
        """Renews the leases of all held tasks in one write and stores their progress; returns the ids of those that
        are not this holder's any more. What the holder itself has ended is not lost."""
        tasks = await self._tasks.get_many(list(held))
        now = await self._records.now()
        mine = [task for task_id, task in tasks.items() if self._holds(task, holder.owner, held[task_id].fence)]
        renewed = await self._tasks.replace_many(
            [task.with_changes(lease_until=now + self._lease, progress=held[task.id].progress) for task in mine]
        )
        kept = {task.id for task, done in zip(mine, renewed, strict=True) if done is not None}
        lost = {
            task_id
            for task_id, said in held.items()
            if task_id not in kept and self._lost_to(tasks.get(task_id), holder.owner, said.fence)
        }
        # A conflict is not a loss: somebody wrote in between, the next look decides.
        for task_id in set(held) - kept - lost:
            if self._lost_to(await self._tasks.get(task_id), holder.owner, held[task_id].fence):
                lost.add(task_id)
        return lost

    def _lost_to(self, task: Task | None, owner: str, fence: int) -> bool:
        """Whether the task slipped from this holder, rather than being held or ended by it."""
        if task is None:
            return True
        ended = task.state in (TaskState.SUCCEEDED, TaskState.FAILED) and task.owner == owner and task.fence == fence
        return not ended and not self._holds(task, owner, fence)

    @staticmethod
    def _holds(task: Task, owner: str, fence: int) -> bool:
        return task.state is TaskState.RUNNING and task.owner == owner and task.fence == fence

    async def lost(self, holder: Holder, held: Mapping[str, int]) -> set[str]:
        """Which of the held tasks (fences by id) are not this holder's any more; renews nothing."""
        tasks = await self._tasks.get_many(list(held))
        return {task_id for task_id, fence in held.items() if self._lost_to(tasks.get(task_id), holder.owner, fence)}

    async def holds(self, task_id: str, owner: str, fence: int) -> bool:
        """Whether this holder still has the task now."""
        task = await self._tasks.get(task_id)
        return task is not None and self._holds(task, owner, fence)

    async def succeed(self, task_id: str, owner: str, fence: int, result: NodeResult) -> Task | None:
        """Ends a task with its result. None if the caller does not hold it any more: then nothing was written."""
        return await self._end(task_id, owner, fence, state=TaskState.SUCCEEDED, result=result, progress=100)

    async def fail(self, task_id: str, owner: str, fence: int, failure: Failure) -> Task | None:
        """Ends a task with a failure. None if the caller does not hold it any more."""
        return await self._end(task_id, owner, fence, state=TaskState.FAILED, failure=failure)

    async def _end(self, task_id: str, owner: str, fence: int, **outcome: object) -> Task | None:
        now = await self._records.now()
        ended: Task | None = None

        def step(task: Task) -> Task | None:
            nonlocal ended
            ended = None
            if not self._holds(task, owner, fence):
                # Our own earlier write whose answer was lost counts as done.
                same = task.state is outcome["state"] and task.owner == owner and task.fence == fence
                ended = task if same else None
                return None
            ended = task.with_changes(finished_at=now, lease_until=None, **outcome)
            return ended

        await self._tasks.change(task_id, step)
        return ended

    async def release(self, task_id: str, owner: str, fence: int) -> bool:
        """Gives a task back, so that another worker takes it at once."""
        released = False

        def step(task: Task) -> Task | None:
            nonlocal released
            released = self._holds(task, owner, fence)
            return self._requeued(task, task.lost) if released else None

        await self._tasks.change(task_id, step)
        return released

    @staticmethod
    def _requeued(task: Task, lost: int) -> Task:
        return task.with_changes(
            state=TaskState.QUEUED, worker=None, owner=None, lease_until=None, claimed_at=None, lost=lost, progress=0
        )

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

    # -- what the run wants of its tasks --------------------------------------------------------------------------

    async def cancel(self, task_ids: Collection[str]) -> None:
        """Ends tasks whatever they are at; a worker that holds one learns it from its next look at its leases. Final
        ones stay as they are."""
        now = await self._records.now()

        def step(task: Task) -> Task | None:
            if task.state.final:
                return None
            return task.with_changes(state=TaskState.CANCELLED, finished_at=now, lease_until=None)

        await self._signal(task_ids, step)

    async def hold(self, task_ids: Collection[str]) -> None:
        """Keeps queued tasks from being claimed. Those that a worker holds go on."""
        await self._signal(task_ids, lambda task: self._turned(task, TaskState.QUEUED, TaskState.HELD))

    async def unhold(self, task_ids: Collection[str]) -> list[Task]:
        """Lets held tasks be claimed again; returns those that can be."""
        tasks = await self._signal(task_ids, lambda task: self._turned(task, TaskState.HELD, TaskState.QUEUED))
        return [task for task in tasks if task.state is TaskState.QUEUED]

    async def time_out(self, task_id: str, seen: TaskState, why: str) -> Task | None:
        """Fails a task that has waited (`seen` QUEUED) or run (RUNNING) for too long; None if it moved on meanwhile."""
        now = await self._records.now()
        failure = Failure(code=ErrCode.TIMEOUT, message=why, retryable=True)

        def step(task: Task) -> Task | None:
            if task.state is not seen:
                return None
            return task.with_changes(
                state=TaskState.FAILED, failure=failure, finished_at=now, lease_until=None, owner=None
            )

        task = await self._tasks.change(task_id, step)
        return task if task is not None and task.state is TaskState.FAILED else None

    @staticmethod
    def _turned(task: Task, before: TaskState, after: TaskState) -> Task | None:
        return task.with_changes(state=after) if task.state is before else None

    async def _signal(self, task_ids: Collection[str], step: Callable[[Task], Task | None]) -> list[Task]:
        """Changes many tasks; returns them as they then stand."""
        known = await self._tasks.get_many(list(task_ids))
        wanted = [changed for task in known.values() if (changed := step(task)) is not None]
        for task, done in zip(wanted, await self._tasks.replace_many(wanted), strict=True):
            now_stands = done or await self._tasks.change(task.id, step)
            if now_stands is not None:
                known[task.id] = now_stands
        return list(known.values())

    # -- leases that ran out --------------------------------------------------------------------------------------

    async def take_back_expired(self, limit: int = 200) -> list[Task]:
        """Ends the leases that ran out: the tasks are queued again, or failed after `MAX_LOST` losses. Returns them
        as they then stand; those that are final want to be told to their runs."""
        now = await self._records.now()
        overdue = await self._tasks.find(
            {"state": TaskState.RUNNING.value, "lease_until": {"$lte": instant_text(now)}},
            sort=[("lease_until", Order.ASC)],
            limit=limit,
        )
        return await self._take_back(overdue, now)

    async def take_back_from(self, worker: str, batch: int = 200) -> list[Task]:
        """The same for all tasks of a worker that is known to be dead, whatever their leases say."""
        taken: list[Task] = []
        while held := await self._tasks.find({"state": TaskState.RUNNING.value, "worker": worker}, limit=batch):
            back = await self._take_back(held, await self._records.now())
            if not back:
                break  # somebody else is at it
            taken += back
        return taken

    async def _take_back(self, tasks: Sequence[Task], now: datetime) -> list[Task]:
        wanted = [self._lost(task, now) for task in tasks]
        return [task for task in await self._tasks.replace_many(wanted) if task is not None]

    def _lost(self, task: Task, now: datetime) -> Task:
        lost = task.lost + 1
        if lost < MAX_LOST:
            return self._requeued(task, lost)
        failure = Failure(code=ErrCode.INTERNAL, message=f"the worker died {lost} times while running this task")
        # Without its owner: the holder that lost it must not take this end for its own.
        return task.with_changes(
            state=TaskState.FAILED, failure=failure, lost=lost, finished_at=now, lease_until=None, owner=None
        )
