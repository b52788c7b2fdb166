"""The HTTP callback against real servers that behave well and badly."""

from __future__ import annotations

import base64
import hashlib
import hmac
import socket
import time
from datetime import timedelta
from typing import Any

import httpcore
import pytest

from services.notifier.domain.notice import RESPONSE_KEPT_BYTES, Notice
from services.notifier.sinks.checked_network import CheckedNetwork
from services.notifier.sinks.http import USER_AGENT, HttpSink
from shared.addresses import read_networks
from tests.integration.notifier.scripted_server import FLOOD, HANG, OK, RESET, STALL_IN_BODY, answer, serving
from tests.unit.notifier.builders import KEY, START

LOOPBACK = read_networks(["127.0.0.0/8", "::1/128"])
BODY = '{"EventType":"ScheduleTask","名":1}'.encode()


def notice(target: str, **changes: Any) -> Notice:
    given = {"id": "run:1:URL", "run_id": "run", "target": target, "body": BODY, "key": KEY, "at": START}
    return Notice(**{**given, **changes})


async def test_post_is_what_the_contract_says() -> None:
    async with serving(OK) as server, HttpSink(LOOPBACK) as sink:
        report = await sink.send(notice(server.url(), traceparent="00-a-b-01"))
    assert report.delivered
    assert (report.status, report.response) == (200, '{"code":0}')
    (request,) = server.requests
    assert request.line == "POST /hook?a=b%20c HTTP/1.1"
    assert request.body == BODY
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"] == USER_AGENT
    assert request.headers["host"] == f"127.0.0.1:{server.port}"
    assert request.headers["traceparent"] == "00-a-b-01"
    signed = b".".join((b"run:1:URL", str(int(START.timestamp())).encode(), BODY))
    mac = base64.b64encode(hmac.new(KEY.encode(), signed, hashlib.sha256).digest()).decode()
    assert request.headers["webhook-signature"] == f"v1,{mac}"


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_any_2xx_is_delivered(status: int) -> None:
    async with serving(answer(status)) as server, HttpSink(LOOPBACK) as sink:
        assert (await sink.send(notice(server.url()))).delivered


@pytest.mark.parametrize("status", [400, 404, 500, 503])
async def test_error_status_is_a_failure_with_its_answer(status: int) -> None:
    async with serving(answer(status, b"no room")) as server, HttpSink(LOOPBACK) as sink:
        report = await sink.send(notice(server.url()))
    assert (report.delivered, report.status, report.error) == (False, status, f"HTTP {status}")
    assert (report.response, report.gone, report.answered) == ("no room", False, True)


async def test_retry_after_and_gone_are_understood() -> None:
    async with serving(answer(429, Retry_After="30"), answer(410)) as server, HttpSink(LOOPBACK) as sink:
        assert (await sink.send(notice(server.url()))).retry_after == timedelta(seconds=30)
        assert (await sink.send(notice(server.url()))).gone


async def test_redirect_is_never_followed() -> None:
    redirect = answer(301, Location="http://169.254.169.254/latest/meta-data/")
    async with serving(redirect) as server, HttpSink(LOOPBACK) as sink:
        report = await sink.send(notice(server.url()))
    assert (report.delivered, report.status) == (False, 301)
    assert "redirects are not followed (to http://169.254.169.254" in (report.error or "")
    assert len(server.requests) == 1


async def test_server_that_hangs_is_given_up_in_time() -> None:
    async with serving(HANG) as server, HttpSink(LOOPBACK, timeout_s=0.3) as sink:
        began = time.monotonic()
        report = await sink.send(notice(server.url()))
        assert time.monotonic() - began < 3
    assert (report.delivered, report.answered, report.error) == (False, False, "no answer within 0.3 s")


async def test_reset_and_refused_connections_are_failures() -> None:
    async with serving(RESET) as server, HttpSink(LOOPBACK) as sink:
        report = await sink.send(notice(server.url()))
        assert not report.delivered
        assert not report.answered
    async with HttpSink(LOOPBACK) as sink:
        report = await sink.send(notice(server.url()))
    assert "ConnectError" in (report.error or "")


