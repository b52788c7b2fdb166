"""Limits over REST."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import httpx
import pytest

from shared.model.gate import Gate, Passage, pipeline_gate, tenant_gate
from shared.model.task import TaskState
from tests.builders import a_pipeline, a_run, a_task
from tests.integration.api.stand import TENANT, Stand
from tests.integration.api.test_rest_face import problem

PATHS = {"/limits/tenant": tenant_gate(TENANT), "/limits/pipelines/7": pipeline_gate("7")}


@pytest.fixture(params=PATHS)
async def path(request: pytest.FixtureRequest, stand: Stand) -> str:
    await stand.records.pipelines.insert(a_pipeline("7"))
    return str(request.param)


async def test_limit_is_set_changed_and_cleared(stand: Stand, rest: httpx.AsyncClient, path: str) -> None:
    assert (await rest.get(path)).json() == {"max_running": None, "running": 0}
    assert (await rest.put(path, json={"max_running": 2})).json() == {"max_running": 2, "running": 0}
    assert (await rest.put(path, json={"max_running": 0})).json()["max_running"] == 0
    [gate] = await stand.records.gates.find({})
    assert (gate.id, gate.maximum) == (PATHS[path], 0)
    for _ in range(2):
        assert (await rest.delete(path)).status_code == 204
    assert (await rest.get(path)).json()["max_running"] is None
    assert await stand.records.gates.find({}) == []


async def test_claims_under_way_are_kept_when_a_limit_changes(stand: Stand, rest: httpx.AsyncClient, path: str) -> None:
    entry = Passage(task_id="t", task_version=3, turn=0, at=stand.store_clock.now())
    await stand.records.gates.insert(Gate(id=PATHS[path], maximum=5, passing=(entry,)))
    assert (await rest.put(path, json={"max_running": 1})).json()["max_running"] == 1
    gate = await stand.records.gates.get(PATHS[path])
    assert gate is not None
    assert (gate.maximum, gate.passing) == (1, (entry,))


async def test_limit_that_was_cleared_and_set_again_does_not_count_its_turns_anew(
    stand: Stand, rest: httpx.AsyncClient, path: str
) -> None:
    """A place at a gate is told from all others by the gate's version."""
    turns: list[int] = []
    for _ in range(3):
        await rest.put(path, json={"max_running": 1})
        [gate] = await stand.records.gates.find({})
        turns.append(gate.version)
        assert await stand.records.gates.replace(gate)
        stand.store_clock.advance(timedelta(seconds=1))
        await rest.delete(path)
    assert turns[0] + 1 < turns[1] < turns[1] + 1 < turns[2]


async def test_tasks_at_work_are_counted(stand: Stand, rest: httpx.AsyncClient, path: str) -> None:
    await stand.records.tasks.insert_many(
        [
            a_task(1, pipeline_id="7", state=TaskState.RUNNING),
            a_task(2, pipeline_id="7", state=TaskState.QUEUED),
            a_task(3, pipeline_id="8", tenant="other", state=TaskState.RUNNING),
        ]
    )
    assert (await rest.get(path)).json()["running"] == 1


async def test_many_at_once_leave_one_limit(stand: Stand, rest: httpx.AsyncClient, path: str) -> None:
    answers = await asyncio.gather(*(rest.put(path, json={"max_running": number}) for number in range(1, 7)))
    assert [answer.status_code for answer in answers] == [200] * 6
    [gate] = await stand.records.gates.find({})
    assert 1 <= gate.maximum <= 6


@pytest.mark.parametrize("wish", [{}, {"max_running": -1}, {"max_running": 100_001}, {"max_running": "many"}])
async def test_limits_that_are_none(rest: httpx.AsyncClient, path: str, wish: dict[str, object]) -> None:
    body = problem(await rest.put(path, json=wish), 422, "invalid")
    assert str(body["detail"]).startswith("max_running: ")


async def test_limit_of_a_deleted_pipeline_can_still_be_cleared(stand: Stand, rest: httpx.AsyncClient) -> None:
    problem(await rest.delete("/limits/pipelines/9"), 404, "not_found")
    await stand.records.runs.insert(a_run(pipeline_id="9"))
    await stand.records.gates.insert(Gate(id=pipeline_gate("9"), maximum=1))
    assert (await rest.get("/limits/pipelines/9")).json()["max_running"] == 1
    assert (await rest.delete("/limits/pipelines/9")).status_code == 204
    assert await stand.records.gates.find({}) == []
