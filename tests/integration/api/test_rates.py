"""Limits on calls per second, and what no browser of another site gets."""

from __future__ import annotations

import dataclasses
import uuid

import httpx

from services.api.domain.tracing import traceparent
from services.api.http_app import create_app
from services.api.rates import Rates
from shared.model.run import Run
from tests.integration.api.stand import SECRET_ID, SECRET_KEY, Stand
from tests.integration.api.test_rest_face import problem
from tests.integration.api.test_rest_process import put_pipeline


async def test_too_many_calls_are_told_when_to_come_back(stand: Stand) -> None:
    stopped = Rates(1, lambda: 0.0)
    app = create_app(dataclasses.replace(stand.deps, rates=stopped))
    for _ in range(20):
        stopped.take("1250000000", "CreateSchedule")
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://api/api/v1", auth=(SECRET_ID, SECRET_KEY)
    ) as client:
        answers = [await client.get("/limits/tenant") for _ in range(102)]
        assert [answer.status_code for answer in answers] == [200] * 100 + [429] * 2
        problem(answers[-1], 429, "rate_limited")
        assert answers[-1].headers["retry-after"] == "1"
        assert (await client.get("/runs")).status_code == 200
        logins = [
            (await client.post("/session", json={"secret_id": "a", "secret_key": "b"})).status_code for _ in range(4)
        ]
        assert logins == [401, 401, 429, 429]


async def test_the_sdk_is_told_the_documented_code(stand: Stand) -> None:
    stopped = Rates(1, lambda: 0.0)
    for _ in range(20):
        stopped.take("1250000000", "ParseNotification")
    object.__setattr__(stand.deps, "rates", stopped)
    refused = await stand.refusal("ParseNotification", {"Content": "{}"})
    assert refused.code == "RequestLimitExceeded"
    chinese = await stand.refusal("ParseNotification", {"Content": "{}"}, language="zh-CN")
    assert "频率限制" in chinese.message


async def test_no_other_site_may_read_or_write(stand: Stand) -> None:
    async with httpx.AsyncClient(base_url=stand.url, trust_env=False) as client:
        asked = {"origin": "https://evil.test", "access-control-request-method": "PUT"}
        for path in ("/api/v1/limits/tenant", "/"):
            answer = await client.options(path, headers=asked)
            assert answer.status_code in (401, 404, 405)
            assert not any(name.startswith("access-control") for name in answer.headers)
        answer = await client.get("/api/v1/runs", headers={"origin": "https://evil.test"}, auth=(SECRET_ID, SECRET_KEY))
        assert not any(name.startswith("access-control") for name in answer.headers)


async def test_what_a_call_starts_is_found_by_its_request_id(stand: Stand) -> None:
    pipeline = await put_pipeline(stand)
    stand.objects.put(pipeline.trigger.bucket, f"{pipeline.trigger.dir.removeprefix('/')}a.mp4")
    async with stand.rest() as client:
        answer = await client.post(f"/pipelines/{pipeline.id}/process", json={})
    assert answer.json()["objects"][0]["outcome"] == "started", answer.text
    [run] = await stand.records.runs.find({})
    assert isinstance(run, Run)
    assert run.traceparent == traceparent(answer.headers["x-request-id"])
    number = uuid.uuid4()
    assert traceparent(str(number)).split("-")[1] == number.hex
