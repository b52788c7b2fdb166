"""Every collection, with its unique rules and the access paths that the services use."""

from __future__ import annotations

from shared.ports.state import CollectionSpec

PIPELINES = CollectionSpec(
    "pipelines",
    unique=(("tenant", "name"),),
    indexes=(("tenant", "created_at"), ("status", "trigger.bucket")),
)
PIPELINE_VERSIONS = CollectionSpec("pipeline_versions")
RUNS = CollectionSpec(
    "runs",
    indexes=(
        ("due_at",),
        ("notify_due_at",),
        ("tenant", "created_at"),
        ("tenant", "state", "created_at"),
        ("tenant", "session_id"),
        ("pipeline_id", "created_at"),
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
UPLOADS = CollectionSpec("uploads", indexes=(("observed",), ("bucket", "key")))
DELIVERIES = CollectionSpec("deliveries", indexes=(("state", "due_at"), ("run_id", "sequence")))
CREDENTIALS = CollectionSpec("credentials")
GATES = CollectionSpec("gates")
TEMPLATES = CollectionSpec("templates", indexes=(("tenant", "kind", "definition"),))

ALL = (PIPELINES, PIPELINE_VERSIONS, RUNS, TASKS, OUTPUTS, UPLOADS, DELIVERIES, CREDENTIALS, GATES, TEMPLATES)
