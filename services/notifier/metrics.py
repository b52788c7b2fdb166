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
OLDEST = Gauge("reelway_delivery_oldest_pending_seconds", "Age of the oldest delivery that is not final")
SINKS = Gauge("reelway_sinks", "Sinks by how the newest attempt went", ["state"])
REPLAYED = Counter("reelway_deliveries_replayed_total", "Deliveries put back by replays", ["sink"])
FORGOTTEN = Counter("reelway_deliveries_forgotten_total", "Deliveries taken out of the log after their time")
CLOSED = Counter("reelway_sinks_closed_total", "Sinks that answered 410 and are told nothing more", ["sink"])
