"""Uploads: what happened to a file, and why nothing did."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from services.api.dependencies import Context
from services.api.domain.problems import Problem
from services.api.newest import beginning_with
from services.api.own_buckets import checked_key, own_bucket, storage_answers
from services.api.rest.authentication import Caller
from services.api.rest.parameters import created_range, read_mark
from services.api.uploads import (
    UploadListing,
    buckets_to_search,
    mark_of,
    newest_uploads,
    outcome_of,
    own_matches,
    own_upload,
    watching,
)
from shared.model.base import Instant
from shared.model.run import RunState
from shared.model.starting import media_object, refusal, run_id_for
from shared.model.task import MediaObject
from shared.model.upload import Outcome, Rule, UploadRecord, UploadSource
from shared.state.own_objects import writers

router = APIRouter(prefix="/uploads", tags=["uploads"])


class UploadLine(BaseModel):
    """An upload in a list. `reason` says why nothing started, for people; `outcome` for programs."""

    id: str
    bucket: str
    key: str
    seen_at: Instant
    seen_by: UploadSource
    outcome: Outcome
    reason: str | None
    run_ids: list[str] = Field(description="Of the caller's runs that it started.")


class UploadPage(BaseModel):
    """Some uploads. `cursor` leads to those after them; null at the end."""

    uploads: list[UploadLine]
    cursor: str | None


class PipelineVerdict(BaseModel):
    """What one pipeline made of an upload: a run, or the rule that it did not keep, and how."""

    pipeline_id: str
    pipeline_name: str
    run_id: str | None
    run_state: RunState | None
    rule: Rule | None
    reason: str | None


class UploadDetail(UploadLine):
    """An upload with every one of the caller's pipelines that watches, or watched, its bucket. `object` is null if the
    storage was not, or could not be, asked."""

    object: MediaObject | None
    pipelines: list[PipelineVerdict]


class UploadFilter(BaseModel):
    """Which uploads: by key, or by how it begins."""

    model_config = ConfigDict(extra="forbid")

    bucket: str | None = Field(default=None, max_length=63, description="Default: all that the caller may use.")
    key: str | None = Field(default=None, min_length=1, max_length=1024)
    key_prefix: str | None = Field(default=None, min_length=1, max_length=1024)
    outcome: Outcome | None = None
    seen_from: Instant | None = Field(default=None, alias="from", description="Seen at this moment or later.")
    seen_to: Instant | None = Field(default=None, alias="to", description="Seen before this moment.")
    limit: int = Field(default=20, ge=1, le=100)
    cursor: str | None = Field(default=None, max_length=1000)


@router.get("")
async def list_uploads(caller: Caller, wanted: Annotated[UploadFilter, Query()]) -> UploadPage:
    """What arrived in the caller's buckets, newest first."""
    where: dict[str, Any] = {}
    if wanted.key is not None:
        where["key"] = wanted.key.removeprefix("/")
    elif wanted.key_prefix is not None:
        where["key"] = beginning_with(wanted.key_prefix.removeprefix("/"))
    if wanted.outcome is not None:
        where["outcome"] = wanted.outcome.value
    listing = UploadListing(
        buckets=await buckets_to_search(wanted.bucket, caller),
        where=where,
        seen=created_range(wanted.seen_from, wanted.seen_to),
        limit=wanted.limit,
        after=read_mark(wanted.cursor),
    )
    found = await newest_uploads(listing, caller)
    page, more = found[: wanted.limit], len(found) > wanted.limit
    return UploadPage(
        uploads=[_line(record, caller) for record in page], cursor=mark_of(page[-1]).token() if more else None
    )


class Explanation(BaseModel):
    """What is there now, and what each of the caller's pipelines on the bucket makes of it. A verdict without rule and
    reason has started, or will start, the run that it names; `run_state` is null as long as it has not."""

    bucket: str
    key: str
    object: MediaObject | None = Field(description="Null: there is no such object.")
    written_by: str | None = Field(description="The run that wrote it. Outputs start nothing.")
    uploads: list[UploadLine] = Field(description="What the ledger has about this key, newest first, ten at most.")
    pipelines: list[PipelineVerdict]


