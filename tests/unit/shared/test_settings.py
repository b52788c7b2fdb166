"""Settings that all services share."""

from __future__ import annotations

import json

import pytest
import structlog
from pydantic import ValidationError

from shared import runtime
from shared.settings import ServiceSettings, without_userinfo

URL = "mongodb://reelway:s3cr3t@h1:27017,h2:27017/reelway?replicaSet=rs0&tlsCertificateKeyFilePassword=s3cr3t"


def test_start_logs_where_the_state_is_but_not_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REELWAY_STATE_URL", URL)
    seen: list[ServiceSettings] = []

    async def serve(_: str, settings: ServiceSettings, __: object) -> None:
        seen.append(settings)

    monkeypatch.setattr(runtime, "_serve", serve)
    monkeypatch.setattr(runtime, "configure_logging", lambda *_: None)
    with structlog.testing.capture_logs() as lines:
        runtime.run_service("test", ServiceSettings, serve)  # type: ignore[arg-type]
    (line,) = lines
    assert line["settings"]["state_url"] == "mongodb://h1:27017,h2:27017/reelway"
    assert "s3cr3t" not in json.dumps(lines)
    assert "s3cr3t" not in repr(seen[0])
    assert seen[0].state_url == URL


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite:////var/lib/a@b/state.db", "sqlite:////var/lib/a@b/state.db"),
        ("memory://", "memory://"),
        ("mongodb://host/db", "mongodb://host/db"),
        ("mongodb+srv://u:p@host/db", "mongodb+srv://host/db"),
        ("mongodb://u:p@ss@host/db", "mongodb://***"),
        ("mongodb://u:p/ss@host/db", "mongodb://***"),
        ("mongodb://u:p?ss@host/db", "mongodb://***"),
        ("u:p@host/db", "***"),
    ],
)
def test_userinfo_is_left_out_also_of_urls_that_are_malformed(url: str, said: str) -> None:
    assert without_userinfo(url) == said


def test_servers_are_read_with_ipv6_addresses() -> None:
    settings = ServiceSettings(kafka="kafka:9092, 127.0.0.1:1,[::1]:9093")
    assert settings.kafka_servers == (("kafka", 9092), ("127.0.0.1", 1), ("::1", 9093))


@pytest.mark.parametrize(
    "text",
    [
        *("", "kafka", "kafka:", ":9092", "kafka:0", "kafka:70000", "kafka:x", "ka fka:9092", "a:1,", "a:1/b"),
        *("::1:9092", "[::1]", "[::1:9092", "PLAINTEXT://kafka:9092", "u@kafka:9092"),
    ],
)
def test_servers_that_cannot_be_are_refused_at_start(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("REELWAY_KAFKA", text)
    with pytest.raises(ValidationError, match="is not host:port"):
        ServiceSettings()


def test_brackets_need_an_ipv6_address() -> None:
    with pytest.raises(ValidationError):
        ServiceSettings(kafka="[1::2::3]:9092")
