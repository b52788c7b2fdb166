"""Events that are longer than a sink takes."""

from __future__ import annotations

from dataclasses import replace

import structlog

from services.notifier.domain.notice import Notice
from services.notifier.domain.short import shortened

log = structlog.get_logger(__name__)


def fitted(notice: Notice, most_bytes: int, sink: str) -> Notice:
    """The notice with its body, or with the short one if that is too long for the sink, which the log tells."""
    body = shortened(notice.body, most_bytes, sink)
    if len(body) != len(notice.body):
        log.warning("event sent without its results", delivery=notice.id, bytes=len(notice.body), sink=sink)
    return replace(notice, body=body)
