"""Functions: SCF and Lambda against emulators that check signatures, any HTTP function with the CloudEvents SDK."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_binary_event
from pydantic import SecretStr, ValidationError
from standardwebhooks import Webhook
from tencentcloud.common import credential
from tencentcloud.common.common_client import CommonClient
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile

from services.notifier.domain.notice import Notice
from services.notifier.settings import NotifierSettings
from services.notifier.sinks.calls import HttpCaller
from services.notifier.sinks.function import NONE, FunctionSink
from shared.adapters.aws import Aws
from shared.addresses import read_networks
from shared.sink_settings import Function, HttpFunction, LambdaFunction, ScfFunction
from tests.integration.notifier.api_emulators import SECRET_ID, SECRET_KEY, Lambda, Scf, emulating
from tests.integration.notifier.scripted_server import OK, answer, serving
from tests.integration.notifier.test_queue_sinks import event_body, parsed
from tests.unit.notifier.builders import KEY, RUN_ID
from tests.unit.notifier.test_queue_sink import long_event

LOOPBACK = read_networks(["127.0.0.0/8"])
ACCOUNT = "1250000000"


def notice(body: bytes | None = None, account: str = ACCOUNT) -> Notice:
    return Notice(f"{RUN_ID}:6:SCF", RUN_ID, "", body or event_body(), KEY, datetime.now(UTC), "00-a-b-01", account)


def scf(port: int, **changes: Any) -> ScfFunction:
    given = {
        "kind": "scf",
        "region": "ap-guangzhou",
        "function": "on-media",
        "secret_id": SECRET_ID,
        "secret_key": SecretStr(SECRET_KEY),
        "endpoint": f"http://127.0.0.1:{port}",
    }
    return ScfFunction(**{**given, **changes})


def lambda_of(port: int, **changes: Any) -> LambdaFunction:
    given = {
        "kind": "lambda",
        "region": "eu-west-1",
        "function": "on-media",
        "access_key": SECRET_ID,
        "secret_key": SecretStr(SECRET_KEY),
        "endpoint": f"http://127.0.0.1:{port}",
    }
    return LambdaFunction(**{**given, **changes})


async def told(function: Function, *notices: Notice) -> list[Any]:
    aws = Aws(timeout_s=5)
    try:
        async with HttpCaller(LOOPBACK) as caller:
            sink = FunctionSink({"*": function}, caller, aws)
            return [await sink.send(one) for one in notices]
    finally:
        await aws.close()


async def test_scf_is_invoked_with_the_event() -> None:
    async with emulating(Scf()) as server:
        body = event_body()
        (report,) = await told(scf(server.port), notice(body))
    assert report.delivered, report
    (taken,) = server.taken
    assert (taken["InvocationType"], taken["Namespace"], taken["Region"]) == ("Event", "default", "ap-guangzhou")
    assert taken["ClientContext"].encode() == body


async def test_emulator_of_scf_takes_what_the_official_sdk_signs() -> None:
    """So that the emulator is as strict as Tencent's own client needs, and no more lenient for us."""
    async with emulating(Scf()) as server:
        profile = ClientProfile(httpProfile=HttpProfile(protocol="http", endpoint=f"127.0.0.1:{server.port}"))
        keys = credential.Credential(SECRET_ID, SECRET_KEY)
        client = CommonClient("scf", "2018-04-16", keys, "ap-guangzhou", profile)
        call = {"FunctionName": "on-media", "InvocationType": "Event", "ClientContext": "{}"}
        said = await asyncio.to_thread(client.call_json, "Invoke", call)
    assert said["Response"]["RequestId"] == "r-1"
    assert len(server.taken) == 1


async def test_scf_refusals_are_failures_although_they_come_with_200() -> None:
    async with emulating(Scf()) as server:
        (wrong,) = await told(scf(server.port, secret_key=SecretStr("x")), notice())
        (nowhere,) = await told(scf(server.port, function="nowhere"), notice())
    assert (wrong.delivered, wrong.error[:32]) == (False, "SCF AuthFailure.SignatureFailure")
    assert (nowhere.delivered, nowhere.error[:29]) == (False, "SCF ResourceNotFound.Function")
    assert not server.taken


