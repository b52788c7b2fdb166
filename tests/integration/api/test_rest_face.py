"""What all of REST has in common: who may call, and how refusals look."""

from __future__ import annotations

import asyncio
import base64

import httpx
import pytest

from shared.ids import run_id
from shared.ports.state import StateUnavailable
from tests.builders import a_pipeline, a_run
from tests.integration.api.stand import OTHER_ID, OTHER_KEY, OTHER_TENANT, SECRET_ID, SECRET_KEY, TENANT, Stand

RUNS = "/api/v1/runs"


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, object]:
    """The body of a refusal, after its shape was checked."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["status"], body["code"], body["type"]) == (status, code, f"urn:reelway:problem:{code}")
    assert body["title"]
    assert body["detail"]
    assert body["request_id"] == answer.headers["x-request-id"]
    return dict(body)


@pytest.mark.parametrize(
    "keys",
    [
        None,
        (SECRET_ID, "wrong"),
        (SECRET_ID, ""),
        (SECRET_ID, OTHER_KEY),
        ("AKIDnobody", SECRET_KEY),
        ("", ""),
        ("x" * 5000, SECRET_KEY),
    ],
)
async def test_strangers_are_turned_away(stand: Stand, keys: tuple[str, str] | None) -> None:
    async with httpx.AsyncClient(base_url=stand.url, auth=keys, trust_env=False) as client:
        for answer in (
            await client.get(RUNS),
            await client.post(f"{RUNS}/x/cancel"),
            await client.put("/api/v1/limits/tenant", json={"max_running": 1}),
        ):
            problem(answer, 401, "unauthorized")
            assert answer.headers["www-authenticate"].startswith("Basic")


@pytest.mark.parametrize(
    "header", ["Basic", "Basic %%%", "Bearer abc", f"Basic {base64.b64encode(b'no colon').decode()}", "Basic /////w=="]
)
async def test_headers_that_are_no_credentials_are_turned_away(stand: Stand, header: str) -> None:
    async with httpx.AsyncClient(base_url=stand.url, trust_env=False) as client:
        problem(await client.get(RUNS, headers={"authorization": header}), 401, "unauthorized")


async def test_what_belongs_to_another_tenant_is_not_there(stand: Stand) -> None:
    run = a_run(run_id=run_id(TENANT, "mine"), tenant=TENANT, pipeline_id="7")
    await stand.records.runs.insert(run)
    await stand.records.pipelines.insert(a_pipeline("7", tenant=TENANT))
    paths = [
        ("GET", f"/runs/{run.id}", None),
        *(("POST", f"/runs/{run.id}/{what}", None) for what in ("cancel", "pause", "resume", "nodes/0/retry")),
        ("POST", f"/runs/{run.id}/rerun", {}),
        ("POST", "/runs/rerun-failed", {"pipeline_id": "7"}),
        ("POST", "/pipelines/7/process", {}),
        ("GET", "/limits/pipelines/7", None),
        ("PUT", "/limits/pipelines/7", {"max_running": 1}),
        ("DELETE", "/limits/pipelines/7", None),
    ]
    async with stand.rest(OTHER_ID, OTHER_KEY) as other:
        for method, path, body in paths:
            problem(await other.request(method, path, json=body), 404, "not_found")
        assert (await other.get("/runs")).json()["runs"] == []
        assert (await other.get("/runs", params={"pipeline_id": "7"})).json()["runs"] == []
    assert await stand.records.runs.get(run.id) == run
    assert await stand.records.gates.find({}) == []
    assert stand.publisher.sent == []


async def test_limits_of_tenants_are_their_own(stand: Stand, rest: httpx.AsyncClient) -> None:
    await rest.put("/limits/tenant", json={"max_running": 3})
    async with stand.rest(OTHER_ID, OTHER_KEY) as other:
        assert (await other.get("/limits/tenant")).json()["max_running"] is None
        await other.put("/limits/tenant", json={"max_running": 5})
    assert {gate.id: gate.maximum for gate in await stand.records.gates.find({})} == {
        f"tenant:{TENANT}": 3,
        f"tenant:{OTHER_TENANT}": 5,
    }


async def test_fields_at_fault_are_named(rest: httpx.AsyncClient) -> None:
    answer = await rest.get("/runs", params={"limit": 0, "state": ["failed", "odd"], "from": "yesterday", "lmit": 3})
    errors = problem(answer, 422, "invalid")["errors"]
    assert isinstance(errors, list)
    assert [error["field"] for error in errors] == ["state[1]", "from", "limit", "lmit"]
    assert all(error["rule"] for error in errors)
    answer = await rest.post("/runs/x/cancel", params={"wait": 21})
    assert problem(answer, 422, "invalid")["detail"] == "wait: input should be less than or equal to 20"


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"null", b'"x"', b"\xff\xfe", b'{"max_running": NaN}'])
async def test_bodies_that_are_no_object_are_refused(rest: httpx.AsyncClient, body: bytes) -> None:
    answer = await rest.put("/limits/tenant", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422)
    problem(answer, answer.status_code, answer.json()["code"])


async def test_body_that_is_too_large_is_refused(rest: httpx.AsyncClient) -> None:
    answer = await rest.put("/limits/tenant", content=b"[" * (1024 * 1024 + 1))
    problem(answer, 413, "too_large")
    assert (await rest.get("/limits/tenant")).status_code == 200


async def test_unknown_places_and_methods(rest: httpx.AsyncClient) -> None:
    problem(await rest.get("/nothing/here"), 404, "not_found")
    problem(await rest.post("/nothing/here", json={}), 404, "not_found")
    assert "GET" in (await rest.patch("/runs")).headers["allow"]
    problem(await rest.patch("/runs"), 405, "method_not_allowed")


async def test_store_that_is_away_is_said_without_details(stand: Stand, rest: httpx.AsyncClient) -> None:
    stand.store.trouble = StateUnavailable("mongodb://user:secret@host is gone")
    answer = await rest.get("/runs/x")
    assert "secret" not in answer.text
    problem(answer, 503, "busy")
    assert answer.headers["retry-after"]


async def test_fault_of_ours_tells_only_the_request_id(stand: Stand, rest: httpx.AsyncClient) -> None:
    stand.store.trouble = ValueError("a secret inside")
    answer = await rest.get("/runs/x")
    assert "secret" not in answer.text
    problem(answer, 500, "internal")


async def test_document_is_served(stand: Stand) -> None:
    async with httpx.AsyncClient(base_url=stand.url, trust_env=False) as anybody:
        document = (await anybody.get("/api/v1/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    assert "/api/v1/runs/{run_id}/cancel" in document["paths"]


async def test_sdk_call_to_the_same_port_is_not_touched(stand: Stand) -> None:
    assert (await stand.call("DescribeSchedules")).TotalCount == 0
    async with asyncio.timeout(5), httpx.AsyncClient(base_url=stand.url, trust_env=False) as anybody:
        assert (await anybody.get("/healthz")).status_code == 200
