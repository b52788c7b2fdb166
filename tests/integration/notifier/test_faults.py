"""Everything that can go wrong at the other end, through the whole notifier: bounded, logged, retried, in order."""

from __future__ import annotations

import asyncio
import ssl
import time
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from standardwebhooks import Webhook

from services.notifier.domain.notice import RESPONSE_KEPT_BYTES
from services.notifier.sinks.http import HttpSink
from shared.model.delivery import DeliveryState
from shared.model.pipeline import NotifyMode
from tests.integration.notifier.scripted_server import (
    DRIP,
    FLOOD,
    HALF_WAY,
    HANG,
    OK,
    RESET,
    STALL_IN_HEADERS,
    answer,
    serving,
)
from tests.integration.notifier.test_http_sink import BODY, LOOPBACK, notice
from tests.integration.notifier.test_notifier import Stand, run_for
from tests.unit.notifier.builders import KEY, until

FAULTS: dict[str, tuple[bytes | str, str, int | None]] = {
    "5xx": (answer(503, b"later"), "HTTP 503", 503),
    "4xx": (answer(404), "HTTP 404", 404),
    "429": (answer(429, Retry_After="20"), "HTTP 429", 429),
    "redirect to a metadata address": (
        answer(301, Location="http://169.254.169.254/latest/meta-data/"),
        "redirects are not followed",
        301,
    ),
    "hang": (HANG, "no answer within", None),
    "reset": (RESET, "Error", None),
    "half a header": (HALF_WAY, "Error", None),
    "slow drip": (DRIP, "no answer within", None),
    "stall in the headers": (STALL_IN_HEADERS, "no answer within", None),
    "endless headers": (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 100_000, "Error", None),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.9\r\n\r\n", "Error", None),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_fault_is_logged_and_tried_again_with_the_same_id(fault: str) -> None:
    act, error, status = FAULTS[fault]
    stand = Stand()
    began = time.monotonic()
    async with serving(act, OK) as server, stand.running():
        await stand.tell(run_for(server, mode=NotifyMode.FINISH))
        await until(stand.settled, "delivered after all", 30)
    assert time.monotonic() - began < 15
    (delivery,) = await stand.deliveries()
    failed, fine = delivery.attempts
    assert delivery.state is DeliveryState.DELIVERED
    assert (failed.status, fine.status) == (status, 200)
    assert error in (failed.error or ""), failed
    assert failed.latency_ms < 5000
    assert len({request.headers["webhook-id"] for request in server.requests}) == 1
    assert server.connections == 2
    for request in server.requests:  # Standard Webhooks' own library takes each of the attempts
        Webhook(KEY.encode()).verify(request.body, request.headers)


async def test_redirect_opens_no_connection_to_where_it_points() -> None:
    """The target of the redirect is a server that would count a connection."""
    async with serving(OK) as inside, HttpSink(LOOPBACK) as sink:
        for status in (301, 302, 303, 307, 308):
            async with serving(answer(status, Location=inside.url())) as server:
                report = await sink.send(notice(server.url()))
                assert (report.delivered, report.status) == (False, status)
    assert inside.connections == 0


async def test_huge_body_takes_no_memory_and_little_is_kept() -> None:
    async with serving(FLOOD) as server, HttpSink(LOOPBACK) as sink:
        await sink.send(notice(server.url()))
        tracemalloc.start()
        reports = await asyncio.gather(*(sink.send(notice(server.url())) for _ in range(8)))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert all(report.delivered and len(report.response or "") == RESPONSE_KEPT_BYTES for report in reports)
    assert peak < 16 * 1024 * 1024


async def test_slow_drip_ends_with_the_deadline_although_something_always_comes() -> None:
    async with serving(DRIP) as server, HttpSink(LOOPBACK, timeout_s=0.5) as sink:
        began = time.monotonic()
        report = await sink.send(notice(server.url()))
        assert time.monotonic() - began < 3
    assert (report.delivered, report.answered) == (False, False)


# -- TLS ------------------------------------------------------------------------------------------------------------


def certificate(folder: Path, name: str, *, days: int = 2) -> tuple[Path, Path]:
    """A self-signed certificate and its key; with negative days one that has run out."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=10))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / f"{name}{days}.pem", folder / f"{name}{days}.key"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    no_password = serialization.NoEncryption()
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, no_password))
    return paths


def server_context(folder: Path, name: str, **more: Any) -> tuple[ssl.SSLContext, Path]:
    chain, key = certificate(folder, name, **more)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    return context, chain


def trusting(chain: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(chain))


async def told_over_tls(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext | None, host: str) -> Any:
    async with serving(OK, tls=server_tls) as server, HttpSink(LOOPBACK, ssl_context=client_tls) as sink:
        report = await sink.send(notice(server.url(host).replace("http://", "https://")))
        return report, server.requests


async def test_good_certificate_is_taken_and_checked_against_the_name(tmp_path: Path) -> None:
    context, chain = server_context(tmp_path, "localhost")
    report, requests = await told_over_tls(context, trusting(chain), "localhost")
    assert report.delivered, report
    assert requests[0].body == BODY


@pytest.mark.parametrize(
    ("name", "days", "trusted", "why"),
    [
        ("localhost", 2, False, "self-signed certificate"),
        ("localhost", -1, True, "certificate has expired"),
        ("other.example", 2, True, "Hostname mismatch"),
    ],
)
async def test_bad_certificate_is_a_failure_before_anything_is_sent(
    name: str, days: int, trusted: bool, why: str, tmp_path: Path
) -> None:
    context, chain = server_context(tmp_path, name, days=days)
    report, requests = await told_over_tls(context, trusting(chain) if trusted else None, "localhost")
    assert (report.delivered, report.status) == (False, None)
    assert why in (report.error or "")
    assert requests == []


async def test_environment_cannot_make_a_bad_certificate_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, chain = server_context(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(chain))
    report, requests = await told_over_tls(context, None, "localhost")
    assert not report.delivered
    assert requests == []