async def test_header_decides_although_the_body_stalls() -> None:
    async with serving(STALL_IN_BODY) as server, HttpSink(LOOPBACK, timeout_s=0.3) as sink:
        assert (await sink.send(notice(server.url()))).delivered


async def test_endless_answer_is_cut_off() -> None:
    async with serving(FLOOD) as server, HttpSink(LOOPBACK) as sink:
        report = await sink.send(notice(server.url()))
    assert report.delivered
    assert len(report.response or "") == RESPONSE_KEPT_BYTES
    assert server.flooded < 64 * 1024 * 1024


async def test_nonsense_instead_of_http_is_a_failure() -> None:
    async with serving(b"hello there\r\n\r\n") as server, HttpSink(LOOPBACK) as sink:
        assert "RemoteProtocolError" in ((await sink.send(notice(server.url()))).error or "")


async def test_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with serving(OK) as server, HttpSink(LOOPBACK) as sink:
        assert (await sink.send(notice(server.url()))).delivered


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0177.0.0.1",
        "0x7f000001",
        "0x7f.1",
        "127.1",
        "0.0.0.0",  # noqa: S104 - called, not bound to
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::]",
        "169.254.169.254",
        "10.0.0.1",
    ],
)
async def test_inside_hosts_are_refused_in_every_notation(host: str) -> None:
    async with serving(OK) as server, HttpSink() as sink:
        report = await sink.send(notice(server.url(host)))
    assert not report.delivered
    assert report.status is None
    assert "must not be called" in (report.error or "") or "InvalidURL" in (report.error or ""), report
    assert server.connections == 0


async def test_ipv6_literal_is_called_where_allowed() -> None:
    async with serving(OK, host="::1") as server, HttpSink(LOOPBACK) as sink:
        assert (await sink.send(notice(server.url("[::1]")))).delivered
    assert server.requests[0].headers["host"] == f"[::1]:{server.port}"


@pytest.mark.parametrize("target", ["", "no url", "ftp://127.0.0.1/x", "http://", "http://[::1", "http://a b/"])
async def test_bad_target_is_a_failure(target: str) -> None:
    async with HttpSink(LOOPBACK) as sink:
        report = await sink.send(notice(target))
    assert not report.delivered
    assert report.error


class Rebinding(CheckedNetwork):
    """A DNS that says another address each time it is asked."""

    def __init__(self, *answers: list[str]) -> None:
        self.seen: list[str] = []
        super().__init__((), _Recorder(self.seen))
        self.answers = list(answers)
        self.asked = 0

    async def resolve(self, host: str) -> list[str]:
        self.asked += 1
        return self.answers.pop(0)


class _Recorder(httpcore.AsyncNetworkBackend):
    """Connects to nothing and says where it was to connect to."""

    def __init__(self, seen: list[str]) -> None:
        self._seen = seen

    async def connect_tcp(self, host: str, *args: Any, **kwargs: Any) -> httpcore.AsyncNetworkStream:
        self._seen.append(host)
        raise httpcore.ConnectError("not connected, on purpose")


async def test_connection_goes_to_the_address_that_was_checked() -> None:
    network = Rebinding(["1.1.1.1"], ["127.0.0.1"])
    async with HttpSink(network=network) as sink:
        await sink.send(notice("http://rebinding.example/"))
        assert network.asked == 1
        refused = await sink.send(notice("http://rebinding.example/"))
    assert network.seen == ["1.1.1.1"]
    assert "127.0.0.1 is a loopback address" in (refused.error or "")


async def test_host_that_is_partly_inside_is_refused_as_a_whole() -> None:
    network = Rebinding(["1.1.1.1", "10.0.0.1"])
    async with HttpSink(network=network) as sink:
        report = await sink.send(notice("http://mixed.example/"))
    assert "10.0.0.1 is a private address" in (report.error or "")
    assert network.seen == []


async def test_every_address_is_tried() -> None:
    network = Rebinding(["1.1.1.1", "8.8.8.8"])
    async with HttpSink(network=network) as sink:
        await sink.send(notice("http://two.example/"))
    assert network.seen == ["1.1.1.1", "8.8.8.8"]


async def test_unknown_host_is_a_failure_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    async with HttpSink() as sink:
        report = await sink.send(notice("http://nowhere.example/"))
    assert "cannot resolve nowhere.example" in (report.error or "")
