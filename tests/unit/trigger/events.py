"""Storage events in every shape of the contract (MPS_EVENTS §1), around one object."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, quote_plus

SHORT, APPID = "media", "1250000000"
BUCKET = f"{SHORT}-{APPID}"
Json = dict[str, Any]


def s3(key: str, name: str = "ObjectCreated:Put", /, **found: Any) -> Json:
    """AWS, as in an SQS body: the key is form-encoded, the event name has no prefix."""
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": "us-east-1",
                "eventTime": "2026-11-23T10:00:00.000Z",
                "eventName": name,
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "bucket": {"name": BUCKET, "arn": f"arn:aws:s3:::{BUCKET}"},
                    "object": {
                        "key": quote_plus(key, safe="/"),
                        "size": 3539987,
                        "eTag": "d41d8cd98f00b204e9800998ecf8427e",
                        "sequencer": "0055AED6DCD90281E5",
                    }
                    | found,
                },
            }
        ]
    }


def minio(key: str, name: str = "s3:ObjectCreated:Put") -> Json:
    """MinIO: the outer key is plain, the inner one encodes the slash too, the name has its prefix."""
    event = s3(key, name, key=quote_plus(key, safe=""))
    record = event["Records"][0] | {"eventSource": "minio:s3", "awsRegion": "", "eventVersion": "2.0"}
    return {"EventName": name, "Key": f"{BUCKET}/{key}", "Records": [record | {"source": {"host": "127.0.0.1"}}]}


def eventbridge(key: str, kind: str = "Object Created") -> Json:
    """EventBridge: nothing is encoded."""
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": kind,
        "source": "aws.s3",
        "time": "2026-11-23T10:00:00Z",
        "region": "us-east-1",
        "detail": {
            "version": "0",
            "bucket": {"name": BUCKET},
            "object": {
                "key": key,
                "size": 3539987,
                "etag": "d41d8cd98f00b204e9800998ecf8427e",
                "sequencer": "0055AED6DCD90281E5",
            },
            "reason": "PutObject",
        },
    }


def cos(key: str, name: str = "cos:ObjectCreated:Put", *, full_name: bool = False, bare: bool = False) -> Json:
    """COS: the key stands behind appid and bucket; old ones have it bare."""
    shown = BUCKET if full_name else SHORT
    return {
        "Records": [
            {
                "cos": {
                    "cosSchemaVersion": "1.0",
                    "cosNotificationId": "unkown",
                    "cosBucket": {"name": shown, "appid": APPID, "region": "gz", "cosRegion": "ap-guangzhou"},
                    "cosObject": {
                        "key": f"/{key}" if bare else f"/{APPID}/{SHORT}/{key}",
                        "size": 3539987,
                        "meta": {"ETag": '"D41D8CD98F00B204E9800998ECF8427E"'},
                    },
                },
                "event": {"eventName": name, "eventVersion": "1.0", "eventSource": "qcs::cos", "eventTime": 1795428000},
            }
        ]
    }


def own(key: str) -> Json:
    """Our own upload.created."""
    return {"bucket": BUCKET, "key": key, "etag": "d41d8cd98f00b204e9800998ecf8427e", "size": 3539987}


def sns(event: Json) -> Json:
    """Through SNS: the record is a text in Message."""
    return {"Type": "Notification", "MessageId": "22b8", "TopicArn": "arn:aws:sns:x", "Message": json.dumps(event)}


def sns_record(event: Json) -> Json:
    """SNS in front of a function."""
    return {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": json.dumps(event)}}]}


def cloudevent(event: Json) -> Json:
    """CloudEvents 1.0, structured mode."""
    return {"specversion": "1.0", "id": "1", "source": "/x", "type": "x", "data": event}


SHAPES = {
    "s3": s3,
    "s3 percent space": lambda key: s3(key, key=quote(key)),
    "minio": minio,
    "eventbridge": eventbridge,
    "cos": cos,
    "cos with the full name": lambda key: cos(key, full_name=True),
    "cos bare key": lambda key: cos(key, bare=True),
    "own": own,
    "sns": lambda key: sns(s3(key)),
    "sns record": lambda key: sns_record(s3(key)),
    "sns of minio": lambda key: sns(minio(key)),
    "cloudevent of ours": lambda key: cloudevent(own(key)),
    "cloudevent of s3": lambda key: cloudevent(s3(key)),
    "cloudevent of cos record": lambda key: cloudevent(cos(key)["Records"][0]),
    "cloudevent of eventbridge": lambda key: cloudevent(eventbridge(key)),
    "sns of a cloudevent": lambda key: sns(cloudevent(s3(key))),
}


def as_bytes(event: Json) -> bytes:
    """The value of a Kafka record."""
    return json.dumps(event).encode()
