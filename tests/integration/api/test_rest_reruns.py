"""Reruns over REST: of one run, and of many."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from shared.ids import run_id, task_id
from shared.messages.messages import RunRequested
from shared.model.failure import ErrCode, Failure
from shared.model.pipeline import Node, OutputPlace
from shared.model.rerun import rerun_id
from shared.model.run import NodeRun, NodeState, Reused, Run, RunState
from shared.model.task import MediaObject, NodeResult, OutputTarget, TaskState
from shared.ports.publisher import Outgoing
from tests.builders import REGION, a_diamond, a_graph, a_media, a_pipeline, a_run, a_task
from tests.integration.api.stand import BUCKET, TENANT, Stand
from tests.integration.api.test_rest_face import problem

PIPELINE = "7001"
KEY = "in/clip.mp4"


async def put_pipeline(stand: Stand, nodes: tuple[Node, ...] | None = None, **members: Any) -> None:
    place = OutputPlace(bucket=BUCKET, region=REGION, dir="/out/")
    pipeline = a_pipeline(PIPELINE, nodes=nodes or a_diamond(), **({"output": place} | members))
    await stand.records.pipelines.insert(pipeline)


async def put_ended(stand: Stand, name: str = "one", *, failed: tuple[int, ...] = (1,), **members: Any) -> Run:
    """An ended diamond: each of the nodes 1 to 3 wrote an object, unless it failed; the join was skipped then."""
    info = stand.objects.put(BUCKET, KEY)
    now = stand.store_clock.now()
    run = a_run(
        a_diamond(),
        run_id=run_id(TENANT, name),
        now=now,
        source=a_media(KEY, etag=info.etag),
        target=OutputTarget(bucket=BUCKET, region=REGION, dir="/out/"),
        pipeline_id=PIPELINE,
        metadata={"Duration": 5},
    )
    nodes = [NodeRun(state=NodeState.SUCCEEDED, attempt=1, result=NodeResult(metadata={"Duration": 5}))]
    tasks = [a_task(0, run_id=run.id, state=TaskState.SUCCEEDED, result=NodeResult())]
    for index in (1, 2, 3, 4):
        if index in failed:
            failure = Failure(code=ErrCode.INVALID_INPUT, message="no such bucket")
            nodes.append(NodeRun(state=NodeState.FAILED, attempt=1, failure=failure))
        elif index == 4 and failed:
            nodes.append(NodeRun(state=NodeState.SKIPPED, reason=f"node {failed[0]} (noop) failed"))
        else:
            output = put_output(stand, f"out/{name}-{index}.mp4")
            result = NodeResult(outputs=(output,), payload=index)
            tasks.append(a_task(index, run_id=run.id, state=TaskState.SUCCEEDED, result=result))
            nodes.append(NodeRun(state=NodeState.SUCCEEDED, attempt=1, result=NodeResult(payload=index)))
    nodes.append(NodeRun(state=NodeState.SUCCEEDED))
    state = RunState.FAILED if failed else RunState.SUCCEEDED
    run = run.with_changes(
        **({"state": state, "node_runs": tuple(nodes), "due_at": None, "finished_at": now} | members)
    )
    await stand.records.runs.insert(run)
    await stand.records.tasks.insert_many(tasks)
    return run


def put_output(stand: Stand, key: str) -> MediaObject:
    info = stand.objects.put(BUCKET, key)
    return a_media(key, bucket=BUCKET, etag=info.etag)


def actions(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 201, answer.text
    return [node["action"] for node in answer.json()["nodes"]]


async def test_rerun_of_a_failed_run_reuses_what_is_good_and_says_so(stand: Stand, rest: httpx.AsyncClient) -> None:
    await put_pipeline(stand)
    run = await put_ended(stand)
    answer = await rest.post(f"/runs/{run.id}/rerun", json={"scope": "failed"})
    assert actions(answer) == ["reused", "redone", "reused", "reused", "redone", "redone"]
    body = answer.json()
    assert body["nodes"][1]["reason"] == "failed: no such bucket"
    assert body["nodes"][2]["reused"] == {"run_id": run.id, "node": 2, "attempt": 1, "epoch": 0}
    made = await stand.records.runs.get(rerun_id(run))
    assert made is not None
    assert answer.headers["location"] == f"/api/v1/runs/{made.id}"
    shown = body["run"]
    assert (shown["id"], shown["rerun_of"], shown["root"], shown["epoch"]) == (made.id, run.id, run.id, 1)
    assert shown["nodes"][2]["state"] == "succeeded"
    assert shown["nodes"][2]["reused"]["run_id"] == run.id
    assert made.node_runs[2].reused == Reused(run_id=run.id, node=2, attempt=1)
    assert (made.metadata, made.due_at) == ({"Duration": 5}, stand.store_clock.now())
    assert stand.publisher.sent == [Outgoing("reelway.runs.v1", RunRequested(run_id=made.id))]
    assert await stand.records.runs.get(run.id) == run


async def test_default_is_from_failed_nodes(stand: Stand, rest: httpx.AsyncClient) -> None:
    await put_pipeline(stand)
    run = await put_ended(stand)
    assert actions(await rest.post(f"/runs/{run.id}/rerun", json={})).count("reused") == 3


async def test_two_reruns_at_once_make_one_run(stand: Stand, rest: httpx.AsyncClient) -> None:
    await put_pipeline(stand)
    run = await put_ended(stand)
    answers = await asyncio.gather(*(rest.post(f"/runs/{run.id}/rerun", json={"scope": "all"}) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5
    for answer in answers:
        if answer.status_code == 409:
            assert problem(answer, 409, "already_rerun")["run_id"] == rerun_id(run)
    assert await stand.records.runs.count({}) == 2


@pytest.mark.parametrize("lost", ["gone", "overwritten", "denied"])
async def test_results_whose_objects_changed_are_redone(stand: Stand, rest: httpx.AsyncClient, lost: str) -> None:
    await put_pipeline(stand)
    run = await put_ended(stand)
    if lost == "gone":
        del stand.objects.objects[BUCKET, "out/one-3.mp4"]
    elif lost == "overwritten":
        stand.objects.put(BUCKET, "out/one-3.mp4", etag="another")
    else:
        [task] = await stand.records.tasks.find({"node": 3})
        elsewhere = a_media("out/one-3.mp4", bucket="locked")
        stand.objects.denied.add("locked")
        await stand.records.tasks.replace(task.with_changes(result=NodeResult(outputs=(elsewhere,))))
    answer = await rest.post(f"/runs/{run.id}/rerun", json={})
    assert actions(answer) == ["reused", "redone", "reused", "redone", "redone", "redone"]
    assert "out/one-3.mp4" in answer.json()["nodes"][3]["reason"]


async def test_result_whose_task_is_not_known_is_redone(stand: Stand, rest: httpx.AsyncClient) -> None:
    await put_pipeline(stand)
    run = await put_ended(stand)
    task = await stand.records.tasks.get(task_id(run.id, 2, 1))
    assert task is not None
    assert await stand.records.tasks.delete(task)
    assert actions(await rest.post(f"/runs/{run.id}/rerun", json={}))[2] == "redone"


async def test_skipped_probe_has_no_task_and_is_reused(stand: Stand, rest: httpx.AsyncClient) -> None:
    await put_pipeline(stand)
    run = await put_ended(stand, skip_probe=True)
    nodes = (NodeRun(state=NodeState.SUCCEEDED, source=run.input), *run.node_runs[1:])
    assert await stand.records.runs.replace(run.with_changes(node_runs=nodes))
    probe = await stand.records.tasks.get(task_id(run.id, 0, 1))
    assert probe is not None
    assert await stand.records.tasks.delete(probe)
    assert actions(await rest.post(f"/runs/{run.id}/rerun", json={}))[0] == "reused"


async def test_one_node_and_what_follows(stand: Stand, rest: httpx.AsyncClient) -> None:
    await put_pipeline(stand)
    run = await put_ended(stand, failed=())
    answer = await rest.post(f"/runs/{run.id}/rerun", json={"scope": "node", "node": 2})
    assert actions(answer) == ["reused", "reused", "redone", "reused", "redone", "redone"]


async def test_latest_definition(stand: Stand, rest: httpx.AsyncClient) -> None:
    nodes = a_graph([[1, 2, 3], [4], [4], [4], []], n3=Node(kind="noop", params={"SleepMs": 1}))
    await put_pipeline(stand, nodes, definition=2)
    run = await put_ended(stand)
    answer = await rest.post(f"/runs/{run.id}/rerun", json={"definition": "latest"})
    assert actions(answer) == ["reused", "redone", "reused", "redone", "redone"]
    assert answer.json()["nodes"][3]["reason"] == "new or changed in this definition"
    assert answer.json()["run"]["definition"] == 2
    assert await stand.records.versions.get(f"{PIPELINE}:2") is not None


async def test_latest_definition_with_another_place_reuses_no_outputs(stand: Stand, rest: httpx.AsyncClient) -> None:
    await put_pipeline(stand, output=OutputPlace(dir="/elsewhere/"))
    run = await put_ended(stand)
    answer = await rest.post(f"/runs/{run.id}/rerun", json={"definition": "latest"})
    assert actions(answer) == ["reused"] + ["redone"] * 5
    assert answer.json()["run"]["target"]["dir"] == "/elsewhere/"


async def test_rerun_of_a_rerun_names_the_run_that_made_the_result(stand: Stand, rest: httpx.AsyncClient) -> None:
    await put_pipeline(stand)
    run = await put_ended(stand)
    await rest.post(f"/runs/{run.id}/rerun", json={})
    second = await stand.records.runs.get(rerun_id(run))
    assert second is not None
    nodes = (second.node_runs[0], run.node_runs[1], *second.node_runs[2:4], run.node_runs[4], run.node_runs[5])
    second = await stand.records.runs.replace(second.with_changes(state=RunState.FAILED, node_runs=nodes))
    assert second is not None
    answer = await rest.post(f"/runs/{second.id}/rerun", json={})
    assert answer.json()["nodes"][2]["reused"] == {"run_id": run.id, "node": 2, "attempt": 1, "epoch": 0}
    assert answer.json()["run"]["epoch"] == 2
    # The task of the first run is still the one that says which objects must be there.
    assert actions(answer) == ["reused", "redone", "reused", "reused", "redone", "redone"]


async def refused(stand: Stand, answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """A refusal that changed nothing."""
    body = problem(answer, status, code)
    assert await stand.records.runs.count({"epoch": 1}) == 0
    assert stand.publisher.sent == []
    return dict(body)


async def test_run_that_has_not_ended_is_not_rerun(stand: Stand, rest: httpx.AsyncClient) -> None:
    await put_pipeline(stand)
    run = await put_ended(stand, state=RunState.PAUSED)
    body = await refused(stand, await rest.post(f"/runs/{run.id}/rerun", json={}), 409, "run_not_ended")
    assert body["state"] == "paused"


@pytest.mark.parametrize("definition", ["same", "latest"])
async def test_run_of_a_deleted_pipeline_is_not_rerun(stand: Stand, rest: httpx.AsyncClient, definition: str) -> None:
    run = await put_ended(stand)
    answer = await rest.post(f"/runs/{run.id}/rerun", json={"definition": definition})
    await refused(stand, answer, 409, "pipeline_deleted")
    await refused(stand, await rest.post("/runs/rerun-failed", json={"pipeline_id": PIPELINE}), 409, "pipeline_deleted")


async def test_input_that_is_gone_or_overwritten(stand: Stand, rest: httpx.AsyncClient) -> None:
    await put_pipeline(stand)
    run = await put_ended(stand)
    stand.objects.put(BUCKET, KEY, etag="another")
    body = await refused(stand, await rest.post(f"/runs/{run.id}/rerun", json={}), 409, "input_overwritten")
    assert KEY in body["detail"]
    del stand.objects.objects[BUCKET, KEY]
    await refused(stand, await rest.post(f"/runs/{run.id}/rerun", json={}), 404, "input_gone")
    stand.objects.denied.add(BUCKET)
    await refused(stand, await rest.post(f"/runs/{run.id}/rerun", json={}), 409, "input_denied")
    stand.objects.down = True
    await refused(stand, await rest.post(f"/runs/{run.id}/rerun", json={}), 503, "busy")


async def test_nothing_to_redo(stand: Stand, rest: httpx.AsyncClient) -> None:
    await put_pipeline(stand)
    run = await put_ended(stand, failed=())
    await refused(stand, await rest.post(f"/runs/{run.id}/rerun", json={}), 409, "nothing_to_redo")
    assert actions(await rest.post(f"/runs/{run.id}/rerun", json={"scope": "all"})) == ["redone"] * 6


@pytest.mark.parametrize(
    ("wish", "status", "field"),
    [
        ({"scope": "node"}, 422, "body"),
        ({"scope": "all", "node": 1}, 422, "body"),
        ({"scope": "odd"}, 422, "scope"),
        ({"scope": "node", "node": -1}, 422, "node"),
        ({"definition": 3}, 422, "definition"),
        ({"scop": "all"}, 422, "scop"),
        ({"scope": "node", "node": 6}, 404, None),
    ],
)
async def test_wishes_that_make_no_sense(
    stand: Stand, rest: httpx.AsyncClient, wish: dict[str, Any], status: int, field: str | None
) -> None:
    await put_pipeline(stand)
    run = await put_ended(stand)
    answer = await rest.post(f"/runs/{run.id}/rerun", json=wish)
    body = await refused(stand, answer, status, "invalid" if field else "not_found")
    if field:
        assert [error["field"] for error in body["errors"]] == [field]


# -- many ---------------------------------------------------------------------------------------------------------


async def test_all_failed_runs_of_a_pipeline_are_rerun_once(stand: Stand, rest: httpx.AsyncClient) -> None:
    await put_pipeline(stand)
    start = stand.store_clock.now()
    failed = []
    for number in range(25):
        stand.store_clock.advance(timedelta(minutes=1))
        failed.append(await put_ended(stand, f"run-{number}"))
    await put_ended(stand, "fine", failed=())
    await put_ended(stand, "cancelled", state=RunState.CANCELLED)
    await put_ended(stand, "other", pipeline_id="8")
    assert (await rest.post(f"/runs/{failed[3].id}/rerun", json={})).status_code == 201
    stand.publisher.sent.clear()
    results: list[dict[str, Any]] = []
    wish: dict[str, Any] = {
        "pipeline_id": PIPELINE,
        "from": (start + timedelta(minutes=3)).isoformat(),
        "to": (start + timedelta(minutes=23)).isoformat(),
        "limit": 6,
    }
    cursor: str | None = None
    while True:
        answer = await rest.post("/runs/rerun-failed", json=wish | ({"cursor": cursor} if cursor else {}))
        assert answer.status_code == 200, answer.text
        results += answer.json()["results"]
        cursor = answer.json()["cursor"]
        if cursor is None:
            break
    wanted = [run for run in failed[2:22] if run is not failed[3]]
    assert [one["run_id"] for one in results] == [run.id for run in reversed(wanted)]
    assert [one["rerun_id"] for one in results] == [rerun_id(run) for run in reversed(wanted)]
    assert {(one["reused"], one["redone"]) for one in results} == {(3, 3)}
    assert {item.message.run_id for item in stand.publisher.sent} == {rerun_id(run) for run in wanted}
    again = (await rest.post("/runs/rerun-failed", json=wish | {"limit": 200})).json()
    assert again == {"results": [], "cursor": None}


async def test_runs_that_cannot_be_rerun_are_said_and_do_not_stop_the_others(
    stand: Stand, rest: httpx.AsyncClient
) -> None:
    await put_pipeline(stand)
    good = await put_ended(stand, "good")
    bad = await put_ended(stand, "bad", input=a_media("in/gone.mp4", bucket=BUCKET))
    answer = await rest.post("/runs/rerun-failed", json={"pipeline_id": PIPELINE, "scope": "all"})
    results = {one["run_id"]: one for one in answer.json()["results"]}
    assert results[good.id]["rerun_id"] == rerun_id(good)
    assert (results[bad.id]["rerun_id"], results[bad.id]["code"]) == (None, "input_gone")


async def test_bulk_rerun_stops_in_time_and_says_where(
    stand: Stand, rest: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.api.rerunning.BUDGET_S", -1.0)
    await put_pipeline(stand)
    for number in range(10):
        await put_ended(stand, f"run-{number}")
    seen = 0
    cursor: str | None = None
    calls = 0
    while calls < 30:
        body = {"pipeline_id": PIPELINE} | ({"cursor": cursor} if cursor else {})
        page = (await rest.post("/runs/rerun-failed", json=body)).json()
        seen, cursor, calls = seen + len(page["results"]), page["cursor"], calls + 1
        if cursor is None:
            break
    assert (seen, calls > 1) == (10, True)


async def test_unknown_pipeline(rest: httpx.AsyncClient) -> None:
    problem(await rest.post("/runs/rerun-failed", json={"pipeline_id": "999"}), 404, "not_found")
