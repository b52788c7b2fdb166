"""Any process dies in the middle of a run; the run ends right all the same."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

from tests.e2e.stack import SNAPSHOTS, Callbacks, Stack, raw_transcode, snapshots_at, wait_for

pytestmark = pytest.mark.timeout(300)

SIX_NODES = [raw_transcode(180), raw_transcode(360), SNAPSHOTS, snapshots_at("1s", "3s")]


def start_run(stack: Stack, callbacks: Callbacks, name: str) -> str:
    stack.create_pipeline(
        name,
        f"/{name}/",
        SIX_NODES,
        OutputDir=f"/{name}-out/",
        TaskNotifyConfig={"NotifyType": "URL", "NotifyUrl": callbacks.url, "NotifyKey": "k"},
    )
    stack.upload(f"{name}/clip.mp4")
    return stack.task_of(f"{name}/clip.mp4")


def in_the_middle(stack: Stack, task: str) -> bool:
    """The source is probed and a node is at work."""
    detail = stack.detail(task)
    return detail.Status == "PROCESSING" and detail.ScheduleTask.MetaData is not None


def assert_ended_right(stack: Stack, callbacks: Callbacks, name: str, task: str) -> None:
    detail = stack.finished(task, within_s=120)
    results = detail.ScheduleTask.ActivityResultSet
    assert [item.ActivityType for item in results] == [
        "Transcode",
        "Transcode",
        "SampleSnapshot",
        "SnapshotByTimeOffset",
    ]
    for item in results:
        member = next(m for m in vars(item.ActivityResItem).values() if m is not None)
        assert member.Status == "SUCCESS", member
    wait_for("callback", lambda: callbacks.of(task, "FINISH"), within_s=60)
    assert len({headers["webhook-id"] for headers, _ in callbacks.of(task, "FINISH")}) == 1
    keys = stack.keys(f"{name}-out/")
    assert sum(key.endswith(".mp4") for key in keys) == 2
    assert sum(key.endswith(".jpg") for key in keys) == 12


@pytest.mark.parametrize(
    "service", ["trigger", pytest.param("scheduler", marks=pytest.mark.short), "workers", "notifier", "api"]
)
def test_service_killed_in_the_middle_of_a_run(stack: Stack, callbacks: Callbacks, service: str) -> None:
    name = f"kill-{service}"
    task = start_run(stack, callbacks, name)
    wait_for("middle of the run", lambda: in_the_middle(stack, task), within_s=30)
    old = stack.kill(service)
    stack.wait_restarted(service, old)
    if service == "api":
        wait_for("api", lambda: _answers(stack), within_s=30)
    assert_ended_right(stack, callbacks, name, task)


def _answers(stack: Stack) -> bool:
    try:
        return bool(stack.call("DescribeSchedules").RequestId)
    except TencentCloudSDKException:
        return False


@pytest.mark.short
def test_bus_lost_with_all_topics_in_the_middle_of_a_run(stack: Stack, callbacks: Callbacks) -> None:
    task = start_run(stack, callbacks, "bus-lost")
    wait_for("middle of the run", lambda: in_the_middle(stack, task), within_s=30)
    old = stack.kill("broker")
    stack.wait_restarted("broker", old)
    assert_ended_right(stack, callbacks, "bus-lost", task)
    # And the next upload takes the whole way over the new bus.
    stack.upload("bus-lost/again.mp4")
    stack.finished(stack.task_of("bus-lost/again.mp4"))


def test_everything_survives_a_restart(stack: Stack, callbacks: Callbacks) -> None:
    task = start_run(stack, callbacks, "restart")
    wait_for("middle of the run", lambda: in_the_middle(stack, task), within_s=30)
    stack.stop()
    stack.start()
    assert_ended_right(stack, callbacks, "restart", task)


@pytest.mark.parametrize("server", ["storage", "volumes"])
def test_storage_dies_in_the_middle_of_a_run(stack: Stack, callbacks: Callbacks, server: str) -> None:
    name = f"kill-{server}"
    task = start_run(stack, callbacks, name)
    wait_for("middle of the run", lambda: in_the_middle(stack, task), within_s=30)
    old = stack.kill(server)
    stack.wait_restarted(server, old)
    assert_ended_right(stack, callbacks, name, task)


@pytest.mark.short
def test_state_store_away_in_the_middle_of_a_run(stack: Stack, callbacks: Callbacks) -> None:
    if stack.mongo is None:
        pytest.skip("SQLite is a file: there is no server that could go away")
    task = start_run(stack, callbacks, "store-away")
    wait_for("middle of the run", lambda: in_the_middle(stack, task), within_s=30)
    stack.mongo.kill()
    health = wait_for("trouble in /healthz", lambda: _unhealthy(stack), within_s=30)
    assert health["checks"]["state"] != "ok"
    stack.mongo.start()
    wait_for("api", lambda: _answers(stack), within_s=30)
    assert_ended_right(stack, callbacks, "store-away", task)


def _unhealthy(stack: Stack) -> dict[str, Any] | None:
    answer = requests.get(f"{stack.ready['api']}/healthz", timeout=10)
    return answer.json() if answer.status_code == 503 else None
