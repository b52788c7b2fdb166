"""The task of a node: derived from the run alone, so that it can be derived again."""

from __future__ import annotations

from datetime import datetime, timedelta

from shared.ids import digest, task_id
from shared.model.kinds import PROBE, RetryPolicy, retry_policy, time_limits, traits
from shared.model.pipeline import INPUT, Node
from shared.model.run import NodeRun, NodeState, Run, RunState
from shared.model.task import MediaObject, Task, queue_order


def task_kind(kind: str) -> str:
    """The kind of work that a node of this kind means."""
    return PROBE if kind == INPUT else kind


def task_for(run: Run, index: int, now: datetime) -> Task:
    """The task of a node's current attempt."""
    node, state = run.nodes[index], run.node_runs[index]
    kind = task_kind(node.kind)
    limits = time_limits(kind, node.timeouts)
    priority = run.priority if node.priority is None else node.priority
    return Task(
        id=task_id(run.id, index, state.attempt, run.epoch),
        tenant=run.tenant,
        run_id=run.id,
        pipeline_id=run.pipeline_id,
        node=index,
        attempt=state.attempt,
        epoch=run.epoch,
        kind=kind,
        lane=traits(kind).lane,
        priority=priority,
        order=queue_order(priority, now),
        running_s=limits.running.total_seconds(),
        stalled_s=limits.stalled.total_seconds(),
        params=node.params,
        templates=node.templates,
        original=run.input,
        source=state.source or run.input,
        metadata=run.metadata if state.source in (None, run.input) else None,
        target=run.target,
        traceparent=run.traceparent,
        queued_at=now,
    )


def source_of(run: Run, index: int, before: list[int]) -> MediaObject:
    """What a node reads: the media that its predecessor made; if that made none, what its predecessor read.

    With several predecessors the first one (by index) that made media counts, else the first one. A node with
    `source: original` reads the run's input.
    """
    if run.nodes[index].source == "original":
        return run.input
    states = [run.node_runs[predecessor] for predecessor in before]
    made = next((state.result.media for state in states if state.result and state.result.media), None)
    if made is not None:
        return made
    return next((_read_by(state, run) for state in states), run.input)


def _read_by(state: NodeRun, run: Run) -> MediaObject:
    return state.source or run.input


def retry_at(run: Run, index: int, policy: RetryPolicy, now: datetime) -> datetime:
    """When the next attempt is due. The jitter comes from the task's id: the same run waits the same time."""
    attempt = run.node_runs[index].attempt
    tries = attempt - run.node_runs[index].fresh_at
    wait: timedelta = min(policy.base * 2 ** (tries - 1), policy.cap)
    share = int(digest(task_id(run.id, index, attempt, run.epoch), size=8), 16) / 0xFFFFFFFF
    return now + wait + wait * share / 2


def longest_wait(policy: RetryPolicy) -> timedelta:
    """The most that `retry_at` adds."""
    return policy.cap * 1.5


def is_due(node: Node, state: NodeRun, now: datetime) -> bool:
    """Whether a waiting node's next attempt may begin. One that is further away than any wait was set by a clock that
    was ahead and has been put right since: it is due too."""
    if state.state is not NodeState.WAITING or state.due_at is None:
        return False
    return not timedelta(0) < state.due_at - now <= longest_wait(retry_policy(task_kind(node.kind), node.retry))


WATCH_MIN = timedelta(seconds=5)
WATCH_MAX = timedelta(seconds=30)
OUTBOX_PATIENCE = timedelta(seconds=2)


def due_at(run: Run, now: datetime) -> datetime | None:
    """When somebody must look at the run again though no message came. None only for a final run whose messages
    are all out: every other run has a timer (G5)."""
    timers = [now + OUTBOX_PATIENCE] if run.outbox else []
    if not run.state.final:
        age = now - (run.started_at or run.created_at)
        timers.append(now + min(max(age / 4, WATCH_MIN), WATCH_MAX))
    if run.commands:
        timers.append(now)
    if run.state is RunState.RUNNING:
        # What is past has happened: retries that are due are queued, tasks that waited too long were claimed in time.
        timers += [moment for index in range(len(run.nodes)) if (moment := _awaited(run, index)) and moment > now]
    return min(timers, default=None)


def _awaited(run: Run, index: int) -> datetime | None:
    """When something becomes due for this node."""
    node = run.node_runs[index]
    if node.state is NodeState.WAITING:
        return node.due_at
    if node.state is NodeState.QUEUED and node.queued_at is not None:
        return queued_until(run, index, node.queued_at)
    return None


def queued_until(run: Run, index: int, queued_at: datetime) -> datetime:
    """Until when a node's task may wait for a worker if it has been ready since `queued_at`."""
    node = run.nodes[index]
    return queued_at + time_limits(task_kind(node.kind), node.timeouts).queued
