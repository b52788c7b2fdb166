"""A worker: lanes with slots, doorbells, claims, heartbeats, a clean end (DESIGN §8)."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from services.workers.execution import Execution
from services.workers.minutes import MinuteCounts
from services.workers.settings import WorkerSettings
from shared.concurrency import run_to_end
from shared.errors import ReelwayError
from shared.faults import fault_point
from shared.messages.messages import TaskEnded, TaskReady
from shared.messages.topics import Topics
from shared.metrics import LEASES_LOST, SLOTS_BUSY, TASK_SECONDS, TASKS
from shared.model.task import Lane, Task, TaskState
from shared.ports.publisher import Outgoing, Publisher
from shared.state.task_queue import Held, Holder, TaskQueue

log = structlog.get_logger(__name__)

STRAY_AGE = timedelta(seconds=5)
"""How old a lease that no job of ours goes with must be before it is given back."""

CLAIM_TIMEOUT_S = 10.0
"""How long draining waits for claims that are under way; what they bring later is left to its lease."""

END_TIMEOUT_S = 4.0
"""How long a stopped job may take to end before its task is given back all the same: a child is killed after 3 s."""

RELEASE_TIMEOUT_S = 3.0
"""How long giving back may take; what the store has not taken by then is left to its lease."""


@dataclass
class _Running:
    task: Task
    job: asyncio.Task[None]
    progress: int = 0
    stored: int = 0
    stopped: bool = False

    def stop(self) -> None:
        """Cancels the job, once: a second cancellation would disturb it while it ends what it has started."""
        if not self.stopped:
            self.stopped = True
            self.job.cancel()


class LaneSlots:
    """The slots of one lane. A slot is taken before a claim is tried, so there are never more claims than slots."""

    def __init__(self, lane: Lane, count: int) -> None:
        self.lane = lane
        self.count = count
        self.free = count
        self.wake = asyncio.Event()
        self.backlog = True
        """Whether there may be more in the queue than doorbells have told of. While there is not, a slot that becomes
        free need not look for work: what comes next rings."""

    def take(self, wanted: int) -> int:
        """Takes up to `wanted` slots; returns how many."""
        taken = min(wanted, self.free)
        self.free -= taken
        SLOTS_BUSY.labels(self.lane.value).set(self.count - self.free)
        return taken

    def give_back(self, count: int = 1) -> None:
        """Returns slots and wakes whoever fills them."""
        self.free += count
        SLOTS_BUSY.labels(self.lane.value).set(self.count - self.free)
        self.wake.set()


class Worker:
    """Claims tasks of its lanes and runs them.

    A doorbell leads to a claim by id while a slot is free; otherwise it is dropped, for the store remembers the task
    and each freed slot takes the next one in the store's order. An idle lane also looks by itself once in a while.
    """

    def __init__(
        self,
        queue: TaskQueue,
        execution: Execution,
        publisher: Publisher,
        topics: Topics,
        holder: Holder,
        settings: WorkerSettings,
        hint: Callable[[str, str], None] = lambda *_: None,
    ) -> None:
        """`hint` gets the topic of task events and the id of a task that has just ended."""
        self._queue = queue
        self._execution = execution
        self._publisher = publisher
        self._topics = topics
        self._holder = holder
        self._settings = settings
        self._hint = hint
        self._lanes = {lane: LaneSlots(lane, count) for lane, count in settings.slots().items()}
        self._running: dict[str, _Running] = {}
        self._draining = False
        self.on_hold = False
        """Whether nothing more is claimed, until somebody wants it again."""
        self.ended = MinuteCounts()
        """Attempts by lane, and those that failed."""
        self._claims = 0
        self._no_claims = asyncio.Event()
        self._no_claims.set()

    @property
    def lanes(self) -> list[LaneSlots]:
        """The slots that there are."""
        return list(self._lanes.values())

    @property
    def draining(self) -> bool:
        """Whether the process is about to end."""
        return self._draining

    @property
    def _closed(self) -> bool:
        return self._draining or self.on_hold

    def hold(self, *, on: bool) -> None:
        """Claims nothing more, or claims again. What runs goes on."""
        self.on_hold = on
        for lane in [] if on else list(self._lanes):
            self.look(lane)

    # -- claiming -------------------------------------------------------------------------------------------------

    async def on_ready(self, messages: Sequence[TaskReady]) -> None:
        """Doorbells. Returns as soon as the claims are made."""
        wanted: dict[Lane, dict[str, None]] = {}
        for message in messages:
            if message.lane in self._lanes:
                wanted.setdefault(message.lane, {})[message.task_id] = None
        for name, task_ids in wanted.items():
            if not self._closed:
                await self._claim_all(self._lanes[name], list(task_ids))

    async def _claim_all(self, slots: LaneSlots, task_ids: Sequence[str]) -> None:
        taken = slots.take(len(task_ids))
        if taken < len(task_ids):
            # Full: the tasks wait in the store, which knows the order better than the topic does. The slots may be
            # taken only for a look into the queue that began before they were in it: then look again.
            slots.backlog = True
            slots.wake.set()
        if not taken:
            return
        claimed: list[Task] = []
        with self._claim():
            try:
                claimed = await self._queue.claim_all(task_ids[:taken], self._holder)
            finally:
                if len(claimed) < taken:
                    slots.give_back(taken - len(claimed))
            for task in claimed:
                self._start(slots, task)

    def look(self, lane: Lane) -> None:
        """There is something in the lane's queue; its doorbell comes later."""
        slots = self._lanes[lane]
        slots.backlog = True
        slots.wake.set()

    async def fill(self, lane: Lane) -> None:
        """Keeps the slots of a lane busy until cancelled."""
        slots = self._lanes[lane]
        looked = float("-inf")
        while True:
            slots.wake.clear()
            try:
                if slots.backlog or self._queue.limited or looked + self._settings.poll_s <= time.monotonic():
                    looked = time.monotonic()
                    await self._claim_next(slots)
            except ReelwayError as error:
                slots.backlog = True
                log.warning("claiming failed", lane=lane, error=str(error), code=error.code)
            try:
                async with asyncio.timeout(self._settings.poll_s):
                    await slots.wake.wait()
            except TimeoutError:
                continue

    async def _claim_next(self, slots: LaneSlots) -> None:
        while not self._closed and (taken := slots.take(slots.free)):
            claimed: list[Task] = []
            slots.backlog = False
            with self._claim():
                try:
                    claimed = await self._queue.claim_next(slots.lane, self._holder, taken)
                finally:
                    # Nothing is claimed that has no slot; what was not claimed is free again, without waking ourselves.
                    slots.free += taken - len(claimed)
                    SLOTS_BUSY.labels(slots.lane.value).set(slots.count - slots.free)
                for task in claimed:
                    self._start(slots, task)
            slots.backlog = slots.backlog or bool(claimed)
            if len(claimed) < taken:
                return

    @contextlib.contextmanager
    def _claim(self) -> Iterator[None]:
        """Around a claim and the start of what it brings: draining waits for it."""
        self._claims += 1
        self._no_claims.clear()
        try:
            yield
        finally:
            self._claims -= 1
            if self._claims == 0:
                self._no_claims.set()

    # -- running --------------------------------------------------------------------------------------------------

    def _start(self, slots: LaneSlots, task: Task) -> None:
        fault_point("worker.after_claim")
        former = self._running.get(task.id)
        if former is not None:
            # Our lease on it was taken back and we were the first to claim it again, before a heartbeat told us.
            LEASES_LOST.labels("worker").inc()
            log.warning("lease lost, stopping the task", task=task.id, fence=former.task.fence)
            former.stop()
        job = asyncio.create_task(self._run(slots, task), name=f"task {task.id}")
        self._running[task.id] = _Running(task, job)

    async def _run(self, slots: LaneSlots, task: Task) -> None:
        structlog.contextvars.bind_contextvars(
            run=task.run_id, node=task.node, attempt=task.attempt, tenant=task.tenant, trace=task.traceparent
        )
        began = time.monotonic()
        outcome = "lost"
        log.info("task started", kind=task.kind, lane=task.lane, fence=task.fence)
        try:
            ended = await self._execution.run(task, lambda percent: self._progress(task, percent))
            if ended is not None:
                outcome = ended.state.value
                self.ended.add(task.lane.value)
                if ended.state is TaskState.FAILED:
                    self.ended.add(f"{task.lane.value} failed")
                self._hint(self._topics.task_events, ended.id)
                await self._announce(ended)
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        finally:
            if self._known(task) is not None:
                del self._running[task.id]
            slots.give_back()
            seconds = time.monotonic() - began
            TASKS.labels(task.lane.value, task.kind, outcome).inc()
            TASK_SECONDS.labels(task.kind).observe(seconds)
            log.info("task ended", kind=task.kind, outcome=outcome, seconds=round(seconds, 3))

    def _known(self, task: Task) -> _Running | None:
        """The entry of this very claim; a later claim of the same task has its own."""
        running = self._running.get(task.id)
        return running if running is not None and running.task.fence == task.fence else None

    def _progress(self, task: Task, percent: int) -> None:
        running = self._known(task)
        if running is not None:
            running.progress = max(running.progress, percent)

    async def _announce(self, task: Task) -> None:
        """Tells the scheduler; if that fails, its sweeper will see the task itself."""
        message = TaskEnded(task_id=task.id, run_id=task.run_id, state=task.state, traceparent=task.traceparent)
        try:
            await self._publisher.publish(Outgoing(self._topics.task_events, message))
        except ReelwayError as error:
            log.warning("result not announced", error=str(error))

    # -- leases ---------------------------------------------------------------------------------------------------

    async def heartbeat(self) -> None:
        """Renews the leases of all running tasks and stores progress, until cancelled. A task whose lease was lost, or
        that was cancelled, is stopped at once. Leases that no job goes with are looked for as often as leases are
        renewed."""
        renewed = looked = time.monotonic()
        while True:
            await asyncio.sleep(min(self._settings.progress_s, self._settings.heartbeat_s))
            now = time.monotonic()
            due = now - renewed >= self._settings.heartbeat_s
            # Of its own: storing progress renews leases too, and so puts off `due` as long as anything progresses.
            look = now - looked >= self._settings.heartbeat_s
            news = any(running.progress != running.stored for running in self._running.values())
            if not self._running and not look:
                continue
            held = {task_id: Held(running.task.fence, running.progress) for task_id, running in self._running.items()}
            renews = due or look or news
            try:
                if renews:
                    lost = await self._queue.heartbeat(self._holder, held) if held else set()
                else:
                    # A cancelled task has to end within seconds, not with the next renewal.
                    lost = await self._queue.lost(self._holder, {task_id: said.fence for task_id, said in held.items()})
                if look:
                    for task_id in await self._queue.release_strays(self._holder, self._running, STRAY_AGE):
                        log.warning("released a task whose claim was not answered", task=task_id)
                    looked = time.monotonic()
            except ReelwayError as error:
                # While the store is away nobody can take the tasks either; the fence decides when it is back.
                log.warning("heartbeat failed", error=str(error), code=error.code)
                continue
            if renews:
                renewed = time.monotonic()
            for task_id, said in held.items():
                running = self._running.get(task_id)
                if running is None or running.task.fence != said.fence:
                    continue
                if renews:
                    running.stored = said.progress
                if task_id in lost and not running.stopped:
                    LEASES_LOST.labels("worker").inc()
                    log.warning("lease lost, stopping the task", task=task_id)
                    running.stop()

    # -- begin and end --------------------------------------------------------------------------------------------

    async def take_back_own(self) -> None:
        """Ends what an earlier process of this name, known to be dead, still holds. Waits for the store."""
        while True:
            try:
                tasks = await self._queue.take_back_from(self._holder.worker)
                break
            except ReelwayError as error:
                log.warning("store unavailable, waiting", error=str(error))
                await asyncio.sleep(1)
        for task in tasks:
            log.warning("taken back from a dead process of this worker", task=task.id, state=task.state, lost=task.lost)
            if task.state.final:
                await self._announce(task)
        for slots in self._lanes.values():
            slots.backlog = True
            slots.wake.set()

    async def drain(self) -> None:
        """Claims nothing more, lets running tasks end within the grace period, gives back the rest.

        Giving back happens also if this is cancelled, and then takes a few seconds at most: a task that stays ours
        would count as lost to a death when the next process of this name begins.
        """
        self._draining = True
        ends = time.monotonic() + self._settings.drain_s
        try:
            with contextlib.suppress(TimeoutError):
                # A claim that is under way may still bring a task, which then has to end or be given back as well.
                await asyncio.wait_for(self._no_claims.wait(), CLAIM_TIMEOUT_S)
            jobs = {running.job for running in self._running.values()}
            if jobs:
                log.info("draining", tasks=len(jobs), grace_s=self._settings.drain_s)
                await asyncio.wait(jobs, timeout=max(ends - time.monotonic(), 0))
        finally:
            await run_to_end(self._give_back())

    async def _give_back(self) -> None:
        """Stops what still runs and releases it."""
        left = list(self._running.values())
        for running in left:
            running.stop()
        if left:
            await asyncio.wait({running.job for running in left}, timeout=END_TIMEOUT_S)
        try:
            async with asyncio.timeout(RELEASE_TIMEOUT_S):
                await asyncio.gather(*(self._release(running.task) for running in left))
        except TimeoutError:
            log.warning("the store does not answer, leases will run out", tasks=[running.task.id for running in left])

    async def _release(self, task: Task) -> None:
        try:
            await self._queue.release(task.id, self._holder.owner, task.fence)
        except ReelwayError as error:
            log.warning("not given back, its lease will run out", task=task.id, error=str(error))
