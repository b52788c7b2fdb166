"""What the API measures."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

CALLS = Counter("reelway_api_calls_total", "Calls of the MPS face by action and code", ["action", "code"])
CALL_SECONDS = Histogram(
    "reelway_api_call_seconds",
    "Time that an authenticated call took",
    ["action"],
    buckets=(0.002, 0.005, 0.02, 0.1, 0.5, 2, 10, 30),
)
OK = "OK"
UNKNOWN_ACTION = "unknown"
"""The label of calls whose action was not found or not looked for."""
REST_CALLS = Counter(
    "reelway_rest_calls_total", "Calls of the REST interface by handler and status", ["call", "status"]
)
REST_SECONDS = Histogram(
    "reelway_rest_call_seconds",
    "Time that a call of the REST interface took",
    buckets=(0.002, 0.005, 0.02, 0.1, 0.5, 2, 10, 30),
)
