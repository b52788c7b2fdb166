"""SIGTERM in the middle of work: a worker ends its tasks within the grace period or gives them back, and is gone."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from shared.model.task import Task, TaskState
from tests.e2e.stack import Callbacks, raw_transcode, wait_for
from tests.fault.arranged import Arrangement
from tests.fault.rig import Rig, pid_of
from tests.fault.work import Work, looped_clip

pytestmark = [pytest.mark.timeout(400), pytest.mark.slow]

ENCODE = (raw_transcode(360),)
OUTPUT = {"_360.mp4": 1}
PATIENT_S, HASTY_S = 40, 1
"""The grace periods of the two workers: more than an encode takes, and less."""
STOP_S = 5 + 3
"""What a stop may take beside the grace period: its reserve (STOP_RESERVE_S), and what a loaded machine adds."""


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    def grace(seconds: int) -> dict[str, str]:
        return {
            "REELWAY_GRACE_S": str(seconds),
            "REELWAY_STOP_TIMEOUT_S": str(seconds + 6),
            # A long lease: whatever hangs on it would show.
            "REELWAY_LEASE_S": "120",
            "REELWAY_MEDIA_SLOTS": "2",
        }

    running = Rig(
        tmp_path_factory.mktemp("drain") / "data",
        arrangement=Arrangement(workers=2, env={"workers": grace(PATIENT_S), "workers-2": grace(HASTY_S)}),
    )
    try:
        running.start()
        yield running
    finally:
        running.stop()


def begin(rig: Rig, callbacks: Callbacks, name: str, source: Path) -> Work:
    """More encodes than the workers have slots for."""
    work = Work(rig, callbacks, name, ENCODE, OUTPUT)
    work.upload(5, source)
    work.wait_held("transcode", count=3, within_s=60)
    return work


def terminate(rig: Rig, work: Work, worker: str) -> tuple[list[Task], float]:
    """SIGTERM; returns the tasks that it held then, and how long it took to end."""
    pid = rig.worker_pids()[worker]
    wait_for("work", lambda: [t for t in rig.running("transcode") if pid_of(t) == pid], within_s=30)
    process = psutil.Process(pid)

    def at_work() -> dict[str, Task]:
        return {task.id: task for task in work.tasks() if task.state is TaskState.RUNNING and pid_of(task) == pid}

    before = at_work()
    began = time.monotonic()
    os.kill(pid, signal.SIGTERM)
    # What it gives back at once is among those before, what it had just claimed among those after.
    held = list((before | at_work()).values())
    wait_for("end of the worker", lambda: not process.is_running(), within_s=PATIENT_S + STOP_S + 10)
    took = time.monotonic() - began
    left = [task for task in rig.running("probe", "transcode") if pid_of(task) == pid]
    assert left == [], "a lease hangs on a process that is gone"
    return held, took


def now(work: Work, tasks: list[Task]) -> list[Task]:
    ids = {task.id for task in tasks}
    return [task for task in work.tasks() if task.id in ids]


def test_worker_with_time_ends_what_it_has_begun(rig: Rig, callbacks: Callbacks, tmp_path: Path) -> None:
    work = begin(rig, callbacks, "in-time", looped_clip(tmp_path, 2))
    held, took = terminate(rig, work, "workers")
    assert held
    assert took < PATIENT_S + STOP_S
    assert [(task.state, task.owner, task.fence) for task in now(work, held)] == [
        (TaskState.SUCCEEDED, task.owner, task.fence) for task in held
    ]
    work.check()
    assert {(task.fence, task.lost) for task in work.tasks()} == {(1, 0)}, "everything was done once"


def test_worker_without_time_gives_its_tasks_back(rig: Rig, callbacks: Callbacks, tmp_path: Path) -> None:
    rig.wait_healthy()
    work = begin(rig, callbacks, "given-back", looped_clip(tmp_path, 6))
    held, took = terminate(rig, work, "workers-2")
    assert held
    assert took < HASTY_S + STOP_S
    work.check()
    owners = {task.owner for task in held}
    given_back = [task for task in now(work, held) if task.owner not in owners]
    assert given_back, "encodes of this length do not end within the grace period"
    assert {(task.fence, task.lost, task.attempt) for task in given_back} == {(2, 0, 1)}, "no attempt is used up"
    others = [task for task in work.tasks() if task.id not in {task.id for task in given_back}]
    assert {(task.fence, task.lost) for task in others} == {(1, 0)}
