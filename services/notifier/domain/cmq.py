"""Calls of CMQ's HTTP API (`Action=SendMessage` to a queue, `Action=PublishMessage` to a topic) and their signature.

The signature is that of Tencent's older APIs: HMAC over method, host, path and the sorted parameters as they are,
in Base64. Pure.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlencode, urlsplit

DEFAULT_PATH = "/v2/index.php"


def endpoint_of(template: str, *, region: str, topic: bool) -> str:
    """The URL to POST to: `{model}` and `{region}` filled in, and CMQ's path if there is none."""
    url = template.replace("{model}", "topic" if topic else "queue").replace("{region}", region)
    return url if urlsplit(url).path not in ("", "/") else url.rstrip("/") + DEFAULT_PATH


def signed_form(
    url: str, params: Mapping[str, str], *, secret_id: str, secret_key: str, now: datetime, nonce: int
) -> bytes:
    """The form to POST: the parameters, the common ones, and the signature of all."""
    parts = urlsplit(url)
    signed = {
        **params,
        "Timestamp": str(int(now.timestamp())),
        "Nonce": str(nonce),
        "SecretId": secret_id,
        "SignatureMethod": "HmacSHA256",
    }
    listed = "&".join(f"{name}={signed[name]}" for name in sorted(signed))
    text = f"POST{parts.netloc}{parts.path}?{listed}"
    signature = base64.b64encode(hmac.digest(secret_key.encode(), text.encode(), "sha256")).decode()
    return urlencode({**signed, "Signature": signature}).encode()
