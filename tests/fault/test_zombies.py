"""A worker that stands still beyond its lease and then goes on: others did its work, and it changes nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from shared.model.task import Task
from tests.e2e.stack import Callbacks, raw_transcode, wait_for
from tests.fault.arranged import Arrangement
from tests.fault.rig import SHORT_LEASE, Rig, freeze, pid_of, thaw, with_children
from tests.fault.work import Work, looped_clip

pytestmark = [pytest.mark.timeout(400), pytest.mark.slow]

ENCODE = (raw_transcode(360),)
OUTPUT = {"_360.mp4": 1}


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    one_task_each = {"REELWAY_MEDIA_SLOTS": "1"}
    running = Rig(
        tmp_path_factory.mktemp("zombies") / "data",
        env={**SHORT_LEASE, **one_task_each},
        arrangement=Arrangement(workers=2),
        through_proxy=True,
    )
    try:
        running.start()
        yield running
    finally:
        running.stop()


def taken_over(work: Work, lost: Task) -> Task:
    """The task as it stands when another process has claimed it."""

    def look() -> Task | None:
        (now,) = [task for task in work.tasks() if task.id == lost.id]
        return now if now.fence > lost.fence else None

    return wait_for("takeover", look, within_s=40)


def assert_powerless(work: Work, lost: Task, zombie: list[psutil.Process]) -> None:
    """The run has ended without the zombie; now it wakes, and nothing changes: no request to the storage that writes,
    no write to the task, nothing left of it but the worker itself."""
    rig = work.rig
    (before,) = [task for task in work.tasks() if task.id == lost.id]
    assert before.owner != lost.owner
    assert (before.lost, before.attempt) == (1, 1)
    requests = len(rig.proxy.log)
    name = next(name for name, pid in rig.worker_pids().items() if pid == zombie[0].pid)
    said = len(rig.log(name))
    thaw(zombie)
    wait_for("end of the zombie's attempt", lambda: ended_attempt(rig.log(name)[said:], lost), within_s=40)
    wait_for("end of its children", lambda: len(with_children(zombie[0].pid)) == 1, within_s=20)
    assert zombie[0].is_running(), "the zombie goes on as a worker"
    assert [r for r in rig.proxy.log[requests:] if r.writes] == []
    (after,) = [task for task in work.tasks() if task.id == lost.id]
    assert after == before


def ended_attempt(log: str, task: Task) -> bool:
    """Whether the worker says that its attempt came to nothing."""
    lines = [line for line in log.splitlines() if '"task ended"' in line and task.run_id in line]
    return any(re.search(r'"outcome":"(lost|cancelled)"', line) for line in lines)


def test_worker_paused_in_the_middle_of_an_encode_beyond_its_lease(
    rig: Rig, callbacks: Callbacks, tmp_path: Path
) -> None:
    work = Work(rig, callbacks, "paused", ENCODE, OUTPUT)
    work.upload(source=looped_clip(tmp_path, 4))
    (task,) = work.wait_held("transcode")
    zombie = freeze(pid_of(task))
    taken_over(work, task)
    work.wait_ended()
    assert_powerless(work, task, zombie)
    work.check()


@pytest.mark.parametrize(
    "point",
    [
        "worker.after_claim",
        "worker.after_execute",
        "worker.after_register",
        "worker.after_upload",
        "worker.before_complete",
    ],
)
def test_worker_stopped_between_two_effects(rig: Rig, callbacks: Callbacks, point: str) -> None:
    rig.wait_healthy()
    work = Work(rig, callbacks, "stopped-" + point.rpartition(".")[2].replace("_", "-"), ENCODE, OUTPUT)
    if point == "worker.after_claim":
        rig.arm(point, "STOP")
    work.upload()
    if point != "worker.after_claim":
        work.wait_held("transcode")  # the probe, which writes nothing, has passed
        rig.arm(point, "STOP")
    zombie = wait_for(f"stop at {point}", lambda: stopped_worker(rig), within_s=40)
    assert rig.reached(point)
    (lost,) = [task for task in rig.running("probe", "transcode") if pid_of(task) == zombie.pid]
    taken_over(work, lost)
    work.wait_ended()
    assert_powerless(work, lost, [zombie])
    work.check()


def test_worker_stopped_before_it_could_tell_of_its_result(rig: Rig, callbacks: Callbacks) -> None:
    """Nobody takes over what is done: the sweeper finds it, and the late announcement changes nothing."""
    rig.wait_healthy()
    work = Work(rig, callbacks, "stopped-after-complete", ENCODE, OUTPUT)
    work.upload()
    (task,) = work.wait_held("transcode")
    rig.arm("worker.after_complete", "STOP")
    zombie = wait_for("stop", lambda: stopped_worker(rig), within_s=40)
    (run,) = work.wait_ended()
    thaw([zombie])
    wait_for("late announcement", lambda: announced(rig, task), within_s=30)
    rig.wait_healthy()
    (same,) = work.check()
    assert same.history == run.history
    (after,) = [found for found in work.tasks() if found.id == task.id]
    assert (after.owner, after.fence, after.lost) == (task.owner, 1, 0)


def stopped_worker(rig: Rig) -> psutil.Process | None:
    """The worker that stands still."""
    processes = [psutil.Process(pid) for pid in rig.worker_pids().values()]
    return next((process for process in processes if process.status() == psutil.STATUS_STOPPED), None)


def announced(rig: Rig, task: Task) -> bool:
    """Whether the worker has gone past telling the scheduler."""
    logs = "".join(rig.log(name) for name in rig.worker_pids())
    return any(task.run_id in line and '"outcome":"succeeded"' in line for line in logs.splitlines())
