"""The peer's program: one task, and graphs of it as Celery's canvas.

Settings: what is acknowledged may not get lost (late acknowledgement, back to the queue when a worker dies), all else
as it comes. Signatures are immutable, so no results are handed on; chords need them stored.
"""

from __future__ import annotations

import os
import time
from typing import Any

from celery import Celery, chain, group

from tests.bench.graphs import Graph

app = Celery("peer", broker=os.environ["BENCH_REDIS"], backend=os.environ["BENCH_REDIS"])
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    broker_connection_retry_on_startup=True,
    # As long as our leases; its default is an hour.
    broker_transport_options={"visibility_timeout": 30},
    result_expires=3600,
    worker_hijack_root_logger=False,
)


@app.task
def noop(run: str, node: int, sleep_ms: int) -> tuple[str, int, float, float]:
    """Says when it began and when it ended."""
    began = time.time()
    if sleep_ms:
        time.sleep(sleep_ms / 1000)
    return run, node, began, time.time()


def canvas(graph: Graph, run: str) -> Any:
    """One run of a graph, not yet sent. Celery makes chords of the groups that something follows."""
    stages: list[Any] = []
    node = 0
    for count in graph.stages:
        tasks = [noop.si(run, node + number, graph.sleep_ms) for number in range(count)]
        stages.append(group(tasks) if count > 1 else tasks[0])
        node += count
    return chain(*stages) if len(stages) > 1 else stages[0]
