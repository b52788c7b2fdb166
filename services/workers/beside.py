"""Objects beside the source that a node's parameters name: found as they are now, and pinned."""

from __future__ import annotations

from services.workers.patience import patiently
from shared.model.failure import InternalError, InvalidInput
from shared.model.task import MediaObject
from shared.ports.objects import ObjectAccessDenied, ObjectError, ObjectNotFound, ObjectStore, ObjectsUnavailable


async def find_beside(
    objects: ObjectStore, bucket: str, key: str, *, limit_bytes: int, patience_s: float
) -> MediaObject:
    """The object, at most so large. Whose bucket it is was checked when the parameters were saved.

    Raises InvalidInput if it is not there, may not be read or is too large; waits while the storage is away.
    """
    try:
        info = await patiently(lambda: objects.head(bucket, key), patience_s)
    except ObjectNotFound as error:
        raise InvalidInput(f"there is no object {key} in {bucket}") from error
    except ObjectAccessDenied as error:
        raise InvalidInput(f"the storage denies access to {bucket}/{key}") from error
    except ObjectsUnavailable as error:
        raise InternalError("the object storage is unavailable") from error
    except ObjectError as error:
        raise InvalidInput(f"the storage refuses {bucket}/{key}: {error}") from error
    if info.size > limit_bytes:
        raise InvalidInput(f"{bucket}/{key} has {info.size} bytes, more than {limit_bytes}")
    return MediaObject(
        bucket=bucket,
        region="",
        key=key,
        etag=info.etag,
        size=info.size,
        version_id=info.version_id,
        last_modified=info.last_modified,
    )
