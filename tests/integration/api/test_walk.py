"""Every action and every route, called by another tenant with this one's ids, and by each role of its own. New ones are
found by themselves, in the registry and in the OpenAPI document."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from services.api.actions.registry import ACTIONS, Action
from shared.model.credential import Role
from tests.integration.api.stand import OTHER_ID, OTHER_KEY, OTHER_TENANT, TENANT, Stand
from tests.integration.api.test_roles import who
from tests.integration.api.walk import MARK, calls, everything_of, furnish, sample

STRANGER = {"secret_id": OTHER_ID, "secret_key": OTHER_KEY}


async def answer_of(client: httpx.AsyncClient, method: str, path: str, body: Any) -> tuple[int, str]:
    """Status and text; of a stream only what comes at once."""
    async with client.stream(method, path, json=body) as answer:
        if answer.headers.get("content-type", "").startswith("text/event-stream"):
            text = ""
            try:
                async with asyncio.timeout(0.3):
                    async for chunk in answer.aiter_text():
                        text += chunk
            except TimeoutError:
                pass
            return answer.status_code, text
        return answer.status_code, (await answer.aread()).decode()


def client_of(stand: Stand, secret_id: str, secret_key: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=stand.url, auth=(secret_id, secret_key), trust_env=False, timeout=30)


async def test_no_route_shows_or_changes_what_is_another_tenants(stand: Stand) -> None:
    own = await furnish(stand)
    before = await everything_of(stand, TENANT)
    told: dict[str, tuple[int, str]] = {}
    async with client_of(stand, **STRANGER) as client:
        for call in calls(own):
            told[call.name] = status, text = await answer_of(client, call.method, call.path, call.body)
            assert status < 500, (call, text)
            assert MARK not in text.replace(str(own["key"]), ""), (call, text)
            if call.owned:
                assert 400 <= status < 500, (call, status, text)
    assert await everything_of(stand, TENANT) == before
    strangers = await stand.records.audit.find({"tenant": TENANT, "actor.secret_id": OTHER_ID})
    assert strangers == []
    assert len(told) > 40


async def test_the_walk_would_see_it(stand: Stand) -> None:
    """The same calls by the tenant itself find what the stranger must not see."""
    own = await furnish(stand)
    seen = set()
    async with client_of(stand, **who(Role.ADMIN)) as client:
        for call in calls(own):
            if call.method == "GET":
                status, text = await answer_of(client, call.method, call.path, call.body)
                assert status < 500, (call, text)
                if MARK in text:
                    seen.add(call.name)
    owned = {call.name for call in calls(own) if call.method == "GET" and call.owned}
    assert {"list_runs", "show_run", "list_credentials", "show_credential", "list_audit", "list_deliveries"} <= seen
    assert len(seen) >= len(owned) // 2, (seen, owned)


@pytest.mark.parametrize("role", list(Role))
async def test_a_role_may_what_is_declared_and_nothing_else(stand: Stand, role: Role) -> None:
    own = await furnish(stand)
    before = await everything_of(stand, TENANT)
    allowed = []
    async with client_of(stand, **who(role)) as client:
        for call in calls(own):
            if call.needs is None:
                continue
            if role.covers(call.needs):
                allowed.append(call)
                continue
            status, text = await answer_of(client, call.method, call.path, call.body)
            assert (status, '"forbidden"' in text) == (403, True), (call, text)
        assert await everything_of(stand, TENANT) == before
        for call in allowed:
            status, text = await answer_of(client, call.method, call.path, call.body)
            assert status != 401, call
            assert "the credential's role is" not in text, (call, text)
            if role is Role.VIEWER and call.name not in ("inspect_media",):
                assert status < 500, (call, text)
        if role is Role.VIEWER:
            assert await everything_of(stand, TENANT) == before


def action_params(own: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """For each action its required members, and its members that name something of the tenant's."""
    ids = {
        "ScheduleId": int(own["pipeline_id"]),
        "WorkflowId": int(own["pipeline_id"]),
        "ScheduleIds": [int(own["pipeline_id"])],
        "WorkflowIds": [int(own["pipeline_id"])],
        "TaskId": own["run_id"],
        "Definition": own["definition"],
        "Definitions": [own["definition"]],
        "Keyword": "wort",
        "Keywords": ["wort"],
        "OperationType": "Abort",
    }
    for name, action in sorted(ACTIONS.items()):
        if isinstance(action, Action):
            schema = action.request.model_json_schema(by_alias=True)
            params = sample(schema, schema.get("$defs", {}), ids)
            yield name, {**params, **{key: value for key, value in ids.items() if key in schema["properties"]}}
        elif name.startswith("Describe"):
            yield name, {"Definitions": [own["definition"]]}
            yield name, {}
        else:
            yield (
                name,
                {"Definition": own["definition"], "Name": "taken"} if "Create" not in name else {"Name": "taken"},
            )


async def call(stand: Stand, action: str, params: dict[str, Any], **keys: str) -> tuple[str, str]:
    """Code and text of an answer."""
    client = stand.client(**keys)
    try:
        return "", str(await asyncio.to_thread(client.call_json, action, params))
    except Exception as error:  # noqa: BLE001 - whatever the SDK makes of it
        return str(getattr(error, "code", error)), str(error)


async def test_no_action_shows_or_changes_what_is_another_tenants(stand: Stand) -> None:
    own = await furnish(stand)
    before = await everything_of(stand, TENANT)
    seen = 0
    for action, params in action_params(own):
        code, text = await call(stand, action, params, **STRANGER)
        assert not code.startswith("InternalError"), (action, text)
        assert MARK not in text.replace(str(params), ""), (action, text)
        # Numbers of templates are each tenant's own: the stranger's walk has made one with this number itself.
        names_it = {"ScheduleId", "WorkflowId", "TaskId", "Keywords"} & params.keys()
        if names_it and not action.startswith("Describe"):
            assert code, (action, params, text)
        if action.startswith("Describe"):
            seen += MARK in (await call(stand, action, params))[1]
    assert await everything_of(stand, TENANT) == before
    assert seen >= 4
    assert all(one.tenant != OTHER_TENANT or one.name != MARK for one in await stand.records.pipelines.find({}))


@pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR])
async def test_a_role_may_the_actions_that_are_declared(stand: Stand, role: Role) -> None:
    own = await furnish(stand)
    before = await everything_of(stand, TENANT)
    for action, params in action_params(own):
        if not role.covers(ACTIONS[action].access.role):
            assert (await call(stand, action, params, **who(role)))[0] == "UnauthorizedOperation", action
    assert await everything_of(stand, TENANT) == before
    for action, params in action_params(own):
        if role.covers(ACTIONS[action].access.role) and action != "DescribeMediaMetaData":
            code, text = await call(stand, action, params, **who(role))
            assert code != "UnauthorizedOperation", action
            assert not code.startswith("InternalError"), (action, text)
    if role is Role.VIEWER:
        assert await everything_of(stand, TENANT) == before
