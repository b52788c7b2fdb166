"""Parameters that several resources take."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

from services.api.domain.errors import ApiError
from services.api.domain.problems import invalid
from services.api.domain.tasks import Mark
from shared.model.base import Instant, instant_text

RunId = Annotated[str, Path(max_length=256, description="The run's id.")]
PipelineId = Annotated[str, Path(max_length=64, description="The pipeline's id.")]
NodeIndex = Annotated[int, Path(ge=0, le=100_000, description="The node's index in the run.")]
Expires = Annotated[int, Query(ge=1, le=86_400, description="How many seconds the link is good for.")]
Wait = Annotated[float, Query(ge=0, le=20, description="Seconds to wait at most until the command is taken in.")]


def read_mark(cursor: str | None) -> Mark | None:
    """Where a page begins. Raises Problem 422."""
    if cursor is None:
        return None
    try:
        return Mark.read(cursor)
    except ApiError:
        raise invalid("cursor", "is not a cursor of an earlier answer") from None


def created_range(start: Instant | None, end: Instant | None) -> dict[str, str]:
    """A condition on `created_at`: from `start` until before `end`."""
    bounds = {"$gte": start, "$lt": end}
    return {name: instant_text(moment) for name, moment in bounds.items() if moment is not None}
