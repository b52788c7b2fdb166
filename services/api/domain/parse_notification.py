"""Texts of notifications into their structure (contract MPS_EVENTS §3, §8). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from services.api.domain.errors import ApiError, invalid
from services.api.domain.wire import within_depth

EVENTS: Mapping[str, str] = {
    "WorkflowTask": "WorkflowTaskEvent",
    "EditMediaTask": "EditMediaTaskEvent",
    "ScheduleTask": "ScheduleTaskEvent",
    "BatchTask": "BatchTaskEvent",
    "ExtractBlindWatermark": "ExtractBlindWatermarkTask",
}
"""The member that an event of each type carries its task in."""
_LABELS: Mapping[str, type] = {"SessionId": str, "SessionContext": str, "Timestamp": int, "Sign": str}


def parse_notification(content: str) -> dict[str, Any]:
    """The members of ParseNotification's answer, as they stand in the text; members that the contract does not know at
    the top are left out. Raises ApiError `.InvalidContent`."""
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise _refused(f"must be the JSON text of a notification: {error}") from None
    if not isinstance(found, dict):
        raise _refused("must be a JSON object")
    try:
        found = within_depth(found)
    except ApiError as error:
        raise _refused(error.message) from None
    kind = found.get("EventType")
    if not isinstance(kind, str) or kind not in EVENTS:
        raise _refused(f"EventType must be one of {', '.join(EVENTS)}")
    if not isinstance(found.get(EVENTS[kind]), dict):
        raise _refused(f"{EVENTS[kind]} is required when EventType is {kind}")
    for member, wanted in _LABELS.items():
        value = found.get(member)
        if value is not None and (not isinstance(value, wanted) or isinstance(value, bool)):
            raise _refused(f"{member} must be {'a number' if wanted is int else 'a text'}")
    kept = ("EventType", EVENTS[kind], *_LABELS)
    return {member: found[member] for member in kept if member in found}


def _refused(rule: str) -> ApiError:
    return invalid("Content", rule, "InvalidContent")
