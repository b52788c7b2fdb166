"""Messages to and from bytes: JSON values, CloudEvents 1.0 names in the headers."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, TypeVar

from pydantic import ValidationError

from shared.errors import ReelwayError
from shared.messages.messages import Message
from shared.model.base import instant_text

M = TypeVar("M", bound=Message)


class MessageError(ReelwayError):
    """A message that cannot be understood: not JSON, or not of the shape that the topic carries."""

    code: ClassVar[str] = "message"


def encode(message: Message) -> bytes:
    """The value of a Kafka record."""
    return message.model_dump_json(exclude_none=True).encode()


def headers(message: Message, *, source: str, now: datetime) -> dict[str, str]:
    """CloudEvents 1.0 headers (Kafka protocol binding, binary mode) and the W3C trace parent if there is one."""
    found = {
        "ce_specversion": "1.0",
        "ce_id": message.message_id,
        "ce_type": message.kind,
        "ce_source": f"/reelway/{source}",
        "ce_time": instant_text(now),
        "ce_subject": message.subject,
        "content-type": "application/json",
    }
    traceparent = getattr(message, "traceparent", None)
    if traceparent:
        found["traceparent"] = traceparent
    return found


def decode(model: type[M], body: bytes) -> M:
    """Reads one message. Raises MessageError that names the field and the rule."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "message"
        raise MessageError(f"{model.kind}: {place}: {first['msg']}") from error
