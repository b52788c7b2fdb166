"""Workers, queues and stuck runs over REST."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx

from shared.model.run import RunState
from shared.model.task import Lane, Task, TaskState, queue_order
from shared.model.worker import LaneLoad, WorkerRecord
from tests.builders import a_task
from tests.integration.api.stand import OTHER_ID, OTHER_KEY, OTHER_TENANT, Stand
from tests.integration.api.test_rest_events import Player
from tests.integration.api.test_rest_face import problem
from tests.integration.api.test_rest_runs import put_run


def a_record(stand: Stand, name: str = "w", **members: Any) -> WorkerRecord:
    now = stand.store_clock.now()
    lanes = {"media": LaneLoad(slots=2, busy=1, ended=(1, 2, 0, 0, 0, 9), failed=(0, 1))}
    given: dict[str, Any] = {
        "id": f"{name}.1-a",
        "worker": name,
        "owner": f"{name}/1-a",
        "host": "h",
        "pid": 1,
        "cores": 2,
        "load": 0.5,
        "program": "1",
        "started_at": now,
        "seen_at": now,
        "every_s": 5,
        "lanes": lanes,
    }
    return WorkerRecord(**(given | members))


async def put_tasks(stand: Stand, *tasks: Task) -> None:
    assert all(await stand.records.tasks.insert_many(tasks))


def working(run: str, tenant: str = "1250000000") -> Task:
    return a_task(run_id=run, tenant=tenant, state=TaskState.RUNNING, lane=Lane.MEDIA, worker="w", owner="w/1-a")


async def test_workers_are_listed_with_what_they_do_for_the_caller(stand: Stand, rest: httpx.AsyncClient) -> None:
    await stand.records.workers.insert(a_record(stand))
    long_ago = stand.store_clock.now() - timedelta(seconds=16)
    await stand.records.workers.insert(a_record(stand, "dead", seen_at=long_ago))
    elsewhere = working("r3").with_changes(owner="w/0-b")
    await put_tasks(stand, working("r1"), working("r2", OTHER_TENANT), elsewhere)
    dead, there = (await rest.get("/workers")).json()["workers"]
    assert (dead["worker"], dead["live"]) == ("dead", False)
    assert (there["worker"], there["live"], there["drain"]) == ("w", True, False)
    assert there["lanes"]["media"]["busy"] == 1
    assert [one["run_id"] for one in there["attempts"]] == ["r1"]


async def test_a_worker_is_told_to_drain_and_to_go_on(stand: Stand, rest: httpx.AsyncClient) -> None:
    await stand.records.workers.insert(a_record(stand))
    for path, drain in (("drain", True), ("drain", True), ("resume", False)):
        answer = await rest.post(f"/workers/w.1-a/{path}")
        assert (answer.status_code, answer.json()["drain"]) == (200, drain)
        stored = await stand.records.workers.get("w.1-a")
        assert stored is not None
        assert stored.drain is drain
    problem(await rest.post("/workers/nobody/drain"), 404, "not_found")


async def test_workers_are_the_operators_business(stand: Stand) -> None:
    await stand.records.workers.insert(a_record(stand))
    async with stand.rest(OTHER_ID, OTHER_KEY) as other:
        for method, path in (("GET", "/workers"), ("POST", "/workers/w.1-a/drain"), ("POST", "/workers/x/resume")):
            problem(await other.request(method, path), 403, "operators_only")
        media = (await other.get("/queues")).json()["lanes"][1]
        assert (media["lane"], media["queued"], media["slots"], media["busy"]) == ("media", 0, None, None)


async def test_queues_tell_depth_and_age_by_lane(stand: Stand, rest: httpx.AsyncClient) -> None:
    now = stand.store_clock.now()
    await stand.records.workers.insert(a_record(stand))
    for number, (priority, age_s) in enumerate([(0, 10), (5, 20), (-10, 90), (10, 1), (0, 30)]):
        since = now - timedelta(seconds=age_s)
        await put_tasks(stand, a_task(run_id=f"q{number}", queued_at=since, order=queue_order(priority, since)))
    await put_tasks(
        stand,
        a_task(run_id="theirs", tenant=OTHER_TENANT, queued_at=now - timedelta(days=1)),
        a_task(run_id="held", state=TaskState.HELD),
        working("r1"),
    )
    await put_run(stand, "a")
    await put_run(stand, "b", state=RunState.PAUSED)
    found = (await rest.get("/queues")).json()
    lanes = {one["lane"]: one for one in found["lanes"]}
    light, media = lanes["light"], lanes["media"]
    assert (light["queued"], light["held"], light["running"], light["oldest_s"]) == (5, 1, 0, 90)
    assert (media["queued"], media["running"], media["oldest_s"]) == (0, 1, None)
    assert (media["workers"], media["slots"], media["busy"]) == (1, 2, 1)
    assert (media["ended_in_5_min"], media["failed_in_5_min"]) == (3, 1)
    assert found["runs"] == {"requested": 1, "running": 0, "paused": 1}


async def test_stuck_runs_say_what_they_wait_for(stand: Stand, rest: httpx.AsyncClient) -> None:
    async def stuck(older_s: int = 600) -> dict[str, list[str]]:
        found = (await rest.get("/stuck", params={"older_s": older_s})).json()["runs"]
        assert [one["since"] for one in found] == sorted(one["since"] for one in found)
        return {one["run"]["id"]: one["reasons"] for one in found}

    unbegun = await put_run(stand, "unbegun")
    waiting, at_work = Player(stand, "waiting"), Player(stand, "at-work")
    await waiting.begin()
    await at_work.begin()
    await put_run(stand, "paused", state=RunState.PAUSED)
    await put_run(stand, "theirs", tenant=OTHER_TENANT)
    done = Player(stand, "done")
    await done.play()
    [task] = await stand.records.tasks.find({"run_id": "at-work"})
    stand.store_clock.advance(timedelta(minutes=8))
    now = stand.store_clock.now()
    claimed = await stand.records.tasks.replace(
        task.with_changes(state=TaskState.RUNNING, worker="w", claimed_at=now, progress=40)
    )
    assert claimed is not None
    assert await stuck() == {}
    stand.store_clock.advance(timedelta(minutes=3))
    assert await stuck() == {
        unbegun.id: ["no scheduler has begun it"],
        "waiting": ["node 0 waits for a worker of the lane light"],
    }
    stand.store_clock.advance(timedelta(minutes=8))
    assert (await stuck())["at-work"] == ["node 0 is at 40 % on worker w"]
    now = stand.store_clock.now()
    assert await stand.records.tasks.replace(claimed.with_changes(progress=41, progressed_at=now))
    assert set(await stuck()) == {unbegun.id, "waiting"}
