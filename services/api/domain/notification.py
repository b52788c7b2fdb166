"""TaskNotifyConfig and Subscriptions into who is told (contract MPS_API §5.3; docs/reference/notifications.md)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import orjson

from services.api.domain.errors import invalid, missing
from shared.model.pipeline import INPUT, Notification, NotifyMode, Pipeline, SinkType
from shared.model.run import Run, RunEventType
from shared.mps.kinds import BY_ACTIVITY
from shared.mps.schedule import Subscription, TaskNotifyConfig
from shared.mps.secrets import HIDDEN, without_secrets

_QUEUE_TYPES = frozenset({"", "TDMQ-CMQ", "CMQ"})
_CMQ_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
_CMQ_REGION = re.compile(r"[a-z]{2,8}(-[a-z0-9]{2,16}){0,3}")
_SQS_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}|[A-Za-z0-9_-]{1,75}\.fifo")
_SQS_REGION = re.compile(r"[a-z]{2}(-[a-z]{2,10}){1,2}-[0-9]{1,2}")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MAX_URL = 2048
MAX_BYTES = 8192
"""Every run carries its subscriptions [OURS]."""
MAX_SUBSCRIPTIONS = 10
"""Beside TaskNotifyConfig [OURS]: each of them is a delivery per event."""


def read_notification(config: TaskNotifyConfig | None, field: str = "TaskNotifyConfig") -> Notification | None:
    """Who is told; None for nobody (absent, or a structure without members). Raises ApiError."""
    given = config.to_wire() if config else {}
    if config is None or not given:
        return None
    if len(orjson.dumps(given)) > MAX_BYTES:
        raise invalid(field, f"must take at most {MAX_BYTES} bytes")
    return Notification(
        mode=_mode(config, field), key=config.notify_key or None, as_given=given, **_place(config, field)
    )


def read_subscriptions(given: Sequence[Subscription] | None, field: str = "Subscriptions") -> tuple[Notification, ...]:
    """Those who are told beside TaskNotifyConfig, each with its own filter. Raises ApiError."""
    if len(given or ()) > MAX_SUBSCRIPTIONS:
        raise invalid(field, f"must have at most {MAX_SUBSCRIPTIONS} elements")
    found: dict[str, Notification] = {}
    for index, one in enumerate(given or ()):
        at = f"{field}[{index}]"
        name = one.name or ""
        if not _NAME.fullmatch(name) or name in {sink.value for sink in SinkType}:
            rule = "must have 1 to 64 letters, digits, '_' and '-', and be no NotifyType"
            raise invalid(f"{at}.Name", rule) if name else missing(f"{at}.Name", rule)
        if name in found:
            raise invalid(f"{at}.Name", f"there are two subscriptions named {name!r}")
        if not one.notify_type:
            raise missing(f"{at}.NotifyType", "is required")
        read = read_notification(one, at)
        if read is None:  # a name is a member
            raise missing(at, "must say who is told")
        found[name] = read.model_copy(update={"subscription": name, **_filter(one, read.mode, at)})
    return tuple(found.values())


def render_told(told: Pipeline | Run) -> dict[str, Any]:
    """`TaskNotifyConfig`, and `Subscriptions` if there are any: as they were given, but for keys of queues."""
    own = told.notification
    found: dict[str, Any] = {"TaskNotifyConfig": without_secrets(own.as_given) if own else None}
    if told.more_subscriptions:
        found["Subscriptions"] = [without_secrets(one.as_given) for one in told.more_subscriptions]
    return found


def _filter(one: Subscription, mode: NotifyMode, field: str) -> dict[str, Any]:
    if one.events is not None and one.notify_mode:
        raise invalid(f"{field}.Events", "goes without NotifyMode: both say when")
    if one.events is not None and not one.events:
        raise invalid(f"{field}.Events", "must not be empty: nothing would be told")
    known = {event.value for event in RunEventType}
    for index, event in enumerate(one.events or ()):
        if event not in known:
            raise invalid(f"{field}.Events[{index}]", f"must be one of {', '.join(sorted(known))}")
    if one.node_kinds is None:
        return {"events": None if one.events is None else tuple(dict.fromkeys(one.events))}
    of_nodes = mode is NotifyMode.CHANGE or any(event.startswith("node.") for event in one.events or ())
    if not of_nodes:
        raise invalid(f"{field}.NodeKinds", "narrows events of nodes, and none is asked for")
    return {
        "events": None if one.events is None else tuple(dict.fromkeys(one.events)),
        "kinds": tuple(dict.fromkeys(_kind(kind, f"{field}.NodeKinds[{i}]") for i, kind in enumerate(one.node_kinds))),
    }


def _kind(activity: str, field: str) -> str:
    if activity == INPUT:
        return INPUT
    found = BY_ACTIVITY.get(activity)
    if found is None:
        raise invalid(field, f"must be one of {INPUT}, {', '.join(sorted(BY_ACTIVITY))}")
    return found.kind


def _mode(config: TaskNotifyConfig, field: str) -> NotifyMode:
    try:
        return NotifyMode(config.notify_mode or NotifyMode.FINISH)
    except ValueError:
        raise invalid(f"{field}.NotifyMode", "must be Finish or Change") from None


def _place(config: TaskNotifyConfig, field: str) -> dict[str, Any]:
    match config.notify_type or "":
        case "URL":
            return {"sink": SinkType.HTTP, "target": _url(config, field)}
        case "AWS-SQS":
            return {"sink": SinkType.SQS, **_sqs(config, field)}
        case "SCF":
            return {"sink": SinkType.FUNCTION, "target": ""}
        case kind if kind in _QUEUE_TYPES:
            return {"sink": SinkType.QUEUE, **_queue(config, field)}
        case _:
            raise invalid(f"{field}.NotifyType", "must be URL, TDMQ-CMQ, CMQ, AWS-SQS or SCF")


def _url(config: TaskNotifyConfig, field: str) -> str:
    """Checks the form only; what the address is, is for `services.api.sinks` and for the notifier, at every call."""
    url = config.notify_url
    if not url:
        raise missing(f"{field}.NotifyUrl", "is required when NotifyType is URL")
    field = f"{field}.NotifyUrl"
    if len(url) > _MAX_URL:
        raise invalid(field, f"must have at most {_MAX_URL} characters")
    if not url.isprintable() or " " in url or "\\" in url:
        raise invalid(field, "must have no white space, control characters or backslashes")
    try:
        parts = urlsplit(url)
        port_is_good = parts.port != 0
    except ValueError:
        raise invalid(field, "is not a valid URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_good:
        raise invalid(field, "must be an http or https URL with a host")
    if "@" in parts.netloc:
        raise invalid(field, "must not carry credentials")
    return url


def _queue(config: TaskNotifyConfig, field: str) -> dict[str, Any]:
    model = config.cmq_model or ("Topic" if config.topic_name and not config.queue_name else "Queue")
    match model:
        case "Queue":
            member, name = "QueueName", config.queue_name
        case "Topic":
            member, name = "TopicName", config.topic_name
        case _:
            raise invalid(f"{field}.CmqModel", "must be Queue or Topic")
    if not name:
        raise missing(f"{field}.{member}", f"is required when CmqModel is {model}")
    if not _CMQ_NAME.fullmatch(name):
        raise invalid(f"{field}.{member}", "must have at most 64 letters, digits and '-', a letter first")
    region = config.cmq_region or ""
    if region and not _CMQ_REGION.fullmatch(region):
        raise invalid(f"{field}.CmqRegion", "must be a region, as in gz or sh")
    return {"target": name, "region": region, "topic": model == "Topic"}


def _sqs(config: TaskNotifyConfig, field: str) -> dict[str, Any]:
    queue = config.aws_sqs
    field = f"{field}.AwsSQS"
    if queue is None:
        raise missing(field, "is required when NotifyType is AWS-SQS")
    if not _SQS_NAME.fullmatch(queue.sqs_queue_name):
        raise invalid(f"{field}.SQSQueueName", "must have at most 80 letters, digits, '_' and '-'; .fifo may end it")
    if not _SQS_REGION.fullmatch(queue.sqs_region):
        raise invalid(f"{field}.SQSRegion", "must be a region of AWS, as in us-east-1")
    if queue.s3_secret_key == HIDDEN:
        raise invalid(f"{field}.S3SecretKey", "must be the key itself; answers show it hidden")
    if bool(queue.s3_secret_id) != bool(queue.s3_secret_key):
        absent = "S3SecretKey" if queue.s3_secret_id else "S3SecretId"
        raise missing(f"{field}.{absent}", "must be given with the other of the pair")
    return {
        "target": queue.sqs_queue_name,
        "region": queue.sqs_region,
        "access_id": queue.s3_secret_id or None,
        "access_key": queue.s3_secret_key or None,
    }