@router.get("/explain")
async def explain_upload(
    caller: Caller,
    bucket: Annotated[str, Query(max_length=63)],
    key: Annotated[str, Query(min_length=1, max_length=1024)],
) -> Explanation:
    """Why a file starts something, or nothing, also if it was never noticed."""
    own_bucket(bucket, caller)
    key = checked_key(key)
    listing = UploadListing(buckets=[bucket], where={"key": key}, seen={}, limit=10, after=None)
    known = (await newest_uploads(listing, caller))[:10]
    explanation = Explanation(
        bucket=bucket,
        key=key,
        object=None,
        written_by=None,
        uploads=[_line(one, caller) for one in known],
        pipelines=[],
    )
    try:
        with storage_answers(f"{bucket}/{key}"):
            info = await caller.deps.objects.head(bucket, key)
    except Problem as problem:
        if problem.status == 404:
            return explanation
        raise
    pipelines = await watching(bucket, caller)
    [writer] = await writers(caller.deps.records, [info])
    region = pipelines[0].trigger.region if pipelines else ""
    lines = [
        PipelineVerdict(
            pipeline_id=one.id,
            pipeline_name=one.name,
            run_id=None if refused or writer else run_id_for(one, info),
            run_state=None,
            rule=refused.rule if refused else None,
            reason=str(refused) if refused else f"written by run {writer}" if writer else None,
        )
        for one in pipelines
        for refused in [refusal(one, info)]
    ]
    return explanation.model_copy(
        update={
            "object": media_object(info, region),
            "written_by": _own_writer(writer, caller),
            "pipelines": await _with_states(lines, caller),
        }
    )


@router.get("/{upload_id}")
async def show_upload(
    caller: Caller, upload_id: Annotated[str, Path(max_length=100, description="The upload's id.")]
) -> UploadDetail:
    """One upload, and what each of the caller's pipelines made of it."""
    record = await own_upload(upload_id, caller)
    pipelines = await watching(record.bucket, caller)
    lines = [
        PipelineVerdict(
            pipeline_id=line.pipeline_id,
            pipeline_name=line.pipeline_name,
            run_id=line.run_id,
            run_state=None,
            rule=line.rule,
            reason=line.reason,
        )
        for line in own_matches(record, pipelines, caller.tenant)
    ]
    return UploadDetail(
        **dict(_line(record, caller)), object=record.object, pipelines=await _with_states(lines, caller)
    )


async def _with_states(lines: list[PipelineVerdict], context: Context) -> list[PipelineVerdict]:
    """With how the runs stand that are named."""
    runs = await context.deps.records.runs.get_many([line.run_id for line in lines if line.run_id])
    states = {run.id: run.state for run in runs.values() if run.tenant == context.tenant}
    return [line.model_copy(update={"run_state": states.get(line.run_id or "")}) for line in lines]


def _line(record: UploadRecord, context: Context) -> UploadLine:
    outcome = outcome_of(record)
    mine = [line.run_id for line in record.matches if line.run_id and line.run_id.startswith(f"{context.tenant}-")]
    if outcome is Outcome.STARTED and not mine:
        # Of another tenant who shares the bucket: no business of this one's.
        outcome = Outcome.UNMATCHED
    reason = record.reason
    if outcome is Outcome.OWN_OUTPUT and _own_writer((reason or "").rpartition(" ")[2], context) is None:
        reason = "written by a run of Reelway"
    return UploadLine(
        id=record.id,
        bucket=record.bucket,
        key=record.key,
        seen_at=record.seen_at,
        seen_by=record.seen_by,
        outcome=outcome,
        reason=reason if outcome is not Outcome.UNMATCHED else "no pipeline matches",
        run_ids=mine,
    )


def _own_writer(run_id: str | None, context: Context) -> str | None:
    """Run ids begin with their tenant's (contract MPS_API §9)."""
    return run_id if run_id and run_id.startswith(f"{context.tenant}-") else None
