"""What the notifier measures."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

ATTEMPTS = Counter("reelway_delivery_attempts_total", "Attempts at deliveries", ["sink", "outcome"])
ATTEMPT_SECONDS = Histogram(
    "reelway_delivery_attempt_seconds",
    "Time that one attempt took",
    ["sink"],
    buckets=(0.005, 0.02, 0.05, 0.1, 0.5, 1, 5, 10),
)
DELIVERY_SECONDS = Histogram(
    "reelway_delivery_seconds",
    "Time from the making of a delivery to its acceptance",
    ["sink"],
    buckets=(0.02, 0.1, 0.5, 2, 10, 60, 600, 3600, 21600, 86400),
)
DELIVERIES = Gauge("reelway_deliveries", "Deliveries that are not delivered", ["state"])
MADE = Counter("reelway_deliveries_made_total", "Deliveries written", ["sink", "by"])
DEFERRED = Counter("reelway_deliveries_deferred_total", "Deliveries put off because their lane was busy", ["why"])
