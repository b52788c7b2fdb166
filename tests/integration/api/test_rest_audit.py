"""The audit log over REST."""

from __future__ import annotations

from datetime import timedelta

import httpx

from tests.integration.api.stand import OTHER_ID, OTHER_KEY, SECRET_ID, Stand
from tests.integration.api.test_cli import reelway, reelway_json
from tests.integration.api.test_rest_face import problem


async def test_the_log_is_searched_and_turned_page_by_page(stand: Stand, rest: httpx.AsyncClient) -> None:
    number = await stand.create(ScheduleName="one")
    for maximum in range(4):
        await rest.put("/limits/tenant", json={"max_running": maximum})
    stand.store_clock.advance(timedelta(hours=1))
    await stand.call("EnableSchedule", {"ScheduleId": number})
    await stand.call("DescribeSchedules")

    everything = (await rest.get("/audit")).json()["records"]
    assert everything[0]["action"] == "EnableSchedule"
    assert sorted(record["action"] for record in everything[1:]) == ["CreateSchedule", *["set_tenant_limit"] * 4]
    assert everything[0]["actor"]["secret_id"] == SECRET_ID
    assert (await rest.get(f"/audit/{everything[1]['id']}")).json() == everything[1]

    turned = []
    cursor = None
    while True:
        page = (await rest.get("/audit", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
        turned += page["records"]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert turned == everything

    async def actions(**wanted: str) -> list[str]:
        answer = await rest.get("/audit", params=wanted)
        assert answer.status_code == 200, answer.text
        return [record["action"] for record in answer.json()["records"]]

    assert await actions(object=str(number)) == ["EnableSchedule", "CreateSchedule"]
    assert await actions(object=str(number)[:-1]) == []
    assert await actions(kind="limit", limit="1") == ["set_tenant_limit"]
    assert await actions(action="CreateSchedule", actor=SECRET_ID) == ["CreateSchedule"]
    assert await actions(actor="AKIDnobody") == []
    since = (stand.store_clock.now() - timedelta(minutes=1)).isoformat()
    assert await actions(**{"from": since}) == ["EnableSchedule"]
    assert len(await actions(to=since)) == 5


async def test_the_log_is_the_tenants_own(stand: Stand, rest: httpx.AsyncClient) -> None:
    await stand.create()
    [record] = (await rest.get("/audit")).json()["records"]
    async with stand.rest(OTHER_ID, OTHER_KEY) as client:
        assert (await client.get("/audit")).json() == {"records": [], "cursor": None}
        problem(await client.get(f"/audit/{record['id']}"), 404, "not_found")
    problem(await rest.get("/audit", params={"cursor": "x"}), 422, "invalid")


async def test_the_command_line_makes_and_rotates_credentials_and_shows_the_log(stand: Stand) -> None:
    made = await reelway_json(stand, "credentials", "create", "--role", "editor", "--name", "ann")
    rotated = await reelway_json(stand, "credentials", "rotate", made["secret_id"], "--overlap", "1")
    assert rotated["secret_key"] != made["secret_key"]
    assert (await reelway_json(stand, "credentials", "disable", made["secret_id"]))["disabled"] is True
    await reelway_json(stand, "credentials", "delete", made["secret_id"])
    listed = await reelway_json(stand, "credentials", "list")
    assert [one["secret_id"] for one in listed["credentials"]] == [SECRET_ID]
    records = (await reelway_json(stand, "audit", "--object", made["secret_id"]))["records"]
    verbs = ("delete", "disable", "rotate", "create")
    assert [record["action"] for record in records] == [f"{verb}_credential" for verb in verbs]
    people = (await reelway(stand, "audit", "--details")).stdout
    assert "delete_credential" in people
    assert made["secret_key"] not in people
