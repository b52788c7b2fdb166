"""TC3-HMAC-SHA256: how calls of Tencent Cloud's APIs are signed (contract MPS_API §2.1). Pure."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime

CONTENT_TYPE = "application/json"
_SIGNED = "content-type;host"


def signed_headers(
    *, service: str, host: str, body: bytes, secret_id: str, secret_key: str, now: datetime
) -> dict[str, str]:
    """`Authorization`, `X-TC-Timestamp` and what they cover, for a POST of JSON to `/`."""
    moment = now.astimezone(UTC)
    timestamp, date = str(int(moment.timestamp())), moment.strftime("%Y-%m-%d")
    scope = f"{date}/{service}/tc3_request"
    covered = f"content-type:{CONTENT_TYPE}\nhost:{host}\n"
    canonical = "\n".join(("POST", "/", "", covered, _SIGNED, hashlib.sha256(body).hexdigest()))
    text = "\n".join(("TC3-HMAC-SHA256", timestamp, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"TC3{secret_key}".encode()
    for part in (date, service, "tc3_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    return {
        "Content-Type": CONTENT_TYPE,
        "Host": host,
        "X-TC-Timestamp": timestamp,
        "Authorization": (
            f"TC3-HMAC-SHA256 Credential={secret_id}/{scope}, SignedHeaders={_SIGNED}, Signature={signature}"
        ),
    }
