"""TaskNotifyConfig into a notification (contract MPS_API §5.3)."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import orjson

from services.api.domain.errors import invalid, missing, not_supported
from shared.model.pipeline import Notification, NotifyMode, SinkType
from shared.mps.schedule import TaskNotifyConfig

_QUEUE_TYPES = frozenset({"", "TDMQ-CMQ", "CMQ"})
_NOT_YET = frozenset({"SCF", "AWS-SQS"})
_CMQ_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
_MAX_URL = 2048
MAX_BYTES = 8192
"""Every run carries its notification [OURS]."""


def read_notification(config: TaskNotifyConfig | None, field: str = "TaskNotifyConfig") -> Notification | None:
    """Who is told; None for nobody (absent, or a structure without members). Raises ApiError."""
    given = config.to_wire() if config else {}
    if config is None or not given:
        return None
    if len(orjson.dumps(given)) > MAX_BYTES:
        raise invalid(field, f"must take at most {MAX_BYTES} bytes")
    kind = config.notify_type or ""
    if kind in _NOT_YET:
        raise not_supported(f"{field}.NotifyType ({kind})")
    if kind == "URL":
        sink, target = SinkType.HTTP, _url(config, field)
    elif kind in _QUEUE_TYPES:
        sink, target = SinkType.QUEUE, _queue(config, field)
    else:
        raise invalid(f"{field}.NotifyType", "must be URL, TDMQ-CMQ or CMQ")
    return Notification(
        sink=sink, mode=_mode(config, field), target=target, key=config.notify_key or None, as_given=given
    )


def _mode(config: TaskNotifyConfig, field: str) -> NotifyMode:
    try:
        return NotifyMode(config.notify_mode or NotifyMode.FINISH)
    except ValueError:
        raise invalid(f"{field}.NotifyMode", "must be Finish or Change") from None


def _url(config: TaskNotifyConfig, field: str) -> str:
    """Checks the form only; whether the address may be called is for the notifier, at every call."""
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


def _queue(config: TaskNotifyConfig, field: str) -> str:
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
    return name
