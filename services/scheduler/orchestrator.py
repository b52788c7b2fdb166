"""The shell around `advance`: load, advance, compare-and-set, send, again if somebody came between."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import structlog

from services.scheduler.domain.advance import advance
from services.scheduler.domain.events import Begin, Ended, Event, Obey, Tick
from services.scheduler.domain.tasks import WATCH_MAX, due_at, task_for
from services.scheduler.recent_runs import RecentRuns
from services.scheduler.task_care import TaskCare
from shared.errors import ReelwayError
from shared.faults import fault_point
from shared.ids import task_id
from shared.messages.messages import Message, RunChanged, RunRequested, TaskEnded, TaskReady
from shared.messages.topics import Topics
from shared.metrics import RUNS_ENDED, SWEPT, TRANSITIONS
from shared.model.base import instant_text
from shared.model.run import NodeState, OutboxEntry, Run, RunState, notifiable
from shared.model.task import Task, TaskState
from shared.ports.publisher import Outgoing, Publisher
from shared.ports.state import Filter, Order, StateError
from shared.state.records import Records
from shared.state.repository import Contention
from shared.state.task_queue import TaskQueue

log = structlog.get_logger(__name__)

MAX_CONFLICTS = 50
REMEMBERED = 10_000
"""Tasks whose end was taken in, of which the news may still come in another way."""
REFUSED_PAUSE = timedelta(minutes=1)
"""When a run that the store refuses is looked at again."""
NEVER_LATER = REFUSED_PAUSE + WATCH_MAX
"""No run's timer is set further ahead than this."""


