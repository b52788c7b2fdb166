"""Who may call, as the official SDK sees it."""

import asyncio
import json
from datetime import timedelta

import httpx
import pytest

from services.api.mps_face import MAX_BODY_BYTES
from tests.integration.api.stand import OTHER_ID, OTHER_KEY, TENANT, schedule

SIGNERS = ["TC3-HMAC-SHA256", "HmacSHA256", "HmacSHA1"]


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("sign", SIGNERS)
async def test_every_signature_and_method_of_the_sdk_creates_and_lists(stand, sign, method):
    created = await stand.call("CreateSchedule", schedule(OutputDir="/out put+%/"), sign=sign, method=method)
    listed = await stand.call("DescribeSchedules", {"ScheduleIds": [created.ScheduleId]}, sign=sign, method=method)
    info = listed.ScheduleInfoSet[0]
    assert (info.ScheduleName, info.OutputDir) == ("测试_demo-1", "/out put+%/")
    assert info.Activities[1].ActivityPara.TranscodeTask.Definition == 100020
    assert info.Activities[0].ReardriveIndex == [1, 2]


async def test_unsigned_payload_is_good(stand):
    assert (await stand.call("DescribeSchedules", unsigned=True)).TotalCount == 0


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("sign", SIGNERS)
async def test_wrong_secret_is_a_signature_failure(stand, sign, method):
    error = await stand.refusal("DescribeSchedules", {}, secret_key="wrong", sign=sign, method=method)
    assert error.code == "AuthFailure.SignatureFailure"


@pytest.mark.parametrize("sign", SIGNERS)
async def test_unknown_secret_id_is_named(stand, sign):
    error = await stand.refusal("DescribeSchedules", {}, secret_id="AKIDnobody", sign=sign)
    assert error.code == "AuthFailure.SecretIdNotFound"


@pytest.mark.parametrize("sign", SIGNERS)
@pytest.mark.parametrize("seconds", [-400, 400])
async def test_clock_that_is_off_is_an_expired_signature(stand, sign, seconds):
    stand.clock.advance(timedelta(seconds=seconds))
    error = await stand.refusal("DescribeSchedules", {}, sign=sign)
    assert error.code == "AuthFailure.SignatureExpire"


async def test_temporary_credentials_are_refused_as_such(stand):
    error = await stand.refusal("DescribeSchedules", {}, token="temporary")
    assert error.code == "AuthFailure.TokenFailure"


async def test_unsigned_calls_are_refused(stand):
    client = stand.client()
    request = {"Action": "DescribeSchedules"}
    async with httpx.AsyncClient() as http:
        answer = await http.post(stand.url, json=request, headers={"X-TC-Action": "DescribeSchedules"})
    assert answer.status_code == 200
    assert answer.json()["Response"]["Error"]["Code"] == "AuthFailure.InvalidAuthorization"
    with pytest.raises(Exception, match=r"AuthFailure\.InvalidAuthorization"):
        await asyncio.to_thread(client.call_json, "DescribeSchedules", {}, options={"SkipSign": True})


async def test_credential_that_was_disabled_is_unknown_once_the_memory_of_it_ends(stand):
    await stand.call("DescribeSchedules")
    await stand.records.credentials.change("AKIDlocal", lambda found: found.with_changes(disabled=True))
    stand.clock.advance(timedelta(seconds=31))
    error = await stand.refusal("DescribeSchedules", {})
    assert error.code == "AuthFailure.SecretIdNotFound"


async def test_second_start_keeps_the_bootstrap_credential(stand):
    assert not await stand.deps.credentials.ensure("AKIDlocal", "another", TENANT)
    assert (await stand.call("DescribeSchedules")).TotalCount == 0


