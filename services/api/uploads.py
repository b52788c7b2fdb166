"""What happened to a file: the ledger of uploads, as one tenant may see it, and what would happen to one now."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.api.dependencies import Context
from services.api.domain.problems import invalid, not_found
from services.api.domain.tasks import Mark
from services.api.own_buckets import may_use, own_bucket_names
from shared.concurrency import gather_to_end
from shared.model.base import instant_text
from shared.model.collections import UPLOAD_SEARCH
from shared.model.pipeline import Pipeline, PipelineStatus
from shared.model.upload import Match, Outcome, Rule, UploadRecord
from shared.ports.state import Order

MAX_BUCKETS = 100
"""Looked through by one search that names none."""
MAX_PIPELINES = 10_000
_ORDER = (("seen_at", Order.DESC), ("_id", Order.DESC))


@dataclass(frozen=True, slots=True)
class UploadListing:
    """Which uploads. `where` is about key and outcome, `seen` the range of `seen_at`."""

    buckets: Sequence[str]
    where: Mapping[str, Any]
    seen: Mapping[str, str]
    limit: int
    after: Mark | None


async def buckets_to_search(bucket: str | None, context: Context) -> list[str]:
    """The one that was named, or all that the caller may use. Raises Problem 404, and 422 for too many."""
    if bucket is not None:
        if not may_use(bucket, context.tenant):
            raise not_found("bucket", bucket)
        return [bucket]
    names = await own_bucket_names(context)
    if len(names) > MAX_BUCKETS:
        raise invalid("bucket", f"must be given: there are more than {MAX_BUCKETS} buckets")
    return names


async def newest_uploads(listing: UploadListing, context: Context) -> list[UploadRecord]:
    """A page of uploads, newest first over all buckets, and one more to know whether there is another page."""
    pages = await gather_to_end(*(_of_bucket(bucket, listing, context) for bucket in listing.buckets))
    newest = heapq.merge(*pages, key=lambda one: (one.seen_at, one.id), reverse=True)
    return [one for one, _ in zip(newest, range(listing.limit + 1), strict=False)]


async def _of_bucket(bucket: str, listing: UploadListing, context: Context) -> list[UploadRecord]:
    uploads, wanted = context.deps.records.uploads, listing.limit + 1
    where = {"bucket": bucket, **listing.where}
    seen = dict(listing.seen)
    found: list[UploadRecord] = []
    if (mark := listing.after) is not None:
        twins = {**where, "seen_at": mark.created_at, "_id": {"$lt": mark.run_id}}
        found = await uploads.find(twins, sort=_ORDER, limit=wanted, by=UPLOAD_SEARCH)
        seen["$lt"] = min(mark.created_at, seen.get("$lt", mark.created_at))
    if len(found) < wanted:
        rest = {**where, "seen_at": seen} if seen else where
        found += await uploads.find(rest, sort=_ORDER, limit=wanted - len(found), by=UPLOAD_SEARCH)
    return found


def mark_of(record: UploadRecord) -> Mark:
    """The mark of a page that ends with this upload."""
    return Mark(instant_text(record.seen_at), record.id)


async def own_upload(upload_id: str, context: Context) -> UploadRecord:
    """Raises Problem 404."""
    record = await context.deps.records.uploads.get(upload_id)
    if record is None or not may_use(record.bucket, context.tenant):
        raise not_found("upload", upload_id)
    return record


async def watching(bucket: str, context: Context) -> list[Pipeline]:
    """The caller's pipelines on a bucket, whatever their status."""
    found: list[Pipeline] = []
    for status in PipelineStatus:
        where = {"status": status.value, "trigger.bucket": bucket}
        found += await context.deps.records.pipelines.find(where, limit=MAX_PIPELINES)
    return sorted((one for one in found if one.tenant == context.tenant), key=lambda one: one.name)


def own_matches(record: UploadRecord, pipelines: Sequence[Pipeline], tenant: str) -> list[Match]:
    """What the tenant's pipelines made of an upload: those that looked at it, and then those that are there now and did
    not, because they were not enabled when it came. `pipelines` are the tenant's on this bucket."""
    mine = {one.id for one in pipelines}
    lines = [line for line in record.matches if line.tenant == tenant or line.pipeline_id in mine]
    looked = {line.pipeline_id for line in record.matches}
    if record.outcome in (Outcome.OWN_OUTPUT, Outcome.GONE, Outcome.DENIED):
        return lines
    return lines + [
        Match(
            pipeline_id=one.id,
            pipeline_name=one.name,
            tenant=tenant,
            rule=Rule.DISABLED,
            reason="the pipeline was not enabled when the upload was seen",
        )
        for one in pipelines
        if one.id not in looked
    ]


def outcome_of(record: UploadRecord) -> Outcome:
    """Of the entry; those of earlier versions say it in their reasons only."""
    if record.outcome is not None:
        return record.outcome
    reason = record.reason or ""
    if any(line.run_id for line in record.matches):
        return Outcome.STARTED
    if reason.startswith("written by run"):
        return Outcome.OWN_OUTPUT
    if record.matches:
        return Outcome.UNMATCHED
    if "does not exist" in reason:
        return Outcome.GONE
    return Outcome.DENIED if "refuses" in reason else Outcome.UNWATCHED
