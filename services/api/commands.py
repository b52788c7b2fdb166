"""How a wish about a run gets to the scheduler: written into the run first, then rung for."""

from __future__ import annotations

from typing import ClassVar

import structlog

from services.api.dependencies import Dependencies
from shared.errors import ReelwayError
from shared.messages.messages import RunRequested
from shared.model.commands import MAX_PENDING, refusal
from shared.model.run import Command, CommandKind, Run
from shared.ports.publisher import Outgoing

log = structlog.get_logger(__name__)


class CommandRefused(ReelwayError):
    """The command does not fit the run as it stands; nothing was changed. `reason` is for the caller."""

    code: ClassVar[str] = "command_refused"

    def __init__(self, run_id: str, kind: CommandKind, reason: str) -> None:
        super().__init__(f"{kind.value} of run {run_id}: {reason}")
        self.reason = reason


async def give_command(deps: Dependencies, run_id: str, kind: CommandKind, node: int | None = None) -> Run | None:
    """Writes a command into the run and rings for it; the run as it then stands, or None if there is no such run.

    The scheduler takes it in within its sweep interval even if the bell is lost. A command that waits there already
    is not written twice. Raises CommandRefused, and StateError.
    """
    now = await deps.records.now()
    refused: str | None = None

    def step(run: Run) -> Run | None:
        nonlocal refused
        refused = refusal(run, kind, node)
        if refused is None and any((command.kind, command.node) == (kind, node) for command in run.commands[-1:]):
            return None
        if refused is None and len(run.commands) >= MAX_PENDING:
            refused = f"{MAX_PENDING} commands are waiting already"
        if refused is not None:
            return None
        wanted = Command(kind=kind, at=now, node=node)
        return run.with_changes(commands=(*run.commands, wanted), due_at=now)

    run = await deps.records.runs.change(run_id, step)
    if refused is not None:
        raise CommandRefused(run_id, kind, refused)
    if run is not None:
        await announce_run(deps, run_id)
    return run


async def announce_run(deps: Dependencies, run_id: str) -> None:
    """Tells the scheduler to look at a run. The run is written and due: if this is lost, the sweeper finds it."""
    try:
        await deps.publisher.publish(Outgoing(deps.topics.runs, RunRequested(run_id=run_id)))
    except ReelwayError as error:
        log.warning("run not announced, the sweeper will find it", run_id=run_id, error=str(error))
