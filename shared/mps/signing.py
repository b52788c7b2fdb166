"""How notifications are signed: the contract's `Sign` (MPS_EVENTS §3) and Standard Webhooks headers.

`Sign` does not cover the body; the headers do. Both use the subscriber's NotifyKey and are made anew for every attempt.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

SIGN_VALID_FOR = timedelta(seconds=600)
"""How far ahead of the sending `Timestamp` lies: it is the expiry of the signature."""

_STANDARD_PREFIX = "whsec_"


def expiry(now: datetime) -> int:
    """`Timestamp` of an event sent now, in Unix seconds."""
    return int((now + SIGN_VALID_FOR).timestamp())


def sign(timestamp: int, notify_key: str) -> str:
    """`Sign` of an event: lower-case hex MD5 of Timestamp and NotifyKey."""
    # MD5 is what the contract says; the headers below are what really protects.
    return hashlib.md5(f"{timestamp}{notify_key}".encode(), usedforsecurity=False).hexdigest()


def webhook_headers(
    message_id: str, now: datetime, body: bytes, notify_key: str | Sequence[str] | None
) -> dict[str, str]:
    """Standard Webhooks headers for exactly this body. Without a key there is no signature, only id and time; with
    several, as while a secret is rotated, there is one signature each, the newest key's first.

    `message_id` is the same over all attempts and is what consumers deduplicate on.
    """
    timestamp = str(int(now.timestamp()))
    headers = {"webhook-id": message_id, "webhook-timestamp": timestamp}
    keys = (notify_key,) if isinstance(notify_key, str) else tuple(notify_key or ())
    if any(keys):
        signed = b".".join((message_id.encode(), timestamp.encode(), body))
        macs = (hmac.new(webhook_secret(key), signed, hashlib.sha256).digest() for key in keys if key)
        headers["webhook-signature"] = " ".join("v1," + base64.b64encode(mac).decode() for mac in macs)
    return headers


def masked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The same headers for a log: which signatures there were, not what they are."""
    shown = dict(headers)
    if given := shown.get("webhook-signature"):
        shown["webhook-signature"] = " ".join(f"{one.partition(',')[0]},***" for one in given.split(" "))
    return shown


def webhook_secret(notify_key: str) -> bytes:
    """The bytes of a NotifyKey as an HMAC key: Base64 after `whsec_` as the standard writes secrets, otherwise, and if
    that is no Base64, the text itself in UTF-8."""
    if notify_key.startswith(_STANDARD_PREFIX):
        try:
            return base64.b64decode(notify_key.removeprefix(_STANDARD_PREFIX), validate=True)
        except binascii.Error:
            pass
    return notify_key.encode()
