"""Moves a run by hand: one event, what came of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from services.scheduler.domain.advance import advance
from services.scheduler.domain.events import Begin, Ended, Event, Obey, Tick
from shared.model.commands import refusal
from shared.model.failure import ErrCode, Failure
from shared.model.pipeline import RULES, Node
from shared.model.run import Command, CommandKind, OutboxEntry, Run
from shared.model.task import NodeResult, Task, TaskState
from tests.builders import T0, a_run, ended

BROKEN = Failure(code=ErrCode.SOURCE_FILE, message="damaged")
FLAKY = Failure(code=ErrCode.INTERNAL, message="storage", retryable=True)
LATER = T0 + timedelta(hours=1)


def step(run: Run, event: Event, now: Any = T0) -> tuple[Run, list[Task]]:
    """Advances; returns the tasks that the step wants queued."""
    after, messages = advance(run, event, now)
    return after, tasks_of(messages)


def tasks_of(messages: tuple[OutboxEntry, ...]) -> list[Task]:
    """The tasks among the messages."""
    return [entry.task for entry in messages if entry.task is not None]


def told(run: Run) -> list[tuple[str, int | None]]:
    """The public history."""
    return [(event.type.value, event.node) for event in run.history]


def states(run: Run) -> list[str]:
    """The nodes' states."""
    return [node.state.value for node in run.node_runs]


def begun(nodes: tuple[Node, ...], **members: Any) -> tuple[Run, Task]:
    """A run whose input node is queued."""
    run, [probe] = step(a_run(nodes, **members), Begin())
    return run, probe


def probed(nodes: tuple[Node, ...], **members: Any) -> tuple[Run, dict[int, Task]]:
    """A run whose input node has succeeded, and the tasks of the nodes behind it."""
    run, probe = begun(nodes, **members)
    run, tasks = step(run, Ended(ended(probe, result=NodeResult(metadata={"Duration": 5}))))
    return run, {task.node: task for task in tasks}


def fails(run: Run, task: Task, failure: Failure = BROKEN, now: Any = T0) -> tuple[Run, list[Task]]:
    """The task fails."""
    return step(run, Ended(ended(task, TaskState.FAILED, failure=failure)), now)


def succeeds(run: Run, task: Task, now: Any = T0, **result: Any) -> tuple[Run, list[Task]]:
    """The task succeeds."""
    return step(run, Ended(ended(task, result=NodeResult(**result))), now)


def asked(run: Run, *kinds: CommandKind | tuple[CommandKind, int]) -> Run:
    """The run with commands written in it, as the API does it: the first must fit."""
    wishes = [kind if isinstance(kind, tuple) else (kind, None) for kind in kinds]
    assert refusal(run, *wishes[0]) is None
    commands = tuple(Command(kind=kind, node=node, at=T0) for kind, node in wishes)
    return run.with_changes(commands=run.commands + commands, due_at=T0)


def obeys(run: Run, *kinds: CommandKind | tuple[CommandKind, int], now: Any = T0) -> tuple[Run, list[Task]]:
    """Commands are written and taken in."""
    run, tasks = step(asked(run, *kinds), Obey(), now)
    assert run.commands == ()
    return run, tasks


def signals(run: Run) -> list[tuple[str, str]]:
    """What the outbox wants done to tasks."""
    return [(entry.kind, entry.task_id) for entry in run.outbox if entry.task_id is not None]


def ticks(run: Run, now: Any = LATER) -> tuple[Run, list[Task]]:
    """Time passes."""
    return step(run, Tick(), now)


def a_rule(*chosen: int, of: tuple[int, ...] = ()) -> Node:
    """A rules node that chooses these of its successors (`of`), or none."""
    holds = {"Id": "holds", "Expression": "1 == 1", "RearDriveIndexs": list(chosen)}
    rest = {"Id": "never", "Expression": "1 == 2", "RearDriveIndexs": list(of or chosen)}
    return Node(kind=RULES, params={"Rules": [holds, rest] if chosen else [rest]})
