"""Every metric Reelway exports, in one place, with its labels."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

MESSAGES = Counter("reelway_messages_total", "Messages taken from the bus", ["service", "topic", "outcome"])
PUBLISHED = Counter("reelway_published_total", "Messages acknowledged by the bus", ["service", "topic"])
BUS_SESSIONS = Counter("reelway_bus_sessions_total", "Times the bus was (re)joined", ["service"])
UPLOADS = Counter("reelway_uploads_total", "Uploads by what became of them", ["outcome"])
RUNS_STARTED = Counter("reelway_runs_started_total", "Runs written", ["source"])
RUNS_ENDED = Counter("reelway_runs_ended_total", "Runs that became final", ["state"])
TRANSITIONS = Counter("reelway_transitions_total", "Run documents written", ["outcome"])
SWEPT = Counter("reelway_swept_total", "Documents a sweeper had to act on", ["service", "what"])
TASKS = Counter("reelway_tasks_total", "Task attempts by outcome", ["lane", "kind", "outcome"])
TASK_SECONDS = Histogram(
    "reelway_task_seconds", "Time from claim to completion", ["kind"], buckets=(0.05, 0.2, 1, 5, 20, 60, 300, 1800)
)
SLOTS_BUSY = Gauge("reelway_slots_busy", "Slots in use", ["lane"])
LEASES_LOST = Counter("reelway_leases_lost_total", "Leases that ran out or were taken away", ["service"])
