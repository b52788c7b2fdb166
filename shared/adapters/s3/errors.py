"""What botocore and aiohttp raise, in the words of the port."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from shared.ports.objects import (
    ObjectAccessDenied,
    ObjectChanged,
    ObjectError,
    ObjectNotFound,
    ObjectsUnavailable,
)

TRANSPORT_ERRORS: tuple[type[Exception], ...] = (
    boto.HTTPClientError,  # read timeouts, closed connections, broken bodies
    boto.ConnectionError,  # refused, unreachable, connect timeouts, TLS
    boto.IncompleteReadError,
    ResponseParserError,  # an answer that is not S3: a proxy's error page, a half-started server
    aiohttp.ClientError,  # a body that ends early is not wrapped by aiobotocore
)
_CREDENTIAL_ERRORS: tuple[type[Exception], ...] = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
)

_NOT_FOUND = frozenset({"404", "NoSuchKey", "NoSuchBucket", "NoSuchVersion", "NotFound"})
_DENIED = frozenset({"401", "403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"})
_TRANSIENT = frozenset(
    {
        "429",
        "BadDigest",  # damaged on the way
        "InternalError",
        "NoSuchUpload",  # our multipart upload was taken away: a new one may succeed
        "OperationAborted",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "TooManyRequests",
    }
)


@contextmanager
def translated(bucket: str, key: str = "") -> Iterator[None]:
    """Raises the port's error for whatever the S3 client raises inside; everything else passes, above all
    CancelledError and the OSError of a local file."""
    try:
        yield
    except boto.ClientError as error:
        raise _from_answer(error, bucket, key) from error
    except TRANSPORT_ERRORS as error:
        raise ObjectsUnavailable(f"object storage unreachable ({error})", bucket=bucket, key=key) from error
    except _CREDENTIAL_ERRORS as error:
        raise ObjectAccessDenied(f"no usable credentials ({error})", bucket=bucket, key=key) from error
    except boto.BotoCoreError as error:
        raise ObjectError(f"request not possible ({error})", bucket=bucket, key=key) from error


def _from_answer(error: boto.ClientError, bucket: str, key: str) -> ObjectError:
    """An answer with an error status. HEAD has no body, so its code is the bare status."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    kind, words = ObjectError, "object storage refused"
    if status == 412 or code in {"412", "PreconditionFailed"}:
        kind, words = ObjectChanged, "object was changed"
    elif status >= 500 or status == 429 or code in _TRANSIENT:
        kind, words = ObjectsUnavailable, "object storage failed"
    elif status == 404 or code in _NOT_FOUND:
        kind, words = ObjectNotFound, "not found"
    elif status in {401, 403} or code in _DENIED:
        kind, words = ObjectAccessDenied, "access denied"
    return kind(f"{words} ({error.operation_name}: {code or status})", bucket=bucket, key=key)
