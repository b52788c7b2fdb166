"""What is sent in place of an event that is longer than a sink takes (contract MPS_EVENTS §2). Pure."""

from __future__ import annotations

from typing import Any

import orjson

TOO_LONG = "the event is too long for the {sink}: call DescribeTaskDetail for the results"


def shortened(body: bytes, most_bytes: int, sink: str) -> bytes:
    """The event itself if it fits; else the same envelope without results, saying in `Message` where they are, and
    without metadata too if need be. `sink` is what it is too long for, in words."""
    if len(body) <= most_bytes:
        return body
    why = TOO_LONG.format(sink=sink)
    event: dict[str, Any] = orjson.loads(body)
    task = event[f"{event['EventType']}Event"]
    task["Message"] = f"{task['Message'][:1000]}; {why}" if task["Message"] else why
    for member in task:
        if member.endswith("ResultSet"):
            task[member] = []
        elif member.endswith("TaskResult"):
            task[member] = [] if isinstance(task[member], list) else None
    short = orjson.dumps(event)
    if len(short) > most_bytes:  # thousands of streams
        task["MetaData"] = None
        short = orjson.dumps(event)
    return short
