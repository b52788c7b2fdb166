"""Every crash point of the code. A new one belongs here; the fault suite then dies there."""

from __future__ import annotations

CRASH_POINTS = (
    "trigger.after_runs",
    "trigger.after_publish",
    "trigger.after_ledger",
    "scheduler.before_cas",
    "scheduler.after_cas",
    "scheduler.after_enqueue",
    "scheduler.after_publish",
    "scheduler.after_clear",
    "scheduler.after_signal",
    "worker.after_claim",
    "worker.after_early_upload",
    "worker.after_execute",
    "worker.after_register",
    "worker.after_upload",
    "worker.before_complete",
    "worker.after_complete",
    "notifier.after_deliveries",
    "notifier.before_send",
    "notifier.after_send",
    "notifier.after_record",
    "notifier.after_put_back",
)

ON_COMMANDS = frozenset({"scheduler.after_signal"})
"""Those that are passed only when somebody commands a run."""

ON_STREAMS = frozenset({"worker.after_early_upload"})
"""Those that are passed only by encodes that go on for a while: `test_streamed_segments.py` dies there."""

ON_REPLAYS = frozenset({"notifier.after_put_back"})
"""Those that are passed only when somebody has many deliveries sent again: `tests/integration/notifier/test_crashes.py`
dies there."""
