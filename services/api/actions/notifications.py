"""ParseNotification."""

from __future__ import annotations

from typing import Any

from services.api.dependencies import Context
from services.api.domain.parse_notification import parse_notification
from shared.mps.base import MpsModel


class ParseNotificationRequest(MpsModel):
    """ParseNotification: the text of a notification as it came."""

    content: str


async def answer_notification(request: ParseNotificationRequest, context: Context) -> dict[str, Any]:
    """The notification as a structure; it is not compared with anything that is stored."""
    del context
    return parse_notification(request.content)
