"""The trace of what a call starts: found by the call's request id (W3C Trace Context)."""

from __future__ import annotations

import hashlib
import uuid


def traceparent(request_id: str) -> str:
    """`00-<trace>-<span>-01`; the trace is the request id without its dashes, if that is a UUID."""
    digest = hashlib.sha256(request_id.encode()).hexdigest()
    try:
        trace = uuid.UUID(request_id).hex
    except ValueError:
        trace = digest[:32]
    return f"00-{trace}-{digest[32:48]}-01"
