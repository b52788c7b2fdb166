"""Attempts, their logs, and the files of a run over REST."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from shared.model.attempt_log import AttemptLog, Call, log_id
from shared.model.failure import ErrCode, Failure
from shared.model.run import NodeRun, NodeState, Reused, Run, RunState
from shared.model.task import NodeResult, Task, TaskState
from tests.builders import T0, a_chain, a_media, a_run, a_task, ended
from tests.integration.api.stand import OTHER_ID, OTHER_KEY, Stand
from tests.integration.api.test_rest_face import problem

BROKEN = Failure(code=ErrCode.INTERNAL, message="ffmpeg failed with code 1", retryable=True)


async def put_done(stand: Stand) -> tuple[Run, Task]:
    """A run of two nodes: the first was tried twice and wrote three files, the other one is an earlier run's."""
    stands = {"state": NodeState.SUCCEEDED, "queued_at": T0}
    nodes = (
        NodeRun(state=NodeState.SUCCEEDED),
        NodeRun(attempt=2, **stands),
        NodeRun(attempt=1, reused=Reused(run_id="run-0", node=1, attempt=1), **stands),
        NodeRun(state=NodeState.SUCCEEDED),
    )
    run = a_run(a_chain(2)).with_changes(state=RunState.SUCCEEDED, node_runs=nodes, due_at=None)
    await stand.records.runs.insert(run)
    written = tuple(a_media(f"out/{number}.ts", etag=f"e{number}", version_id=f"v{number}") for number in range(3))
    first = ended(a_task(1), TaskState.FAILED, failure=BROKEN, worker="w1")
    second = ended(a_task(1, attempt=2), result=NodeResult(outputs=written), worker="w2").with_changes(fence=2)
    earlier = ended(a_task(1, run_id="run-0"), result=NodeResult(outputs=(a_media("out/old.mp4"),)))
    await stand.records.tasks.insert_many([second, first, earlier])
    return run, second


async def test_detail_has_every_attempt(stand: Stand, rest: httpx.AsyncClient) -> None:
    await put_done(stand)
    nodes = (await rest.get("/runs/run-1")).json()["nodes"]
    first, second = nodes[1]["attempts"]
    assert first["state"] == "failed"
    assert first["failure"] == BROKEN.model_dump(mode="json")
    assert (first["worker"], first["attempt"], first["outputs"]) == ("w1", 1, 0)
    assert (second["worker"], second["claims"], second["outputs"]) == ("w2", 2, 3)
    assert second["queued_at"] == "2026-03-04T05:06:07.890123Z"
    assert [one["outputs"] for one in nodes[2]["attempts"]] == [1]
    assert nodes[0]["attempts"] == nodes[3]["attempts"] == []


async def test_outputs_come_page_by_page_with_links(stand: Stand, rest: httpx.AsyncClient) -> None:
    await put_done(stand)
    found, cursor = [], ""
    while cursor is not None:
        params = {"limit": 2, "expires_s": 60} | ({"cursor": cursor} if cursor else {})
        page = (await rest.get("/runs/run-1/outputs", params=params)).json()
        assert len(page["outputs"]) <= 2
        found += page["outputs"]
        cursor = page["cursor"]
    assert [(one["node"], one["object"]["key"], one["reused"]) for one in found] == [
        (1, "out/0.ts", False),
        (1, "out/1.ts", False),
        (1, "out/2.ts", False),
        (2, "out/old.mp4", True),
    ]
    assert found[1]["url"] == "http://storage.test/media-1250000000/out/1.ts?expires=60&version=v1"
    until = (stand.clock.now() + timedelta(seconds=60)).isoformat(timespec="microseconds").replace("+00:00", "Z")
    assert found[1]["expires_at"] == until
    only = (await rest.get("/runs/run-1/outputs", params={"node": 2})).json()
    assert [one["node"] for one in only["outputs"]] == [2]
    assert (await rest.get("/runs/run-1/input")).json()["object"]["key"] == "in/clip.mp4"


@pytest.mark.parametrize("cursor", ["x", "e30=", "WzFd", "%%"])
async def test_cursor_of_nobody_is_refused(stand: Stand, rest: httpx.AsyncClient, cursor: str) -> None:
    await put_done(stand)
    problem(await rest.get("/runs/run-1/outputs", params={"cursor": cursor}), 422, "invalid")


async def test_logs_of_all_workers_that_had_the_attempt(stand: Stand, rest: httpx.AsyncClient) -> None:
    _, task = await put_done(stand)
    call = Call(arguments=("ffmpeg", "-i", "file:<scratch>/a"), started_at=T0, returncode=1, said="line\nno such codec")
    for claim, calls in ((1, ()), (2, (call,))):
        log = AttemptLog(
            id=log_id(task.id, claim),
            tenant=task.tenant,
            run_id=task.run_id,
            task_id=task.id,
            fence=claim,
            worker=f"w{claim}",
            calls=calls,
        )
        await stand.records.attempt_logs.insert(log)
    claims = (await rest.get("/runs/run-1/nodes/1/attempts/2/log")).json()["claims"]
    assert [(one["claim"], one["worker"], len(one["calls"])) for one in claims] == [(1, "w1", 0), (2, "w2", 1)]
    assert claims[1]["calls"][0]["arguments"] == list(call.arguments)
    for tail, said in ((13, "no such codec"), (0, ""), (4000, "line\nno such codec")):
        shown = (await rest.get("/runs/run-1/nodes/1/attempts/2/log", params={"tail": tail})).json()
        assert shown["claims"][1]["calls"][0]["said"] == said
    assert (await rest.get("/runs/run-1/nodes/1/attempts/1/log")).json() == {"claims": []}
    problem(await rest.get("/runs/run-1/nodes/1/attempts/3/log"), 404, "not_found")
    problem(await rest.get("/runs/run-1/nodes/9/attempts/1/log"), 404, "not_found")


async def test_nothing_of_it_is_another_tenants(stand: Stand) -> None:
    await put_done(stand)
    async with stand.rest(OTHER_ID, OTHER_KEY) as other:
        for path in ("outputs", "input", "nodes/1/attempts/2/log", "events"):
            problem(await other.get(f"/runs/run-1/{path}"), 404, "not_found")
