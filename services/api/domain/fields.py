"""Rules of single fields: names, directories, formats, buckets, moments (contract MPS_API §4, §5, [SEED])."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from services.api.domain.errors import ApiError, invalid

MAX_NAME = 128
MAX_NODE_NAME = 64
MAX_DIR = 512
NEVER = "0000-00-00T00:00:00Z"
"""How a moment that has not come is written (contract §1)."""
EARLIEST = datetime.min.replace(tzinfo=UTC)
LATEST = datetime.max.replace(tzinfo=UTC) - timedelta(days=1)
"""Moments of callers are held within these; one day is left for arithmetic."""

_HAN = "\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_NAME = re.compile(f"[{_HAN}A-Za-z0-9_-]{{1,{MAX_NAME}}}")
_NODE_NAME = re.compile(f"[{_HAN}A-Za-z_][{_HAN}A-Za-z0-9_]{{0,{MAX_NODE_NAME - 1}}}")
_FORMAT = re.compile(r"[A-Za-z0-9]{1,64}")
_REGION = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_S3_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_APP_ID_AT_END = re.compile(r"-(?P<app_id>[0-9]{6,20})\Z")
_COS_BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{0,49}-(?P<app_id>\d{1,20})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

VIDEO_FORMATS = (
    "mp4",
    "ts",
    "flv",
    "wmv",
    "asf",
    "rm",
    "rmvb",
    "mpg",
    "mpeg",
    "3gp",
    "mov",
    "webm",
    "mkv",
    "avi",
    "m4v",
)
AUDIO_FORMATS = ("mp3", "m4a", "flac", "ogg", "wav", "amr", "aac")
SUBTITLE_FORMATS = ("vtt", "srt")
BUILT_IN_FORMATS = VIDEO_FORMATS + AUDIO_FORMATS + SUBTITLE_FORMATS
"""What a COS trigger takes when it names no formats (contract §5.1)."""


def check_name(name: str, field: str = "ScheduleName") -> str:
    """1 to 128 Chinese characters, Latin letters, digits, `_` and `-`. Raises ApiError `.Name`."""
    if not _NAME.fullmatch(name):
        rule = f"1 to {MAX_NAME} Chinese characters, Latin letters, digits, '_' and '-'"
        raise invalid(field, f"must have {rule}", "Name")
    return name


def check_node_name(name: str, field: str) -> str:
    """A name that expressions can call: no digit first and no `-`. Raises ApiError."""
    if not _NODE_NAME.fullmatch(name):
        rule = f"1 to {MAX_NODE_NAME} Chinese characters, Latin letters, digits and '_', no digit first"
        raise invalid(field, f"must have {rule}")
    return name


def normalise_dir(text: str, field: str) -> str:
    """A directory that begins and ends with `/`. A missing leading slash is added. Raises ApiError."""
    if not text.endswith("/"):
        raise invalid(field, "must end with '/'")
    found = text if text.startswith("/") else f"/{text}"
    if len(found) > MAX_DIR:
        raise invalid(field, f"must have at most {MAX_DIR} characters")
    if _CONTROL.search(found) or "\\" in found:
        raise invalid(field, "must have no control characters and no backslashes")
    if "//" in found:
        raise invalid(field, "must not have '//'")
    if {".", ".."} & set(found.split("/")):
        raise invalid(field, "must not have '.' or '..' as a part")
    return found


def normalise_formats(
    formats: Sequence[str] | None, field: str, default: tuple[str, ...] | None
) -> tuple[str, ...] | None:
    """Lower-case extensions without a dot; None for every file. Absent and empty mean `default`. Raises ApiError."""
    if not formats:
        return default
    found: dict[str, None] = {}
    every = False
    for index, text in enumerate(formats):
        bare = text.removeprefix(".")
        if bare == "*":
            every = True
        elif _FORMAT.fullmatch(bare):
            found[bare.lower()] = None
        else:
            raise invalid(
                f"{field}[{index}]", "must be '*' or 1 to 64 letters and digits, with or without a leading dot"
            )
    return None if every else tuple(found)


def check_region(region: str, field: str) -> str:
    """A region's name. Raises ApiError."""
    if not _REGION.fullmatch(region):
        raise invalid(field, "must be a region such as ap-guangzhou")
    return region


def check_cos_bucket(bucket: str, field: str, tenant: str) -> str:
    """`<name>-<appid>` of the caller's own. Raises ApiError `ResourceNotFound.CosBucket…`."""
    found = _COS_BUCKET.fullmatch(bucket)
    if found is None:
        rule = "must be <name>-<appid> of lower-case letters, digits and '-'"
        raise ApiError("ResourceNotFound.CosBucketNameInvalid", f"{field}: {rule}")
    if found["app_id"] != tenant:
        raise no_such_bucket(bucket, field)
    return bucket


def check_s3_bucket(bucket: str, field: str, tenant: str) -> str:
    """An S3 bucket's name. Raises ApiError `ResourceNotFound.CosBucket…`.

    The COS and the S3 spelling name the same buckets: one that ends like another tenant's app id (`-` and 6 to 20
    digits) is not the caller's. Any other name is open to every tenant until a table says who owns it [OURS].
    """
    if not _S3_BUCKET.fullmatch(bucket) or ".." in bucket:
        rule = "must have 3 to 63 lower-case letters, digits, '.' and '-'"
        raise ApiError("ResourceNotFound.CosBucketNameInvalid", f"{field}: {rule}")
    owner = _APP_ID_AT_END.search(bucket)
    if owner is not None and owner["app_id"] != tenant:
        raise no_such_bucket(bucket, field)
    return bucket


def no_such_bucket(bucket: str, field: str) -> ApiError:
    """The refusal for a bucket that is not there, or not the caller's."""
    return ApiError("ResourceNotFound.CosBucketNotExist", f"{field}: the bucket {bucket!r} does not exist")


def normalise_key(path: str, field: str) -> str:
    """An object's key from its path, the leading slash taken off. Raises ApiError."""
    key = path.removeprefix("/")
    if not key or key.endswith("/"):
        raise invalid(field, "must name an object, not a directory")
    if len(key.encode("utf-8", "replace")) > 1024:
        raise invalid(field, "must have at most 1024 bytes")
    return key


def read_moment(text: str, field: str) -> datetime:
    """An ISO 8601 moment with a zone, held between EARLIEST and LATEST: callers write 9999 for "no end" and year 1 for
    "from the beginning", in any zone. Raises ApiError."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise invalid(field, "must be an ISO 8601 moment such as 2026-11-23T10:00:00Z")
    try:
        return min(found.astimezone(UTC), LATEST)
    except OverflowError:
        return EARLIEST if found.year == EARLIEST.year else LATEST


def moment_text(moment: datetime | None) -> str:
    """`YYYY-MM-DDThh:mm:ssZ`, zeros for a moment that has not come."""
    return NEVER if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
