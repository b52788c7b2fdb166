"""What the object storage says about the places that a request names."""

from __future__ import annotations

from collections.abc import Iterable

from services.api.domain.errors import ApiError
from services.api.domain.fields import no_such_bucket
from services.api.domain.storage import BucketUse, InputPlace
from shared.model.task import MediaObject
from shared.ports.objects import ObjectAccessDenied, ObjectNotFound, ObjectStore


async def check_buckets(objects: ObjectStore, uses: Iterable[BucketUse]) -> None:
    """Returns if all exist. Raises ApiError naming the field, or ObjectsUnavailable."""
    seen: set[str] = set()
    for use in uses:
        if use.bucket in seen:
            continue
        seen.add(use.bucket)
        try:
            there = await objects.bucket_exists(use.bucket)
        except ObjectAccessDenied:
            raise _denied(use.field, use.bucket) from None
        if not there:
            raise no_such_bucket(use.bucket, use.field)


async def find_input(objects: ObjectStore, place: InputPlace) -> MediaObject:
    """The object that is there now, pinned. Raises ApiError naming the field, or ObjectsUnavailable."""
    bucket = place.bucket.bucket
    try:
        info = await objects.head(bucket, place.key)
    except ObjectAccessDenied:
        raise _denied(place.bucket.field, bucket) from None
    except ObjectNotFound:
        await check_buckets(objects, [place.bucket])
        raise ApiError(
            "InvalidParameterValue.SrcFile", f"{place.key_field}: there is no object {place.key[:300]!r} in {bucket}"
        ) from None
    return MediaObject(
        bucket=bucket,
        region=place.region,
        key=info.key,
        etag=info.etag,
        size=info.size,
        version_id=info.version_id,
        last_modified=info.last_modified,
    )


def _denied(field: str, bucket: str) -> ApiError:
    return ApiError("FailedOperation", f"{field}: the object storage refuses access to {bucket!r}")
