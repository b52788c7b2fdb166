"""Buckets: what there is, what lies in them, links to read and write an object without us, multipart uploads."""

from __future__ import annotations

import base64
import binascii
from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from services.api.dependencies import Context
from services.api.domain.problems import invalid
from services.api.own_buckets import checked_key, own_bucket, own_bucket_names, storage_answers
from services.api.rest.access import changes
from services.api.rest.authentication import Caller
from services.api.rest.parameters import Expires
from shared.model.base import Instant

router = APIRouter(prefix="/buckets", tags=["buckets"])
BucketName = Annotated[str, Path(max_length=63, description="The bucket's full name.")]
Key = Annotated[str, Field(min_length=1, max_length=1024, description="The object's key.")]
UploadId = Annotated[str, Field(min_length=1, max_length=1024)]
PART_BYTES = 16 * 1024**2
MIN_PART_BYTES = 5 * 1024**2
MAX_PARTS = 10_000
LINKS_AT_ONCE = 100


class _Wish(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Bucket(BaseModel):
    """A bucket that the caller may use."""

    name: str


class BucketList(BaseModel):
    """By name."""

    buckets: list[Bucket]


@router.get("")
async def list_buckets(caller: Caller) -> BucketList:
    """The buckets of the storage that the caller may use."""
    return BucketList(buckets=[Bucket(name=name) for name in await own_bucket_names(caller)])


class ObjectLine(BaseModel):
    """An object in a listing."""

    key: str
    size: int = Field(description="Bytes.")
    etag: str
    last_modified: Instant


class ObjectPage(BaseModel):
    """Some of what lies under a prefix. `cursor` leads to what is after it; null at the end."""

    objects: list[ObjectLine]
    folders: list[str] = Field(description="What several keys begin with, up to and with the delimiter.")
    cursor: str | None


class Browse(_Wish):
    """Which objects."""

    prefix: str = Field(default="", max_length=1024)
    delimiter: str = Field(default="/", max_length=10, description="Empty: everything below, no folders.")
    limit: int = Field(default=100, ge=1, le=1000)
    cursor: str | None = Field(default=None, max_length=4000)


@router.get("/{bucket}/objects")
async def list_objects(caller: Caller, bucket: BucketName, wanted: Annotated[Browse, Query()]) -> ObjectPage:
    """What lies in a bucket, folder by folder, in the storage's order."""
    own_bucket(bucket, caller)
    with storage_answers(bucket):
        page = await caller.deps.buckets.browse(
            bucket,
            wanted.prefix.removeprefix("/"),
            delimiter=wanted.delimiter,
            after=_read_cursor(wanted.cursor),
            limit=wanted.limit,
        )
    return ObjectPage(
        objects=[
            ObjectLine(key=one.key, size=one.size, etag=one.etag, last_modified=one.last_modified)
            for one in page.objects
        ],
        folders=list(page.folders),
        cursor=None if page.after is None else base64.urlsafe_b64encode(page.after.encode()).decode(),
    )


def _read_cursor(cursor: str | None) -> str | None:
    if cursor is None:
        return None
    try:
        return base64.b64decode(cursor.encode(), altchars=b"-_", validate=True).decode() or None
    except (binascii.Error, ValueError):
        raise invalid("cursor", "is not a cursor of an earlier answer") from None


class ObjectView(ObjectLine):
    """An object, and where anybody can read it until `expires_at`."""

    content_type: str
    url: str
    expires_at: Instant


@router.get("/{bucket}/object")
async def show_object(
    caller: Caller,
    bucket: BucketName,
    key: Annotated[str, Query(min_length=1, max_length=1024)],
    expires_s: Expires = 3600,
) -> ObjectView:
    """One object, with a link to read it."""
    own_bucket(bucket, caller)
    key = checked_key(key)
    with storage_answers(f"{bucket}/{key}"):
        info = await caller.deps.objects.head(bucket, key)
        url = await caller.deps.buckets.link_to_read(bucket, key, expires_s=expires_s)
    return ObjectView(
        key=key,
        size=info.size,
        etag=info.etag,
        last_modified=info.last_modified,
        content_type=info.content_type,
        url=url,
        expires_at=_in(expires_s, caller),
    )


class LinkWish(_Wish):
    """A link to one object: `get` reads it, `put` writes it whole (up to 5 GB; larger ones as a multipart upload)."""

    key: Key
    method: Literal["get", "put"] = "get"
    expires_s: int = Field(default=3600, ge=1, le=86_400, description="How many seconds it is good for.")


class ObjectLink(BaseModel):
    """Whoever has it needs no credential, until `expires_at`."""

    key: str
    method: Literal["GET", "PUT"]
    url: str
    expires_at: Instant


@router.post("/{bucket}/links")
@changes("bucket")
async def make_link(caller: Caller, bucket: BucketName, wish: LinkWish) -> ObjectLink:
    """A link to read or to write an object. What is written through it is an upload like any other."""
    own_bucket(bucket, caller)
    key = checked_key(wish.key)
    access = caller.deps.buckets
    with storage_answers(bucket):
        make = access.link_to_read if wish.method == "get" else access.link_to_write
        url = await make(bucket, key, expires_s=wish.expires_s)
    method: Literal["GET", "PUT"] = "GET" if wish.method == "get" else "PUT"
    return ObjectLink(key=key, method=method, url=url, expires_at=_in(wish.expires_s, caller))


class MultipartWish(_Wish):
    """A large object to come."""

    key: Key
    size: int | None = Field(default=None, ge=1, le=5 * 1024**4, description="Bytes, if known: decides `part_bytes`.")
    content_type: str = Field(default="application/octet-stream", max_length=200, pattern=r"^[\x20-\x7e]+$")


class MultipartBegun(BaseModel):
    """A multipart upload. Its parts have `part_bytes`, the last one what is left. One that is never completed is to be
    aborted: the storage keeps its parts."""

    key: str
    upload_id: str
    part_bytes: int


@router.post("/{bucket}/multipart", status_code=201)
@changes("bucket")
async def begin_multipart(caller: Caller, bucket: BucketName, wish: MultipartWish) -> MultipartBegun:
    """Begins a multipart upload."""
    own_bucket(bucket, caller)
    key = checked_key(wish.key)
    mib = 1024**2
    part_bytes = max(PART_BYTES, -(-(wish.size or 0) // MAX_PARTS // mib) * mib)
    with storage_answers(bucket):
        upload_id = await caller.deps.buckets.begin_upload(bucket, key, content_type=wish.content_type)
    return MultipartBegun(key=key, upload_id=upload_id, part_bytes=part_bytes)


class PartLinksWish(_Wish):
    """Links for some parts of an upload."""

    key: Key
    upload_id: UploadId
    parts: list[Annotated[int, Field(ge=1, le=MAX_PARTS)]] = Field(min_length=1, max_length=LINKS_AT_ONCE)
    expires_s: int = Field(default=3600, ge=1, le=86_400)


class PartLink(BaseModel):
    """Where to PUT one part. The answer's ETag is needed to complete the upload."""

    part: int
    url: str


class PartLinks(BaseModel):
    """In the order that was asked for."""

    links: list[PartLink]
    expires_at: Instant


@router.post("/{bucket}/multipart/links")
@changes("bucket")
async def make_part_links(caller: Caller, bucket: BucketName, wish: PartLinksWish) -> PartLinks:
    """Links to write parts."""
    own_bucket(bucket, caller)
    key = checked_key(wish.key)
    with storage_answers(bucket):
        links = [
            PartLink(
                part=number,
                url=await caller.deps.buckets.link_to_part(
                    bucket, key, wish.upload_id, number, expires_s=wish.expires_s
                ),
            )
            for number in wish.parts
        ]
    return PartLinks(links=links, expires_at=_in(wish.expires_s, caller))


class PartDone(_Wish):
    """A part that was written."""

    part: int = Field(ge=1, le=MAX_PARTS)
    etag: str = Field(min_length=1, max_length=200)


class PartLine(BaseModel):
    """A part that the storage has."""

    part: int
    etag: str
    size: int


class PartList(BaseModel):
    """In order."""

    parts: list[PartLine]


class WhichMultipart(_Wish):
    """An upload that was begun."""

    key: Key
    upload_id: UploadId


@router.get("/{bucket}/multipart/parts")
async def list_parts(caller: Caller, bucket: BucketName, which: Annotated[WhichMultipart, Query()]) -> PartList:
    """What has arrived, to go on with an upload that was interrupted."""
    own_bucket(bucket, caller)
    key = checked_key(which.key)
    with storage_answers(key):
        found = await caller.deps.buckets.parts(bucket, key, which.upload_id)
    return PartList(parts=[PartLine(part=one.number, etag=one.etag, size=one.size) for one in found])


class CompleteWish(WhichMultipart):
    """All parts of it."""

    parts: list[PartDone] = Field(min_length=1, max_length=MAX_PARTS)


class Completed(BaseModel):
    """The object that is there now."""

    key: str
    etag: str


@router.post("/{bucket}/multipart/complete")
@changes("bucket")
async def complete_multipart(caller: Caller, bucket: BucketName, wish: CompleteWish) -> Completed:
    """Makes the object of its parts."""
    own_bucket(bucket, caller)
    key = checked_key(wish.key)
    parts = sorted((one.part, one.etag) for one in wish.parts)
    if len({number for number, _ in parts}) < len(parts):
        raise invalid("parts", "must not name a part twice")
    with storage_answers(key):
        etag = await caller.deps.buckets.complete_upload(bucket, key, wish.upload_id, parts)
    return Completed(key=key, etag=etag)


@router.post("/{bucket}/multipart/abort", status_code=204)
@changes("bucket")
async def abort_multipart(caller: Caller, bucket: BucketName, wish: WhichMultipart) -> None:
    """Forgets an upload and its parts; fine if it is not there."""
    own_bucket(bucket, caller)
    key = checked_key(wish.key)
    with storage_answers(key):
        await caller.deps.buckets.abort_upload(bucket, key, wish.upload_id)


def _in(seconds: int, context: Context) -> Instant:
    return context.deps.clock.now() + timedelta(seconds=seconds)
