"""Storage events of every shape, made one (contract MPS_EVENTS §1).

Understood: AWS S3 (direct, through SNS, through EventBridge), MinIO, COS, CloudEvents in structured mode around any of
these, and our own `upload.created`. Events that tell of no new object (removals, test events) give no uploads.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus

import orjson

from shared.messages.codec import MessageError
from shared.model.upload import Upload

Json = dict[str, Any]
MAX_WRAPPERS = 4


def normalise(body: bytes) -> list[Upload]:
    """The uploads that a message tells of, in its order. Raises MessageError that says what is missing."""
    try:
        event = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MessageError(f"not JSON: {error}") from error
    if not isinstance(event, dict):
        raise MessageError("an upload event is a JSON object")
    try:
        return _unwrap(event, MAX_WRAPPERS)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        what = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) and error.args else str(error)
        raise MessageError(f"an upload event without what it needs: {what}") from error


def _unwrap(event: Json, depth: int) -> list[Upload]:
    if depth == 0:
        raise MessageError("an upload event wrapped too often")
    if isinstance(event.get("Records"), list):
        return [upload for record in event["Records"] for upload in _record(record, depth)]
    if event.get("Event") == "s3:TestEvent":
        return []
    if event.get("Type") == "Notification" and isinstance(event.get("Message"), str):
        return _unwrap(_object(orjson.loads(event["Message"])), depth - 1)
    if "detail-type" in event:
        return _eventbridge(event)
    if "specversion" in event:
        return _unwrap(_object(event["data"]), depth - 1)
    if "bucket" in event and "key" in event:
        return [_own(event)]
    if isinstance(event.get("cos"), dict):
        return _cos(event)
    raise MessageError("not an upload event of a known shape (S3, SNS, EventBridge, MinIO, COS, CloudEvents, ours)")


def _object(value: object) -> Json:
    if not isinstance(value, dict):
        raise MessageError("a wrapped event is not a JSON object")
    return value


def _record(record: object, depth: int) -> list[Upload]:
    record = _object(record)
    if "cos" in record:
        return _cos(record)
    if "Sns" in record:
        return _unwrap(_object(orjson.loads(record["Sns"]["Message"])), depth - 1)
    return _s3(record)


def _s3(record: Json) -> list[Upload]:
    """AWS and MinIO: the key is form-encoded (`+` is a space); MinIO also encodes `/`."""
    name = str(record["eventName"]).removeprefix("s3:")
    if not name.startswith("ObjectCreated"):
        return []
    bucket, found = record["s3"]["bucket"], record["s3"]["object"]
    return [
        _upload(
            source="minio" if record.get("eventSource") == "minio:s3" else "s3",
            bucket=bucket["name"],
            key=unquote_plus(found["key"], errors="strict"),
            region=record.get("awsRegion") or None,
            size=found.get("size"),
            etag=found.get("eTag"),
            version_id=found.get("versionId"),
            sequencer=found.get("sequencer"),
            event_name=name,
            event_time=record.get("eventTime"),
        )
    ]


def _eventbridge(event: Json) -> list[Upload]:
    """The key is not encoded here."""
    if event["detail-type"] != "Object Created":
        return []
    detail = event["detail"]
    found = detail["object"]
    return [
        _upload(
            source="eventbridge",
            bucket=detail["bucket"]["name"],
            key=found["key"],
            region=event.get("region"),
            size=found.get("size"),
            etag=found.get("etag"),
            version_id=found.get("version-id"),
            sequencer=found.get("sequencer"),
            event_name=detail.get("reason", "Object Created"),
            event_time=event.get("time"),
        )
    ]


def _cos(record: Json) -> list[Upload]:
    """The key stands as `/<appid>/<bucket>/<key>` (old ones: `/<key>`), the bucket without its appid."""
    name = str(record["event"]["eventName"]).removeprefix("cos:")
    if not name.startswith("ObjectCreated"):
        return []
    bucket, found = record["cos"]["cosBucket"], record["cos"]["cosObject"]
    appid, short = str(bucket["appid"]), str(bucket["name"])
    full = short if short.endswith(f"-{appid}") else f"{short}-{appid}"
    key = str(found["key"])
    for spelling in (short, short.removesuffix(f"-{appid}"), full):
        prefix = f"/{appid}/{spelling}/"
        if key.startswith(prefix):
            key = key[len(prefix) :]
            break
    region = bucket.get("cosRegion") or bucket.get("s3Region")
    return [
        _upload(
            source="cos",
            bucket=full,
            key=key,
            region=region,
            size=found.get("size"),
            etag=(found.get("meta") or {}).get("ETag"),
            version_id=found.get("versionId"),
            sequencer=None,
            event_name=name,
            event_time=record["event"].get("eventTime"),
        )
    ]


def _own(event: Json) -> Upload:
    return _upload(
        source="reelway",
        bucket=event["bucket"],
        key=event["key"],
        region=event.get("region"),
        size=event.get("size"),
        etag=event.get("etag"),
        version_id=event.get("version_id"),
        sequencer=None,
        event_name="ObjectCreated",
        event_time=event.get("at"),
    )


def _upload(**members: Any) -> Upload:
    bucket, key = members["bucket"], members["key"]
    if not isinstance(bucket, str) or not bucket:
        raise MessageError("bucket: must be a text and not empty")
    if not isinstance(key, str) or not key.strip("/"):
        raise MessageError("key: must be a text and not empty")
    convert: dict[str, Callable[[Any], Any]] = {
        "size": int,
        "etag": lambda value: str(value).strip('"').lower(),
        "version_id": str,
        "sequencer": str,
        "event_time": _time,
    }
    for name, turn in convert.items():
        if members[name] not in (None, ""):
            members[name] = turn(members[name])
        else:
            members[name] = None
    if members["version_id"] == "null":
        members["version_id"] = None
    members["key"] = key.removeprefix("/")
    return Upload(**members)


def _time(value: Any) -> datetime:
    """Unix seconds or ISO 8601; an ISO time without zone is UTC."""
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    parsed = datetime.fromisoformat(str(value))
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
