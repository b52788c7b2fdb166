"""Which buckets a tenant may use, and what the storage's refusals mean to the caller."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from services.api.dependencies import Context
from services.api.domain.errors import ApiError
from services.api.domain.fields import check_s3_bucket, normalise_key
from services.api.domain.problems import Problem, conflict, invalid, not_found
from shared.ports.objects import ObjectAccessDenied, ObjectError, ObjectNotFound, ObjectsUnavailable


def may_use(bucket: str, tenant: str) -> bool:
    """By the rule that pipelines keep to: a name that ends with another tenant's app id is not ours."""
    try:
        check_s3_bucket(bucket, "bucket", tenant)
    except ApiError:
        return False
    return True


def own_bucket(bucket: str, context: Context) -> str:
    """The bucket. Raises Problem 404 for another tenant's, as for one that is not there."""
    if not may_use(bucket, context.tenant):
        raise not_found("bucket", bucket)
    return bucket


async def own_bucket_names(context: Context) -> list[str]:
    """Those that the storage lists and the caller may use."""
    with storage_answers("*"):
        found = await context.deps.buckets.list_buckets()
    return [name for name in found if may_use(name, context.tenant)]


def checked_key(key: str, field: str = "key") -> str:
    """An object's key, without a slash at its beginning. Raises Problem 422."""
    if any(char < " " or char == "\x7f" for char in key):
        raise invalid(field, "must have no control characters")
    try:
        return normalise_key(key, field)
    except ApiError as error:
        raise invalid(field, str(error).removeprefix(f"{field}: ")) from None


@contextmanager
def storage_answers(what: str) -> Iterator[None]:
    """Around a question to the storage: its refusals are the caller's business. An unreachable storage passes."""
    try:
        yield
    except ObjectNotFound as error:
        raise not_found("object" if error.key else "bucket", what) from error
    except ObjectAccessDenied as error:
        raise Problem(403, "storage_denied", f"the object storage refuses access to {what[:300]!r}") from error
    except ObjectsUnavailable:
        raise
    except ObjectError as error:
        raise conflict("storage_refused", f"the object storage refuses this: {error}"[:500]) from error
