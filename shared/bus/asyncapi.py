"""The AsyncAPI 3.0 document of all topics, made by FastStream from the message models: `docs/reference/asyncapi.json`.

Upstream producers and downstream consumers depend on it, so it is checked in and a test compares. Write it anew with
`python -m shared.bus.asyncapi docs/reference/asyncapi.json`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from faststream.kafka import KafkaBroker
from faststream.specification import AsyncAPI

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
from shared.model.task import Lane


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
    specification = AsyncAPI(broker, title="Reelway", version="1", description="Topics between Reelway's services.")
    return json.dumps(json.loads(specification.to_specification().to_json()), indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(document())
