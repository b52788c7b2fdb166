"""The largest graph there may be, on the real stack: 1,000 nodes; hundreds are ready at once, and one waits for them.
It ends, nothing is done twice, the bus carries its news, and memory stays bounded."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from shared.model.graph import MAX_NODES, check_graph
from shared.model.pipeline import INPUT, OUTPUT, Node, Notification, NotifyMode, SinkType
from shared.model.run import NodeState, Run, RunState, new_run
from shared.model.task import MediaObject, OutputTarget
from tests.e2e.stack import Callbacks, wait_for
from tests.fault.rig import SHORT_LEASE, Rig

pytestmark = [pytest.mark.timeout(600), pytest.mark.slow]

MAX_RSS = 300_000_000
SERVICES = ("trigger", "scheduler", "workers", "notifier", "api")


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    running = Rig(tmp_path_factory.mktemp("large") / "data", env=SHORT_LEASE)
    try:
        running.start()
        yield running
    finally:
        running.stop()


def wide_and_deep() -> tuple[Node, ...]:
    """A fan of 499 into one join, from there a fan of 398, a join, a chain of 99: a thousand with input and output."""
    nodes: list[Node] = []

    def stage(count: int, following: int) -> None:
        after = len(nodes) + count
        nodes.extend([Node(kind="noop", successors=tuple(range(after, after + following)))] * count)

    nodes.append(Node(kind=INPUT, successors=tuple(range(1, 500))))
    widths = (499, 1, 398, *[1] * 100)
    for width, following in zip(widths, (*widths[1:], 1), strict=True):
        stage(width, following)
    nodes.append(Node(kind=OUTPUT))
    assert len(nodes) == MAX_NODES
    check_graph(nodes)
    return tuple(nodes)


def large_run(name: str, callbacks: Callbacks) -> Run:
    """Written as the trigger writes it; without an object that a probe would ask for."""
    return new_run(
        run_id=name,
        tenant="1",
        pipeline_id="large",
        pipeline_name="large",
        definition=1,
        nodes=wide_and_deep(),
        source=MediaObject(bucket="b", region="r", key="none", etag="none", size=0),
        target=OutputTarget(bucket="b", region="r", dir="/"),
        now=datetime.now(UTC),
        notification=Notification(sink=SinkType.HTTP, mode=NotifyMode.FINISH, target=callbacks.url),
        skip_probe=True,
    )


def test_a_thousand_nodes_end_once_each_though_a_worker_dies(rig: Rig, callbacks: Callbacks) -> None:
    run = large_run("large-1", callbacks)
    rig.state(lambda records: records.runs.insert(run))

    def now() -> Run:
        found = rig.state(lambda records: records.runs.get(run.id))
        assert found is not None
        return found

    def ended_nodes() -> int:
        return sum(node.state.final for node in now().node_runs)

    with rig.peak_rss(*SERVICES) as peaks:
        wait_for("a part of it", lambda: ended_nodes() > 150, within_s=240)
        os.kill(rig.pid("workers"), signal.SIGKILL)
        os.kill(rig.pid("scheduler"), signal.SIGKILL)
        done = wait_for("its end", lambda: (r := now()).state.final and r, within_s=400)
    assert done.state is RunState.SUCCEEDED
    assert {node.state for node in done.node_runs} == {NodeState.SUCCEEDED}
    tasks = rig.state(lambda records: records.tasks.find({"run_id": run.id}, limit=2000))
    assert len(tasks) == MAX_NODES - 2, "one task for each node between input and output"
    assert max(Counter(task.node for task in tasks).values()) == 1
    assert max(peaks.values()) < MAX_RSS, peaks

    wait_for("its notification", lambda: any(run.id in str(body) for _, body in callbacks.received), within_s=60)
