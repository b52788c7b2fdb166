"""Idempotency-Key: the same call again is answered as before and done once."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import httpx
import pytest

from services.api.dependencies import Context
from services.api.domain.problems import Problem
from services.api.repeats import CLAIMED_FOR, KEPT_FOR, Told, told_once
from tests.builders import a_pipeline
from tests.integration.api.stand import BUCKET, OTHER_ID, OTHER_KEY, TENANT, Stand
from tests.integration.api.test_rest_face import problem

PROCESS = "/pipelines/7/process"


@pytest.fixture
async def objects(stand: Stand) -> None:
    await stand.records.pipelines.insert(a_pipeline("7"))
    for number in range(3):
        stand.objects.put(BUCKET, f"in/{number}.mp4")


@pytest.mark.usefixtures("objects")
async def test_repeated_call_is_answered_as_the_first_time(stand: Stand, rest: httpx.AsyncClient) -> None:
    wish, key = {"prefix": "in/"}, {"Idempotency-Key": "one"}
    first = await rest.post(PROCESS, json=wish, headers=key)
    stand.objects.put(BUCKET, "in/late.mp4")
    again = await rest.post(PROCESS, json=wish, headers=key)
    assert first.status_code == again.status_code == 200
    assert [one["outcome"] for one in first.json()["objects"]] == ["started"] * 3
    assert again.content == first.content
    assert again.headers["content-type"] == first.headers["content-type"]
    assert (first.headers.get("idempotency-replayed"), again.headers["idempotency-replayed"]) == (None, "true")
    anew = await rest.post(PROCESS, json=wish, headers={"Idempotency-Key": "two"})
    assert len(anew.json()["objects"]) == 4


@pytest.mark.usefixtures("objects")
async def test_key_of_another_call_is_refused_and_told(rest: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "one"}
    await rest.post(PROCESS, json={"prefix": "in/"}, headers=key)
    for path, body in ((PROCESS, {"prefix": "out/"}), (f"{PROCESS}?a=1", {"prefix": "in/"})):
        refused = problem(await rest.post(path, json=body, headers=key), 422, "idempotency_key_reused")
        assert refused["errors"][0]["field"] == "Idempotency-Key"
    for bad in ("", "x" * 256):
        answer = await rest.post(PROCESS, json={}, headers={"Idempotency-Key": bad})
        assert problem(answer, 422, "invalid")["errors"][0]["field"] == "Idempotency-Key"


@pytest.mark.usefixtures("objects")
async def test_refused_call_is_not_kept_and_no_key_reaches_another_tenant(
    stand: Stand, rest: httpx.AsyncClient
) -> None:
    key = {"Idempotency-Key": "one"}
    problem(await rest.post("/pipelines/8/process", json={}, headers=key), 404, "not_found")
    await stand.records.pipelines.insert(a_pipeline("8", name="eight"))
    assert (await rest.post("/pipelines/8/process", json={}, headers=key)).status_code == 200
    async with stand.rest(OTHER_ID, OTHER_KEY) as other:
        problem(await other.post("/pipelines/8/process", json={}, headers=key), 404, "not_found")
    problem(await rest.post(PROCESS, json={}, headers=key, auth=("AKIDlocal", "wrong")), 401, "unauthorized")


def context_of(stand: Stand, request_id: str) -> Context:
    return Context(TENANT, request_id, stand.deps)


async def test_of_many_calls_at_once_one_is_done(stand: Stand) -> None:
    done = 0

    async def work() -> Told:
        nonlocal done
        done += 1
        await asyncio.sleep(0)
        return Told(201, "{}")

    calls = [told_once("k", "m", work, context_of(stand, str(number))) for number in range(20)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert done == 1
    for answer in answers:
        assert isinstance(answer, Told) or (isinstance(answer, Problem) and answer.kind == "in_progress"), answer
    assert (await told_once("k", "m", work, context_of(stand, "late"))).repeated


async def test_claim_of_a_dead_process_runs_out_and_answers_are_swept(stand: Stand) -> None:
    async def dies() -> Told:
        raise SystemExit

    async def lives() -> Told:
        return Told(200, "{}")

    async def stays(*_: object) -> bool:
        return False  # the process is gone before it can take its claim back

    answers = stand.records.answers
    delete, answers.delete = answers.delete, stays  # type: ignore[method-assign]
    with pytest.raises(SystemExit):
        await told_once("k", "m", dies, context_of(stand, "1"))
    answers.delete = delete  # type: ignore[method-assign]
    with pytest.raises(Problem, match="try again"):
        await told_once("k", "m", lives, context_of(stand, "2"))
    stand.store_clock.advance(CLAIMED_FOR)
    assert not (await told_once("k", "m", lives, context_of(stand, "3"))).repeated
    assert (await told_once("k", "m", lives, context_of(stand, "4"))).repeated
    stand.store_clock.advance(KEPT_FOR + CLAIMED_FOR + timedelta(seconds=1))
    await told_once("other", "m", lives, context_of(stand, "5"))
    assert await answers.count({}) == 1
