"""What commands do to a run (issue: cancel, pause, resume, retry of one node)."""

from __future__ import annotations

from typing import assert_never

from services.scheduler.domain.step import Step
from shared.model.commands import refusal
from shared.model.pipeline import OUTPUT
from shared.model.run import Command, CommandKind, NodeState, RunEventType, RunState


def obey(step: Step) -> None:
    """Takes in all pending commands in the order they were given. One that does not fit any more, because the run moved
    on between the wish and now, does nothing."""
    if not step.run.commands:
        return
    commands = step.run.commands
    step.change(commands=())
    for command in commands:
        if refusal(step.current(), command.kind, command.node) is None:
            _obey_one(step, command)


def _obey_one(step: Step, command: Command) -> None:
    match command.kind:
        case CommandKind.CANCEL:
            _cancel(step)
        case CommandKind.PAUSE:
            _pause(step)
        case CommandKind.RESUME:
            _resume(step)
        case CommandKind.RETRY_NODE:
            if command.node is not None:
                _retry(step, command.node)
        case _:
            assert_never(command.kind)


def _cancel(step: Step) -> None:
    for index, node in enumerate(step.nodes):
        if node.state.final:
            continue
        update: dict[str, object] = {"state": NodeState.CANCELLED, "finished_at": step.now, "due_at": None}
        if node.state is NodeState.QUEUED:
            step.signal_task("cancel", index)
        if node.state is not NodeState.PENDING:
            update["sequence"] = step.tell(RunEventType.NODE_CANCELLED, node=index, attempt=node.attempt)
        step.change_node(index, **update)
    step.end(RunState.CANCELLED)


def _pause(step: Step) -> None:
    step.change(state=RunState.PAUSED)
    sequence = step.tell(RunEventType.RUN_PAUSED)
    for index, node in enumerate(step.nodes):
        if node.state is NodeState.QUEUED:
            step.signal_task("hold", index, sequence)


def _resume(step: Step) -> None:
    step.change(state=RunState.RUNNING)
    sequence = step.tell(RunEventType.RUN_RESUMED)
    for index, node in enumerate(step.nodes):
        if node.state is NodeState.QUEUED:
            step.signal_task("unhold", index, sequence)


def _retry(step: Step, index: int) -> None:
    """Tries a node again with a fresh count of attempts; what was skipped because of it waits for it again."""
    node = step.nodes[index]
    step.tell(RunEventType.NODE_RESET, node=index, attempt=node.attempt)
    step.change_node(
        index, fresh_at=node.attempt, state=NodeState.WAITING, due_at=step.now, finished_at=None, sequence=None
    )
    for follower in _given_up_after(step, index):
        step.change_node(follower, state=NodeState.PENDING, reason=None, finished_at=None, sequence=None)


def _given_up_after(step: Step, index: int) -> set[int]:
    """The nodes behind this one that a failure skipped, and the end if it was reached without them."""
    found: set[int] = set()
    ahead = list(step.run.nodes[index].successors)
    while ahead:
        node = ahead.pop()
        # No rule has passed it by: what stands behind a failure was skipped for the failure, if it was skipped.
        skipped = step.nodes[node].state is NodeState.SKIPPED
        if node not in found and (skipped or step.run.nodes[node].kind == OUTPUT):
            found.add(node)
            ahead += step.run.nodes[node].successors
    return found