async def test_lambda_is_invoked_with_the_event() -> None:
    async with emulating(Lambda()) as server:
        body = event_body()
        (report,) = await told(lambda_of(server.port), notice(body))
        (wrong,) = await told(lambda_of(server.port, secret_key=SecretStr("x")), notice())
        (nowhere,) = await told(lambda_of(server.port, function="nowhere"), notice())
    assert (report.delivered, report.status) == (True, 202)
    assert server.taken == [{"type": "Event", "event": json.loads(body)}]
    assert (wrong.delivered, wrong.status) == (False, 403)
    assert (nowhere.delivered, nowhere.status) == (False, 404)
    assert "ResourceNotFoundException" in nowhere.error


@pytest.mark.parametrize("emulator", [Scf, Lambda])
async def test_event_that_is_too_long_for_a_function_is_sent_short(emulator: Any) -> None:
    async with emulating(emulator()) as server:
        function = scf(server.port) if emulator is Scf else lambda_of(server.port)
        (report,) = await told(function, notice(event_body(long_event())))
    assert report.delivered, report
    event = server.taken[0]["ClientContext"] if emulator is Scf else json.dumps(server.taken[0]["event"])
    assert "call DescribeTaskDetail" in parsed(event).ScheduleTaskEvent.Message


async def test_http_function_gets_a_cloudevent_that_the_sdk_reads() -> None:
    async with serving(OK) as server:
        sent = notice()
        (report,) = await told(HttpFunction(kind="http", url=server.url()), sent)
    assert report.delivered, report
    (request,) = server.requests
    event = from_binary_event(HTTPMessage(request.headers, request.body))
    assert (event.get_id(), event.get_type()) == (sent.id, "reelway.notification.v1")
    assert (event.get_source(), event.get_subject()) == ("/reelway/notifier", RUN_ID)
    assert event.get_datacontenttype() == "application/json"
    data: Any = event.get_data()
    assert data["ScheduleTaskEvent"]["TaskId"] == RUN_ID
    Webhook(KEY.encode()).verify(request.body, request.headers)


async def test_http_function_that_is_gone_is_tried_again() -> None:
    async with serving(answer(410)) as server:
        (report,) = await told(HttpFunction(kind="http", url=server.url()), notice())
    assert (report.delivered, report.gone, report.status) == (False, False, 410)


async def test_account_has_its_own_function_or_that_of_all_or_none() -> None:
    aws = Aws()
    async with serving(OK) as own, serving(OK) as rest, HttpCaller(LOOPBACK) as caller:
        functions = {ACCOUNT: HttpFunction(kind="http", url=own.url()), "*": HttpFunction(kind="http", url=rest.url())}
        await FunctionSink(functions, caller, aws).send(notice())
        await FunctionSink(functions, caller, aws).send(notice(account="2"))
        del functions["*"]
        report = await FunctionSink(functions, caller, aws).send(notice(account="2"))
    assert (len(own.requests), len(rest.requests), report.error) == (1, 1, NONE)


def test_functions_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = {"*": {"kind": "scf", "region": "ap-guangzhou", "function": "f", "secret_id": "i", "secret_key": "s3cret"}}
    monkeypatch.setenv("REELWAY_FUNCTIONS", json.dumps(wanted))
    settings = NotifierSettings()
    assert settings.functions["*"].kind == "scf"
    assert "s3cret" not in json.dumps(settings.model_dump(mode="json"))
    for bad in ("{", '{"*": {"kind": "fax"}}', '{"*": {"kind": "http", "url": "ftp://x/"}}'):
        monkeypatch.setenv("REELWAY_FUNCTIONS", bad)
        with pytest.raises(ValidationError, match="functions"):
            NotifierSettings()
