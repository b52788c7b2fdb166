"""The machine's clock jumps by minutes, forward and back, in the middle of runs: no lease is lost, no timer, no run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.model.run import NodeState, Run
from tests.e2e.stack import Callbacks, raw_transcode, wait_for
from tests.fault.rig import Rig, pid_of
from tests.fault.s3_proxy import Fault, Refuse, Request, no_faults
from tests.fault.work import Work, looped_clip

pytestmark = [pytest.mark.timeout(400), pytest.mark.slow]

JUMP_S = 240
"""Eight leases. Less than five minutes, for the SDK's signature must still hold when the API's clock has jumped."""
ENCODE = (raw_transcode(360),)
OUTPUT = {"_360.mp4": 1}


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    running = Rig(
        tmp_path_factory.mktemp("clock") / "data",
        # An attempt gives up on the storage quickly, so that retries can be had.
        env={"REELWAY_STORAGE_PATIENCE_S": "0.5"},
        through_proxy=True,
    )
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture(autouse=True)
def _right_afterwards(rig: Rig) -> Iterator[None]:
    rig.wait_healthy()
    yield
    rig.put_clock_off(0)


def let_pass(seconds: float) -> None:
    """Time for sweeps to do what they would do wrong."""
    began = time.monotonic()
    wait_for("time to pass", lambda: time.monotonic() - began > seconds, within_s=seconds + 5)


def test_clock_jumps_there_and_back_while_encoders_are_at_work(rig: Rig, callbacks: Callbacks, tmp_path: Path) -> None:
    work = Work(rig, callbacks, "encoders", ENCODE, OUTPUT)
    work.upload(3, looped_clip(tmp_path, 4))
    held = work.wait_held("transcode", count=2)
    for offset in (JUMP_S, 0, -JUMP_S, JUMP_S, 0):
        rig.put_clock_off(offset)
        let_pass(2)
    work.check()
    assert {(task.attempt, task.fence, task.lost) for task in work.tasks()} == {(1, 1, 0)}, "everything was done once"
    after = {task.id: task.owner for task in work.tasks()}
    assert all(after[task.id] == task.owner for task in held)
    assert rig.log("scheduler").count("clock has jumped") >= 3


def fail_gets_of(key: str, rig: Rig) -> None:
    """The storage refuses this one object."""

    def plan(request: Request) -> Fault | None:
        return Refuse(503, "SlowDown") if request.method == "GET" and key in request.path else None

    rig.proxy.plan = plan


def waiting(work: Work) -> Run | None:
    return next((run for run in work.runs() if any(node.state is NodeState.WAITING for node in run.node_runs)), None)


@pytest.mark.parametrize(("before", "after"), [(0, JUMP_S), (JUMP_S, 0), (0, -JUMP_S)])
def test_clock_jumps_while_a_retry_waits(rig: Rig, callbacks: Callbacks, before: float, after: float) -> None:
    name = f"retry-{before}-{after}".replace("--", "-back-")
    work = Work(rig, callbacks, name, ENCODE, OUTPUT)
    rig.put_clock_off(before)
    fail_gets_of(f"{name}/clip-0.mp4", rig)
    try:
        work.upload()
        wait_for("a retry that waits", lambda: waiting(work), within_s=60)
        rig.put_clock_off(after)
    finally:
        rig.proxy.plan = no_faults
    began = time.monotonic()
    work.check()
    assert time.monotonic() - began < JUMP_S * 0.75, "the retry has waited for the clock"
    assert max(task.attempt for task in work.tasks()) >= 2


@pytest.mark.long
def test_clock_jumps_back_and_the_bus_is_lost(rig: Rig, callbacks: Callbacks) -> None:
    """Only timers are left, and they were set four minutes ahead."""
    work = Work(rig, callbacks, "no-news", ENCODE, OUTPUT)
    rig.put_clock_off(JUMP_S)
    work.upload(3)
    (task, *_) = work.wait_held("transcode")
    old = rig.kill("broker")
    rig.put_clock_off(0)
    rig.wait_restarted("broker", old)
    began = time.monotonic()
    work.check()
    assert time.monotonic() - began < JUMP_S * 0.75, "somebody has waited for the clock"
    assert pid_of(task) == rig.pid("workers")
