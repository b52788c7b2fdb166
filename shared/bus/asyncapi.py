"""The AsyncAPI 3.0 document of all topics, made by FastStream from the message models: `docs/reference/asyncapi.json`.

Upstream producers and downstream consumers depend on it, so it is checked in and a test compares. Write it anew with
`python -m shared.bus.asyncapi docs/reference/asyncapi.json`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from faststream.kafka import KafkaBroker
from faststream.specification import AsyncAPI
from pydantic import BaseModel, ConfigDict, Field

from shared.messages.messages import (
    DeadLetter,
    Message,
    RunChanged,
    RunRequested,
    TaskEnded,
    TaskReady,
    UploadCreated,
)
from shared.messages.topics import Topics
from shared.model.pipeline import TaskType
from shared.model.task import Lane

NOTIFY = (
    "Notifications of subscriptions of kind TDMQ-CMQ (CMQ), one topic for each queue name. The value is what an HTTP "
    "callback gets. Key: run id. Those of one run are in the order of its events; one may come more than once, with "
    "the same `webhook-id`."
)
EVENT_HEADERS = {
    "ce_specversion": "CloudEvents: 1.0",
    "ce_id": "CloudEvents: the same for every repetition of the message",
    "ce_type": "CloudEvents: what kind of message it is, with its version",
    "ce_source": "CloudEvents: which service sent it",
    "ce_time": "CloudEvents: when, RFC 3339",
    "ce_subject": "CloudEvents: what it is about, the run in most cases",
    "traceparent": "W3C Trace Context, where there is one",
}
SIGNATURE_HEADERS = {
    "webhook-id": "Standard Webhooks: the delivery's id, the same over all attempts and replays",
    "webhook-timestamp": "Standard Webhooks: Unix seconds of this attempt",
    "webhook-signature": "Standard Webhooks: `v1,` and Base64 of HMAC-SHA256 over id.timestamp.value; two of them, "
    "separated by a space, while a secret is rotated; absent if the subscription has no NotifyKey",
}


class Notified(BaseModel):
    """The event of the contract (MPS_EVENTS), as the official SDK's ParseNotificationResponse reads it."""

    model_config = ConfigDict(extra="forbid")

    EventType: TaskType = Field(description="Which of the two events is there.")
    ScheduleTaskEvent: dict[str, Any] | None = Field(
        default=None, description="The task as DescribeTaskDetail tells it, its `ScheduleTask`."
    )
    WorkflowTaskEvent: dict[str, Any] | None = Field(
        default=None, description="The task as DescribeTaskDetail tells it, its `WorkflowTask`."
    )
    SessionId: str
    SessionContext: str
    Timestamp: int | None = Field(default=None, description="Unix seconds until when `Sign` is valid.")
    Sign: str | None = Field(default=None, description="MD5 of Timestamp and NotifyKey, lower-case hex.")


def topic_table(topics: Topics) -> list[tuple[str, type[Message], str]]:
    """Every topic with fixed content: name, message, what it carries."""
    return [
        (
            topics.uploads,
            UploadCreated,
            "An object was created. Key: bucket/key. Also taken as they are: events of AWS S3 (direct, SNS, "
            "EventBridge), MinIO, COS, and CloudEvents around any of these.",
        ),
        (topics.runs, RunRequested, "A run was written and wants to begin. Key: run id."),
        *(
            (topics.tasks(lane), TaskReady, f"Doorbell: a task of lane {lane.value} is queued. Key: task id.")
            for lane in Lane
        ),
        (topics.task_events, TaskEnded, "A task is final. Key: run id."),
        (topics.run_events, RunChanged, "Public history of runs, numbered without holes per run. Key: run id."),
        (topics.dead_letters, DeadLetter, "What could not be understood, with the reason. Key: as it came."),
    ]


def document() -> str:
    """The document as indented JSON."""
    broker = KafkaBroker("localhost:9092")
    for name, message, carries in topic_table(Topics()):
        broker.publisher(name, schema=message, title=name, description=carries)
    queue = Topics().notify("{queue}")
    broker.publisher(queue, schema=Notified, title=queue, description=NOTIFY)
    specification = AsyncAPI(broker, title="Reelway", version="1", description="Topics between Reelway's services.")
    found = json.loads(specification.to_specification().to_json())
    channel = found["channels"][queue]
    channel["parameters"] = {"queue": {"description": "`QueueName` or `TopicName` of the subscription."}}
    for name, message in found["components"]["messages"].items():
        if name.startswith(f"{queue}:"):
            message["headers"] = _headers(signed=True)
            message["contentType"] = "application/json"
        else:
            message["headers"] = _headers(signed=False)
    return json.dumps(found, indent=2, sort_keys=True) + "\n"


def _headers(*, signed: bool) -> dict[str, Any]:
    """What every message has beside its value, in the words of JSON Schema."""
    told = {**EVENT_HEADERS, **(SIGNATURE_HEADERS if signed else {})}
    return {
        "type": "object",
        "properties": {name: {"type": "string", "description": what} for name, what in told.items()},
    }


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(document())
