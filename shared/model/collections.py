"""Every collection, with its unique rules and the access paths that the services use."""

from __future__ import annotations

from shared.ports.state import CollectionSpec, Search

PIPELINES = CollectionSpec(
    "pipelines",
    unique=(("tenant", "name"),),
    indexes=(("tenant", "created_at"), ("status", "trigger.bucket")),
)
PIPELINE_VERSIONS = CollectionSpec("pipeline_versions")
RUN_SEARCH: Search = (
    "tenant",
    "created_at",
    "_id",
    "state",
    "pipeline_id",
    "pipeline_name",
    "input.bucket",
    "input.key",
)
"""The runs of a tenant, newest first, whatever they are searched by."""
RUNS = CollectionSpec(
    "runs",
    searches=(RUN_SEARCH,),
    indexes=(
        ("due_at",),
        ("notify_due_at",),
        ("tenant", "news_at"),
        ("tenant", "state", "created_at"),
        ("tenant", "session_id"),
    ),
)
TASKS = CollectionSpec(
    "tasks",
    indexes=(
        ("state", "lane", "tenant", "order"),
        ("state", "lease_until"),
        ("state", "worker"),
        ("state", "tenant"),
        ("state", "pipeline_id"),
        ("run_id",),
    ),
)
OUTPUTS = CollectionSpec("outputs", indexes=(("run_id",),))
UPLOAD_SEARCH: Search = ("bucket", "seen_at", "_id", "key", "outcome")
"""What arrived in a bucket, newest first."""
UPLOADS = CollectionSpec("uploads", indexes=(("observed",), ("bucket", "key")), searches=(UPLOAD_SEARCH,))
DELIVERY_SEARCH: Search = (
    "tenant",
    "created_at",
    "_id",
    "state",
    "pipeline_id",
    "sink",
    "subscription",
    "target",
    "test",
    "replay",
)
"""The deliveries of a tenant by their age, whatever they are searched by."""
DELIVERIES = CollectionSpec(
    "deliveries",
    indexes=(("state", "due_at"), ("run_id", "sequence"), ("forget_at",), ("state", "created_at")),
    searches=(DELIVERY_SEARCH,),
)
REPLAYS = CollectionSpec("replays", indexes=(("state", "due_at"), ("tenant", "created_at")))
KEY_RINGS = CollectionSpec("key_rings")
SINK_HEALTH = CollectionSpec("sink_health", indexes=(("tenant", "target"),))
CLOSED_SINKS = CollectionSpec("closed_sinks", indexes=(("tenant",),))
ATTEMPT_LOGS = CollectionSpec("attempt_logs")
CREDENTIALS = CollectionSpec("credentials", indexes=(("tenant", "created_at"),))
AUDIT_SEARCH: Search = ("tenant", "at", "_id", "action", "kind", "actor.secret_id", "objects", "outcome")
"""What was changed in a tenant, newest first."""
AUDIT = CollectionSpec("audit", searches=(AUDIT_SEARCH,))
WORKERS = CollectionSpec("workers")
SESSIONS = CollectionSpec("sessions", indexes=(("expires_at",),))
GATES = CollectionSpec("gates")
TEMPLATES = CollectionSpec("templates", indexes=(("tenant", "kind", "definition"),))
ANSWERS = CollectionSpec("answers", indexes=(("expires_at",),))
"""What callers who gave an Idempotency-Key were told."""
WORDS = CollectionSpec("words", indexes=(("tenant", "created_at"),))
PERSONS = CollectionSpec("persons", indexes=(("tenant", "created_at"),))
PHOTOS = CollectionSpec("photos")

ALL = (
    PIPELINES,
    PIPELINE_VERSIONS,
    RUNS,
    TASKS,
    OUTPUTS,
    UPLOADS,
    DELIVERIES,
    REPLAYS,
    KEY_RINGS,
    SINK_HEALTH,
    CLOSED_SINKS,
    ATTEMPT_LOGS,
    CREDENTIALS,
    AUDIT,
    WORKERS,
    SESSIONS,
    GATES,
    TEMPLATES,
    ANSWERS,
    WORDS,
    PERSONS,
    PHOTOS,
)