class Orchestrator:
    """Moves runs. Any number of them may work on the same store: every step is compare-and-set.

    A step is: write the run with its outbox, then write its tasks and publish, then empty the outbox. A crash in
    between leaves the outbox, and the run's timer brings somebody who sends it again; what was sent twice is dropped
    by the state of what it is about.
    """

    def __init__(
        self,
        records: Records,
        queue: TaskQueue,
        publisher: Publisher,
        topics: Topics,
        hint: Callable[[str, str], None] = lambda *_: None,
    ) -> None:
        """`hint` gets the topics of lanes whose queue has something new, before the doorbells are on their way."""
        self._records = records
        self._queue = queue
        self._care = TaskCare(queue)
        self._publisher = publisher
        self._topics = topics
        self._hint = hint
        self._taken_in: dict[str, None] = {}
        self._recent = RecentRuns()

    async def now(self) -> datetime:
        """The clock that leases and timers go by."""
        return await self._records.now()

    # -- what happens ---------------------------------------------------------------------------------------------

    async def requested(self, messages: Sequence[RunRequested]) -> None:
        """Looks at runs that somebody wrote, or wrote commands into. What is done already is left alone."""
        await self.apply({message.run_id: [Begin(), Obey()] for message in messages})

    async def ended(self, messages: Sequence[TaskEnded]) -> None:
        """Takes in final tasks."""
        await self.take_in([message.task_id for message in messages])

    async def take_in(self, task_ids: Iterable[str]) -> None:
        """The same for tasks by their ids. What was taken in lately is not looked at again: a task ends once, and that
        its run has it is written."""
        news = [task_id for task_id in task_ids if task_id not in self._taken_in]
        if not news:
            return
        tasks = await self._records.tasks.get_many(news)
        await self.apply(_by_run(tasks.values()), from_memory=True)
        for task in tasks.values():
            if task.state.final:
                self._taken_in[task.id] = None
        while len(self._taken_in) > REMEMBERED:
            del self._taken_in[next(iter(self._taken_in))]

    async def sweep(self, limit: int) -> int:
        """Looks at runs whose timer has come: begins them, takes in results whose message was lost, queues due retries,
        sends outboxes again. Returns how many there were."""
        now = await self._records.now()
        runs = await self._due(now, limit)
        if not runs:
            return 0
        tasks = await self._records.tasks.get_many([task for run in runs for task in _awaited(run)])
        tasks |= await self._care.look_after(runs, tasks, now)
        results = _by_run(tasks.values())
        work: dict[str, list[Event]] = {}
        for run in runs:
            begin: list[Event] = [Begin()] if run.state is RunState.REQUESTED else []
            work[run.id] = [*begin, *results.get(run.id, []), Obey(), Tick()]
        SWEPT.labels("scheduler", "runs").inc(len(runs))
        await self.apply(work, resend={run.id for run in runs})
        await self._derive_again([run for run in runs if not run.outbox], tasks, now)
        return len(runs)

    async def _due(self, now: datetime, limit: int) -> list[Run]:
        """Runs whose timer has come, and those whose timer is further away than any that is ever set: the clock was
        ahead then and has been put right since."""
        come: Filter = {"due_at": {"$lte": instant_text(now)}}
        runs = await self._records.runs.find(come, sort=[("due_at", Order.ASC)], limit=limit)
        if len(runs) < limit:
            too_far: Filter = {"due_at": {"$gt": instant_text(now + NEVER_LATER)}}
            runs += await self._records.runs.find(too_far, sort=[("due_at", Order.DESC)], limit=limit - len(runs))
        return runs

    async def _derive_again(self, runs: Sequence[Run], known: Mapping[str, Task], now: datetime) -> None:
        """Writes tasks that a run waits for and that are not there: somebody lost a collection, not a message."""
        for run in runs:
            for index, node in enumerate(run.node_runs):
                if node.state is NodeState.QUEUED and task_id(run.id, index, node.attempt, run.epoch) not in known:
                    log.error("a queued node had no task, it is written again", run=run.id, node=index)
                    await self.announce(await self._queue.enqueue([task_for(run, index, now)]))

    async def take_back_leases(self) -> int:
        """Ends leases that ran out; rings for the tasks that are queued again and takes in those that are final."""
        tasks = await self._queue.take_back_expired()
        if not tasks:
            return 0
        SWEPT.labels("scheduler", "leases").inc(len(tasks))
        for task in tasks:
            log.warning(
                "lease ran out", task=task.id, run=task.run_id, node=task.node, lost=task.lost, state=task.state
            )
        await self.announce(tasks)
        return len(tasks)

    async def announce(self, tasks: Sequence[Task]) -> None:
        """Rings for queued tasks, takes in final ones."""
        await self.apply(_by_run(tasks))
        await self._publish([self._doorbell(task) for task in tasks if task.state is TaskState.QUEUED])

    # -- the step -------------------------------------------------------------------------------------------------

    async def apply(
        self,
        work: Mapping[str, Sequence[Event]],
        resend: frozenset[str] | set[str] = frozenset(),
        *,
        from_memory: bool = False,
    ) -> None:
        """Applies events to runs, each run's in order. Runs in `resend` are written and sent even if nothing changed.
        `from_memory`: the events say all that is new, so a run that we wrote last need not be read again.

        Returns when everything is written; what could not be published stays in outboxes. Raises StateUnavailable.
        """
        left = dict(work)
        for _ in range(MAX_CONFLICTS):
            if not left:
                return
            left = await self._round(left, resend, self._recent.take(left) if from_memory else {})
            from_memory = False
        raise Contention(f"{len(left)} runs changed {MAX_CONFLICTS} times under a step")

    async def _round(
        self, work: Mapping[str, Sequence[Event]], resend: frozenset[str] | set[str], remembered: Mapping[str, Run]
    ) -> dict[str, Sequence[Event]]:
        """Returns what is to be done again, on the runs as the store has them."""
        now = await self._records.now()
        runs = {**remembered, **await self._records.runs.get_many([run for run in work if run not in remembered])}
        changed: list[Run] = []
        again: dict[str, Sequence[Event]] = {}
        for run_id, events in work.items():
            before = runs.get(run_id)
            if before is None:
                log.warning("no such run", run=run_id)
                continue
            after = _advanced(before, events, now)
            if after is not before:
                changed.append(after)
            elif run_id in remembered:
                again[run_id] = events
            elif run_id in resend:
                changed.append(before.with_changes(due_at=due_at(before, now)))
        fault_point("scheduler.before_cas")
        written = await self._write(changed, runs, now)
        fault_point("scheduler.after_cas")
        done = [run for run in written if run is not None]
        again |= {run.id: work[run.id] for run, saved in zip(changed, written, strict=True) if saved is None}
        for run in done:
            if run.state.final and not runs[run.id].state.final:
                RUNS_ENDED.labels(run.state.value).inc()
        TRANSITIONS.labels("written").inc(len(done))
        TRANSITIONS.labels("conflict").inc(len(changed) - len(done))
        await self._send(done)
        return again

    async def _write(self, runs: Sequence[Run], before: Mapping[str, Run], now: datetime) -> list[Run | None]:
        """Compare-and-set for each; None where somebody came between."""
        try:
            return await self._records.runs.replace_many(runs)
        except StateError as error:
            if error.retryable:
                raise
            log.warning("a batch of runs cannot be written, trying one by one", error=str(error), runs=len(runs))
        return [await self._write_one(run, before[run.id], now) for run in runs]

    async def _write_one(self, run: Run, before: Run, now: datetime) -> Run | None:
        """One run that the store may refuse: then it stays as it was, is looked at again later, and harms no other."""
        try:
            return await self._records.runs.replace(run)
        except StateError as error:
            if error.retryable:
                raise
            log.exception("the store refuses a run", run=run.id, code=error.code)
        return await self._records.runs.replace(before.with_changes(due_at=now + REFUSED_PAUSE))

    async def _send(self, runs: Sequence[Run]) -> None:
        """Writes the tasks and publishes the messages of the outboxes, then empties them."""
        full = [run for run in runs if run.outbox]
        self._recent.keep(run for run in runs if not run.outbox)
        if not full:
            return
        entries = [(run, entry) for run in full for entry in run.outbox]
        tasks = [entry.task for _, entry in entries if entry.task is not None]
        await self._queue.enqueue(tasks)
        fault_point("scheduler.after_enqueue")
        for lane in {task.lane for task in tasks}:
            self._hint(self._topics.tasks(lane), lane.value)
        freed = await self._signal([entry for _, entry in entries])
        messages = [outgoing for run, entry in entries if (outgoing := self._outgoing(run, entry)) is not None]
        if not await self._publish([*messages, *(self._doorbell(task) for task in freed)]):
            return
        fault_point("scheduler.after_publish")
        now = await self._records.now()
        emptied = [run.with_changes(outbox=()) for run in full]
        emptied = [run.with_changes(due_at=due_at(run, now)) for run in emptied]
        saved = await self._records.runs.replace_many(emptied)
        fault_point("scheduler.after_clear")
        self._recent.keep(done for done in saved if done is not None)
        for run, done in zip(full, saved, strict=True):
            if done is None:
                await self._forget(run)

    async def _signal(self, entries: Sequence[OutboxEntry]) -> list[Task]:
        """Cancels, holds and lets go of tasks; returns those that can be claimed again. Which wish is the newest is
        told by its number, so neither the order here nor another, slower sender matters."""
        wanted: dict[str, dict[str, int]] = {}
        for entry in entries:
            if entry.task_id is not None:
                wanted.setdefault(entry.kind, {})[entry.task_id] = entry.sequence or 0
        if not wanted:
            return []
        await self._queue.cancel(wanted.get("cancel", {}))
        await self._queue.hold(wanted.get("hold", {}))
        fault_point("scheduler.after_signal")
        return await self._queue.unhold(wanted.get("unhold", {}))

    async def _forget(self, sent: Run) -> None:
        """Takes the sent entries out of an outbox that has grown meanwhile."""
        now = await self._records.now()
        keys = {_entry_key(entry) for entry in sent.outbox}

        def step(run: Run) -> Run | None:
            rest = tuple(entry for entry in run.outbox if _entry_key(entry) not in keys)
            if len(rest) == len(run.outbox):
                return None
            less = run.with_changes(outbox=rest)
            return less.with_changes(due_at=due_at(less, now))

        await self._records.runs.change(sent.id, step)

    async def _publish(self, outgoing: Sequence[Outgoing]) -> bool:
        """Whether all was acknowledged; if not, timers bring it again."""
        if not outgoing:
            return True
        try:
            await self._publisher.publish(*outgoing)
        except ReelwayError as error:
            log.warning("not published, will be sent again", error=str(error), messages=len(outgoing))
            return False
        return True

    def _outgoing(self, run: Run, entry: OutboxEntry) -> Outgoing | None:
        if entry.task is not None:
            return self._doorbell(entry.task)
        if entry.event is None:
            return None
        message: Message = RunChanged(
            run_id=run.id,
            tenant=run.tenant,
            pipeline_id=run.pipeline_id,
            pipeline_name=run.pipeline_name,
            bucket=run.input.bucket,
            key=run.input.key,
            event=entry.event,
            notifies=notifiable(run, entry.event),
            traceparent=run.traceparent,
        )
        return Outgoing(self._topics.run_events, message)

    def _doorbell(self, task: Task) -> Outgoing:
        message = TaskReady(task_id=task.id, run_id=task.run_id, lane=task.lane, traceparent=task.traceparent)
        return Outgoing(self._topics.tasks(task.lane), message)


def _advanced(run: Run, events: Sequence[Event], now: datetime) -> Run:
    after = run
    for event in events:
        try:
            after, _ = advance(after, event, now)
        except Exception:
            # Boundary: a run that the rules choke on must not stop all the others. It keeps its timer and its error.
            log.exception("a run cannot be advanced", run=run.id, on=type(event).__name__)
            return run
    return after


def _by_run(tasks: Iterable[Task]) -> dict[str, list[Event]]:
    work: dict[str, list[Event]] = {}
    for task in tasks:
        if task.state.final:
            work.setdefault(task.run_id, []).append(Ended(task))
    return work


def _awaited(run: Run) -> list[str]:
    return [
        task_id(run.id, index, node.attempt, run.epoch)
        for index, node in enumerate(run.node_runs)
        if node.state is NodeState.QUEUED
    ]


def _entry_key(entry: OutboxEntry) -> str:
    if entry.task is not None:
        return entry.task.id
    return f"{entry.kind} {entry.task_id} {entry.event.sequence if entry.event else entry.sequence}"
