"""A process dies at each named crash point once; the run ends right all the same (DESIGN §11).

The table in `crash_points.py` holds every `fault_point` name in the code: `tests/unit/test_architecture.py` fails on a
name without a case.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.e2e.stack import Callbacks, Stack, raw_transcode, snapshots_at, wait_for
from tests.fault.crash_points import CRASH_POINTS, ON_COMMANDS, ON_REPLAYS, ON_STREAMS

pytestmark = [pytest.mark.timeout(400), pytest.mark.slow]

SHORT = ("trigger.after_publish", "scheduler.after_cas", "worker.before_complete", "notifier.after_send")
"""One of each service, for the short form on another bus."""


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("faults")


@pytest.fixture(scope="module")
def stack(faults: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    running = Stack(tmp_path_factory.mktemp("fault-stack"), env={"REELWAY_FAULT_DIR": str(faults)})
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def callbacks() -> Iterator[Callbacks]:
    server = Callbacks()
    yield server
    server.close()


@pytest.mark.parametrize(
    "point",
    [
        pytest.param(point, marks=pytest.mark.short if point in SHORT else ())
        for point in CRASH_POINTS
        if point not in ON_STREAMS | ON_REPLAYS
    ],
)
def test_death_at_a_crash_point_costs_only_time(point: str, stack: Stack, callbacks: Callbacks, faults: Path) -> None:
    # Whoever died in the case before has joined the bus again: else it works without it and does not pass here.
    wait_for("readiness", lambda: requests.get(f"{stack.ready['api']}/healthz", timeout=10).ok, within_s=60)
    name = point.replace(".", "-").replace("_", "-")
    pipeline = stack.create_pipeline(
        name,
        f"/{name}/",
        [raw_transcode(180), snapshots_at("0s", "2s")],
        OutputDir=f"/{name}-out/",
        TaskNotifyConfig={"NotifyType": "URL", "NotifyMode": "Change", "NotifyUrl": callbacks.url, "NotifyKey": "k"},
    )
    (faults / point).touch()
    stack.upload(f"{name}/clip.mp4")
    if point in ON_COMMANDS:
        pause_and_resume(stack, str(pipeline), faults / point)
    task = stack.task_of(f"{name}/clip.mp4", within_s=60)
    detail = stack.finished(task, within_s=90)
    results = [
        member
        for item in detail.ScheduleTask.ActivityResultSet
        for member in vars(item.ActivityResItem).values()
        if member is not None
    ]
    assert [member.Status for member in results] == ["SUCCESS", "SUCCESS"]
    wait_for("last callback", lambda: callbacks.of(task, "FINISH"), within_s=60)
    assert not (faults / point).exists(), "the run never passed the crash point"
    first_seen = list(dict.fromkeys(headers["webhook-id"] for headers, _ in callbacks.of(task)))
    assert first_seen == [f"{task}:{sequence}:URL" for sequence in sorted(int(i.split(":")[1]) for i in first_seen)]
    assert len(first_seen) == 5  # started, metadata, two nodes, finished
    keys = stack.keys(f"{name}-out/")
    assert sorted(Path(key).suffix for key in keys) == [".jpg", ".jpg", ".mp4"]


def pause_and_resume(stack: Stack, pipeline: str, armed: Path) -> None:
    """Pauses the pipeline's run as soon as it is there, so that a task of it is queued or at work, and lets it go on
    when somebody has died of it."""
    auth = (stack.ready["secret_id"], stack.ready["secret_key"])

    def runs() -> list[dict[str, str]]:
        url = f"{stack.ready['api']}/api/v1/runs"
        return list(requests.get(url, params={"pipeline_id": pipeline}, auth=auth, timeout=10).json()["runs"])

    def command(what: str) -> None:
        answer = requests.post(f"{stack.ready['api']}/api/v1/runs/{run}/{what}", auth=auth, timeout=10)
        assert answer.status_code == 202, answer.text

    run = wait_for("run", runs, within_s=60)[0]["id"]
    command("pause")
    wait_for("death", lambda: not armed.exists(), within_s=60)
    wait_for("pause", lambda: runs()[0]["state"] == "paused", within_s=60)
    command("resume")