async def test_answers_have_exactly_the_content_type_that_the_sdk_checks(stand):
    async with httpx.AsyncClient() as http:
        answer = await http.post(stand.url, content=b"{}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["Response"]["RequestId"]


async def test_messages_speak_the_language_of_the_caller(stand):
    chinese = await stand.refusal("EnableSchedule", {"ScheduleId": 1}, language="zh-CN")
    english = await stand.refusal("EnableSchedule", {"ScheduleId": 1}, language="en-US")
    form = await stand.refusal("EnableSchedule", {"ScheduleId": 1}, language="zh-CN", sign="HmacSHA256")
    assert chinese.message == form.message == f"资源不存在。{english.message}"
    assert english.message == "ScheduleId: there is no schedule 1"


async def test_endpoint_with_a_path_reaches_the_server(stand):
    endpoint = f"127.0.0.1:{stand.port}/mps"
    assert (await stand.call("DescribeSchedules", endpoint=endpoint)).TotalCount == 0


async def test_unknown_action_and_version(stand):
    error = await stand.refusal("FlyToTheMoon", {})
    assert error.code == "InvalidAction"
    client = stand.client()
    client._apiVersion = "2017-03-12"
    with pytest.raises(Exception, match="NoSuchVersion"):
        await asyncio.to_thread(client.call_json, "DescribeSchedules", {})


async def test_body_over_the_limit_is_refused_and_the_next_call_works(stand):
    error = await stand.refusal("DescribeTaskDetail", {"TaskId": "x" * MAX_BODY_BYTES})
    assert error.code == "RequestSizeLimitExceeded"
    assert (await stand.call("DescribeSchedules")).TotalCount == 0


async def test_deep_body_is_refused(stand):
    deep: dict = {}
    for _ in range(100):
        deep = {"A": deep}
    assert (await stand.refusal("CreateSchedule", deep)).code == "InvalidParameter"


async def test_one_idle_client_does_not_block_another(stand):
    clients = [stand.client() for _ in range(5)]
    for client in clients * 2:
        answer = await asyncio.to_thread(client.call_json, "DescribeSchedules", {})
        assert answer["Response"]["TotalCount"] == 0


async def test_store_that_is_away_is_a_database_error_and_heals(stand):
    from shared.ports.state import StateUnavailable

    stand.store.trouble = StateUnavailable("secret address 10.0.0.1")
    error = await stand.refusal("EnableSchedule", {"ScheduleId": 1})
    assert error.code == "InternalError.AccessDBError"
    assert "10.0.0.1" not in error.message
    stand.store.trouble = None
    assert (await stand.refusal("EnableSchedule", {"ScheduleId": 1})).code == "ResourceNotFound"


async def test_bug_is_an_internal_error_without_detail(stand):
    stand.store.trouble = KeyError("secret detail")
    error = await stand.refusal("EnableSchedule", {"ScheduleId": 1})
    assert error.code == "InternalError"
    assert "secret" not in error.message


async def test_tenants_do_not_see_each_others_schedules(stand):
    number = await stand.create()
    other = {"secret_id": OTHER_ID, "secret_key": OTHER_KEY}
    assert (await stand.call("DescribeSchedules", **other)).TotalCount == 0
    assert (await stand.call("DescribeSchedules", {"ScheduleIds": [number]}, **other)).TotalCount == 0
    for action in ("EnableSchedule", "DisableSchedule", "DeleteSchedule"):
        error = await stand.refusal(action, {"ScheduleId": number}, **other)
        assert error.code == "ResourceNotFound"
    assert (await stand.call("DescribeSchedules")).TotalCount == 1


async def test_health_and_metrics(stand):
    async with httpx.AsyncClient(base_url=stand.url) as http:
        good = await http.get("/healthz")
        assert (good.status_code, good.json()["ready"]) == (200, True)
        stand.objects.down = True
        bad = await http.get("/healthz")
        assert bad.status_code == 503
        assert bad.json()["checks"]["objects"].startswith("objects_unavailable")
        assert bad.json()["checks"]["state"] == "ok"
        assert "reelway_runs_started_total" in (await http.get("/metrics")).text
        assert (await http.get("/nothing/here")).status_code == 404


async def test_health_asks_the_peers():
    from tests.integration.api.stand import free_port, running_stand

    async with running_stand() as peer:
        urls = {"good": peer.url, "gone": f"http://127.0.0.1:{free_port()}"}
        async with running_stand(urls) as asking, httpx.AsyncClient() as http:
            answer = await http.get(f"{asking.url}/healthz")
            assert answer.status_code == 503
            peers = json.loads(answer.text)["peers"]
            assert peers["good"] == "ok"
            assert peers["gone"].startswith("ConnectError")
            peer.objects.down = True
            peers = (await http.get(f"{asking.url}/healthz")).json()["peers"]
            assert peers["good"] == "not ready (HTTP 503)"
