"""A notification as a CloudEvent 1.0: the attributes that go with it as headers. Pure."""

from __future__ import annotations

from services.notifier.domain.notice import Notice
from shared.model.base import instant_text
from shared.mps.signing import webhook_headers

EVENT_TYPE = "reelway.notification.v1"
SOURCE = "/reelway/notifier"


def headers(notice: Notice, prefix: str) -> dict[str, str]:
    """Attributes with the prefix of the binding (`ce_` in Kafka, `ce-` in HTTP), the content type, and the same
    signature as of a callback."""
    found = {
        f"{prefix}specversion": "1.0",
        f"{prefix}id": notice.id,
        f"{prefix}type": EVENT_TYPE,
        f"{prefix}source": SOURCE,
        f"{prefix}time": instant_text(notice.at),
        f"{prefix}subject": notice.run_id,
        "content-type": "application/json",
        **webhook_headers(notice.id, notice.at, notice.body, notice.key),
    }
    if notice.traceparent:
        found["traceparent"] = notice.traceparent
    return found
