"""Telling the scheduler about runs that were written."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from services.api.dependencies import Context
from shared.errors import ReelwayError
from shared.messages.messages import RunRequested
from shared.ports.publisher import Outgoing

log = structlog.get_logger(__name__)


async def announce(run_ids: Sequence[str], context: Context) -> None:
    """Rings for runs that are new, or have new commands. They are written and due: if this is lost, the scheduler's
    sweeper finds them."""
    if not run_ids:
        return
    topic = context.deps.topics.runs
    try:
        await context.deps.publisher.publish(*(Outgoing(topic, RunRequested(run_id=run)) for run in run_ids))
    except ReelwayError as error:
        log.warning("runs not announced, the sweeper will find them", runs=len(run_ids), error=str(error))
