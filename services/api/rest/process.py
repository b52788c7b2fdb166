"""Pipelines: process what lies in the bucket already."""

from __future__ import annotations

import base64
import binascii
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from services.api.domain.problems import conflict, invalid
from services.api.lookup import own_pipeline
from services.api.processing import process_page
from services.api.rest.access import changes
from services.api.rest.authentication import Caller
from services.api.rest.idempotency import RepeatableRoute
from services.api.rest.parameters import PipelineId

router = APIRouter(prefix="/pipelines", tags=["pipelines"], route_class=RepeatableRoute)


class Process(BaseModel):
    """Which objects: those of the trigger's bucket whose key begins with `prefix` (the trigger's directory if absent)
    and whose format the trigger takes."""

    model_config = ConfigDict(extra="forbid")

    prefix: str | None = Field(default=None, max_length=1024)
    limit: int = Field(default=100, ge=1, le=200, description="How many objects this call looks at, about.")
    cursor: str | None = Field(default=None, max_length=2000)
    again: bool = Field(default=False, description="Also those that were processed, as reruns of their ended runs.")


class ObjectOutcome(BaseModel):
    """What became of an object: `started` a run, is `known` (has a run), or is `skipped`, and why."""

    key: str
    outcome: Literal["started", "known", "skipped"]
    run_id: str | None
    reason: str | None


class ProcessPage(BaseModel):
    """Some objects. `cursor` leads to those after them; null at the end."""

    objects: list[ObjectOutcome]
    cursor: str | None


@router.post("/{pipeline_id}/process")
@changes("run")
async def process_prefix(caller: Caller, pipeline_id: PipelineId, wanted: Process) -> ProcessPage:
    """Starts runs for objects that lie under a prefix, page by page. The pipeline need not be enabled. An object gets
    the run that its upload would have started, so calling this again starts nothing twice."""
    pipeline = await own_pipeline(pipeline_id, caller)
    if pipeline is None:
        raise conflict("pipeline_deleted", f"the pipeline {pipeline_id} is deleted")
    prefix = (pipeline.trigger.dir if wanted.prefix is None else wanted.prefix).removeprefix("/")
    after = _read_cursor(wanted.cursor)
    found, behind = await process_page(pipeline, prefix, after, wanted.limit, caller, again=wanted.again)
    objects = [ObjectOutcome(key=one.key, outcome=one.outcome, run_id=one.run_id, reason=one.reason) for one in found]
    return ProcessPage(objects=objects, cursor=None if behind is None else _cursor(behind))


def _cursor(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode()


def _read_cursor(cursor: str | None) -> str:
    try:
        return base64.b64decode((cursor or "").encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise invalid("cursor", "is not a cursor of an earlier answer") from None
