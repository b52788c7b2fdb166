"""Credentials and sessions over REST."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

from services.api.credentials import KEEP_S
from shared.model.credential import Credential
from tests.integration.api.stand import OTHER_ID, OTHER_KEY, SECRET_ID, SECRET_KEY, TENANT, Stand
from tests.integration.api.test_rest_face import problem

URL = "/credentials"
CSRF = "x-csrf-token"


async def made(rest: httpx.AsyncClient, role: str = "editor") -> dict[str, Any]:
    answer = await rest.post(URL, json={"name": "ann", "role": role})
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return dict(answer.json())


def keys_of(credential: dict[str, Any]) -> dict[str, str]:
    return {"secret_id": credential["secret_id"], "secret_key": credential["secret_key"]}


async def works(stand: Stand, keys: dict[str, str]) -> bool:
    """In both faces alike."""
    async with stand.rest(**keys) as client:
        by_rest = (await client.get("/runs")).status_code == 200
    try:
        await stand.call("DescribeSchedules", **keys)
    except TencentCloudSDKException:
        assert not by_rest
        return False
    assert by_rest
    return True


async def test_a_secret_key_is_told_once_and_stored_sealed(stand: Stand, rest: httpx.AsyncClient) -> None:
    credential = await made(rest)
    assert await works(stand, keys_of(credential))
    shown = (await rest.get(f"{URL}/{credential['secret_id']}")).json()
    assert {**shown, "secret_key": credential["secret_key"]} == credential
    listed = (await rest.get(URL)).json()["credentials"]
    assert {one["secret_id"] for one in listed} == {SECRET_ID, credential["secret_id"]}
    for collection in ("credentials", "audit", "answers"):
        for document in await stand.store.find(collection, {}):
            assert credential["secret_key"] not in str(document)
            assert SECRET_KEY not in str(document)


async def test_rotation_has_an_overlap(stand: Stand, rest: httpx.AsyncClient) -> None:
    stand.store_clock.advance(stand.clock.now() - stand.store_clock.now())
    first = await made(rest)
    url = f"{URL}/{first['secret_id']}/rotate"
    second = (await rest.post(url, json={"overlap_s": 3600})).json()
    assert [key["expires_at"] is None for key in second["keys"]] == [True, False]
    assert await works(stand, keys_of(first))
    assert await works(stand, keys_of(second))

    stand.clock.advance(timedelta(seconds=3601))
    assert not await works_by_rest(stand, first)
    assert await works_by_rest(stand, second)

    third = (await rest.post(url, json={"overlap_s": 0})).json()
    assert len(third["keys"]) == 1
    assert not await works_by_rest(stand, second)
    assert await works_by_rest(stand, third)


async def works_by_rest(stand: Stand, credential: dict[str, Any]) -> bool:
    async with stand.rest(**keys_of(credential)) as client:
        return (await client.get("/runs")).status_code == 200


async def test_a_third_rotation_keeps_two_keys(stand: Stand, rest: httpx.AsyncClient) -> None:
    credential = await made(rest)
    for _ in range(3):
        answer = (await rest.post(f"{URL}/{credential['secret_id']}/rotate", json={})).json()
    assert len(answer["keys"]) == 2
    assert not await works(stand, keys_of(credential))


async def test_a_disabled_credential_is_good_for_nothing(stand: Stand, rest: httpx.AsyncClient) -> None:
    credential = await made(rest)
    url = f"{URL}/{credential['secret_id']}"
    assert await works(stand, keys_of(credential))
    assert (await rest.post(f"{url}/disable")).json()["disabled"] is True
    assert not await works(stand, keys_of(credential))
    refused = await stand.refusal("DescribeSchedules", {}, **keys_of(credential))
    assert refused.code == "AuthFailure.SecretIdNotFound"
    await rest.post(f"{url}/enable")
    assert await works(stand, keys_of(credential))
    assert (await rest.delete(url)).status_code == 204
    assert not await works(stand, keys_of(credential))
    problem(await rest.get(url), 404, "not_found")


async def test_the_last_admin_stays(stand: Stand, rest: httpx.AsyncClient) -> None:
    await made(rest, "editor")
    problem(await rest.post(f"{URL}/{SECRET_ID}/disable"), 409, "last_admin")
    problem(await rest.delete(f"{URL}/{SECRET_ID}"), 409, "last_admin")
    await made(rest, "admin")
    assert (await rest.delete(f"{URL}/{SECRET_ID}")).status_code == 204


async def test_only_admins_and_only_of_the_tenant(stand: Stand, rest: httpx.AsyncClient) -> None:
    editor = await made(rest)
    async with stand.rest(**keys_of(editor)) as client:
        problem(await client.get(URL), 403, "forbidden")
        problem(await client.post(URL, json={"role": "admin"}), 403, "forbidden")
    async with stand.rest(OTHER_ID, OTHER_KEY) as client:
        problem(await client.get(f"{URL}/{editor['secret_id']}"), 404, "not_found")
        problem(await client.post(f"{URL}/{editor['secret_id']}/rotate", json={}), 404, "not_found")
        problem(await client.delete(f"{URL}/{editor['secret_id']}"), 404, "not_found")
        assert [one["secret_id"] for one in (await client.get(URL)).json()["credentials"]] == [OTHER_ID]


async def test_a_credential_of_an_older_version_is_sealed_when_it_is_met(stand: Stand) -> None:
    old = {"_id": "AKIDold", "version": 0, "secret_key": "plain", "tenant": TENANT, "disabled": False}
    await stand.store.insert("credentials", {**old, "created_at": "2026-01-01T00:00:00.000000Z"})
    assert await works(stand, {"secret_id": "AKIDold", "secret_key": "plain"})
    stored = await stand.store.get("credentials", "AKIDold")
    assert stored is not None
    assert "plain" not in str(stored)
    assert stored["version"] == 1
    stand.clock.advance(timedelta(seconds=KEEP_S + 1))
    assert await works_by_rest(stand, {"secret_id": "AKIDold", "secret_key": "plain"})


async def test_all_old_credentials_are_sealed_at_the_start(stand: Stand) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(3):
        await stand.records.credentials.insert(
            Credential(id=f"AKID{number}", secret_key=f"plain{number}", tenant=TENANT, created_at=at)
        )
    await stand.deps.credentials.seal_all()
    for number in range(3):
        assert f"plain{number}" not in str(await stand.store.get("credentials", f"AKID{number}"))
        known = await stand.deps.credentials.find(f"AKID{number}")
        assert known is not None
        assert known.secret_keys == (f"plain{number}",)


@pytest.fixture
async def browser(stand: Stand) -> Any:
    async with httpx.AsyncClient(base_url=f"{stand.url}/api/v1", trust_env=False) as client:
        yield client


async def log_in(browser: httpx.AsyncClient, **keys: str) -> dict[str, Any]:
    answer = await browser.post("/session", json=keys or {"secret_id": SECRET_ID, "secret_key": SECRET_KEY})
    assert answer.status_code == 200, answer.text
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "secure" not in cookie
    return dict(answer.json())


async def test_a_session_stands_for_its_credential(stand: Stand, browser: httpx.AsyncClient) -> None:
    problem(await browser.get("/session"), 401, "unauthorized")
    session = await log_in(browser)
    assert (await browser.get("/session")).json() == session
    assert session["role"] == "admin"
    assert (await browser.get("/runs")).status_code == 200
    wish = {"max_running": 3}
    problem(await browser.put("/limits/tenant", json=wish), 403, "csrf")
    problem(await browser.put("/limits/tenant", json=wish, headers={CSRF: "0" * 64}), 403, "csrf")
    good = {CSRF: session["csrf_token"]}
    assert (await browser.put("/limits/tenant", json=wish, headers=good)).status_code == 200
    for other in ({"origin": "https://evil.test"}, {"sec-fetch-site": "cross-site"}):
        problem(await browser.put("/limits/tenant", json=wish, headers={**good, **other}), 403, "cross_site")
    token = browser.cookies["reelway_session"]
    assert token not in str(await stand.store.find("sessions", {}))
    assert (await browser.delete("/session")).status_code == 204
    browser.cookies.set("reelway_session", token, domain="127.0.0.1", path="/api/v1")
    problem(await browser.get("/session"), 401, "unauthorized")


async def test_a_session_ends_with_its_time_and_with_its_credential(
    stand: Stand, rest: httpx.AsyncClient, browser: httpx.AsyncClient
) -> None:
    credential = await made(rest)
    url = f"{URL}/{credential['secret_id']}"
    await log_in(browser, **keys_of(credential))
    await rest.post(f"{url}/disable")
    problem(await browser.get("/runs"), 401, "unauthorized")
    await rest.post(f"{url}/enable")
    assert (await browser.get("/runs")).status_code == 200
    await rest.post(f"{url}/rotate", json={"overlap_s": 0})
    problem(await browser.get("/runs"), 401, "unauthorized")
    await log_in(browser)
    stand.store_clock.advance(timedelta(hours=12, seconds=1))
    problem(await browser.get("/runs"), 401, "unauthorized")


async def test_wrong_keys_open_no_session(browser: httpx.AsyncClient) -> None:
    for keys in (
        {"secret_id": SECRET_ID, "secret_key": "wrong"},
        {"secret_id": "AKIDnobody", "secret_key": SECRET_KEY},
    ):
        answer = await browser.post("/session", json=keys)
        problem(answer, 401, "unauthorized")
        assert "set-cookie" not in answer.headers
    forged = {"secret_id": SECRET_ID, "secret_key": SECRET_KEY}
    problem(await browser.post("/session", json=forged, headers={"origin": "http://evil.test"}), 403, "cross_site")


async def test_a_cookie_over_tls_is_secure(browser: httpx.AsyncClient) -> None:
    keys = {"secret_id": SECRET_ID, "secret_key": SECRET_KEY}
    answer = await browser.post("/session", json=keys, headers={"x-forwarded-proto": "https"})
    assert "secure" in answer.headers["set-cookie"].lower()
