"""Commands in a run: what may be appended behind those that wait."""

from __future__ import annotations

from typing import assert_never

from services.api.domain.problems import Problem, conflict
from shared.model.commands import MAX_PENDING, refusal
from shared.model.run import Command, CommandKind, NodeState, Run, RunState


def appended(run: Run, command: Command) -> Run:
    """The run with the command as its last, due at once; the very same run if its last command is the same wish.

    Raises Problem 409 if it does not fit the run as it will be when the waiting commands are taken in.
    """
    if run.commands and _wish(run.commands[-1]) == _wish(command):
        return run
    reason = refusal(_as_it_will_be(run), command.kind, command.node)
    if reason is not None:
        raise conflict("command_refused", reason, state=run.state.value)
    if len(run.commands) >= MAX_PENDING:
        raise Problem(
            409,
            "too_many_commands",
            f"{MAX_PENDING} commands wait in this run; try again",
            headers={"retry-after": "1"},
        )
    return run.with_changes(commands=(*run.commands, command), due_at=command.at)


def waits(run: Run, command: Command) -> bool:
    """Whether the command, or the one it repeats, was not taken in yet."""
    return any(_wish(one) == _wish(command) and one.at <= command.at for one in run.commands)


def _wish(command: Command) -> tuple[CommandKind, int | None]:
    return command.kind, command.node


def _as_it_will_be(run: Run) -> Run:
    for command in run.commands:
        if refusal(run, command.kind, command.node) is None:
            run = _after(run, command)
    return run


def _after(run: Run, command: Command) -> Run:
    match command.kind:
        case CommandKind.CANCEL:
            return run.with_changes(state=RunState.CANCELLED)
        case CommandKind.PAUSE:
            return run.with_changes(state=RunState.PAUSED)
        case CommandKind.RESUME:
            return run.with_changes(state=RunState.RUNNING)
        case CommandKind.RETRY_NODE:
            nodes = list(run.node_runs)
            if command.node is not None:
                nodes[command.node] = nodes[command.node].model_copy(update={"state": NodeState.WAITING})
            return run.with_changes(node_runs=tuple(nodes))
        case _:
            assert_never(command.kind)
