from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from services.local.credentials import new_credentials
from services.local.data_folder import DataFolder
from services.local.ports import PortChoice
from services.local.service_specs import SERVICES, Wiring, healthy, service_specs, sqlite_url
from services.workers.settings import WorkerSettings
from shared.settings import ServiceSettings


@pytest.fixture
async def wiring(tmp_path: Path) -> AsyncIterator[Wiring]:
    async with httpx.AsyncClient() as client:
        folder = DataFolder(tmp_path)
        yield Wiring(
            folder=folder,
            credentials=new_credentials("media"),
            kafka="127.0.0.1:1",
            kafka_is_embedded=True,
            s3_endpoint="http://127.0.0.1:2",
            state_url=sqlite_url(folder.state),
            api_port=3,
            ports=PortChoice(),
            client=client,
            stop_grace_s=10,
        )


async def test_every_service_has_its_own_health_port_and_log(wiring: Wiring) -> None:
    specs = service_specs(wiring)
    assert tuple(spec.name for spec in specs) == SERVICES
    assert len({spec.env["REELWAY_HEALTH_PORT"] for spec in specs}) == len(SERVICES)
    assert len({spec.log for spec in specs}) == len(SERVICES)
    assert {spec.env["REELWAY_STATE_URL"] for spec in specs} == {f"sqlite:///{wiring.folder.root}/state.db"}


async def test_what_the_embedded_broker_can_is_no_question_of_taste(
    wiring: Wiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REELWAY_IDEMPOTENT_PRODUCER", "true")
    monkeypatch.setenv("REELWAY_REPLICATION", "3")
    for spec in service_specs(wiring):
        settings = settings_of(spec.env, monkeypatch)
        assert (settings.kafka, settings.kafka_forgets, settings.fetch_wait_ms) == ("127.0.0.1:1", True, 15)
        assert (settings.replication, settings.idempotent_producer) == (1, False)


async def test_a_kafka_of_the_users_own_is_used_as_the_users_variables_say(
    wiring: Wiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = replace(wiring, kafka="k1:9092,k2:9092", kafka_is_embedded=False)
    for spec in service_specs(theirs):
        settings = settings_of(spec.env, monkeypatch)
        assert settings.kafka_servers == (("k1", 9092), ("k2", 9092))
        assert (settings.kafka_forgets, settings.fetch_wait_ms) == (False, 500)
        assert (settings.replication, settings.idempotent_producer) == (1, True)
    monkeypatch.setenv("REELWAY_IDEMPOTENT_PRODUCER", "false")
    monkeypatch.setenv("REELWAY_REPLICATION", "3")
    for spec in service_specs(theirs):
        settings = settings_of(spec.env, monkeypatch)
        assert (settings.replication, settings.idempotent_producer) == (3, False)


def settings_of(env: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> ServiceSettings:
    """What a service with this environment reads."""
    with monkeypatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("REELWAY_")]:
            patch.delenv(name)
        for name, value in env.items():
            if name.startswith("REELWAY_"):
                patch.setenv(name, value)
        return ServiceSettings()


async def test_only_the_api_is_told_the_secret_key_of_the_tenant(wiring: Wiring) -> None:
    secret = wiring.credentials.secret_key
    assert [spec.name for spec in service_specs(wiring) if secret in spec.env.values()] == ["api"]


async def test_no_secret_is_on_a_command_line(wiring: Wiring) -> None:
    credentials = wiring.credentials
    arguments = " ".join(argument for spec in service_specs(wiring) for argument in spec.argv)
    assert credentials.secret_key not in arguments
    assert credentials.s3_secret_key not in arguments


async def test_api_knows_where_the_health_of_the_others_is(wiring: Wiring) -> None:
    specs = {spec.name: spec for spec in service_specs(wiring)}
    peers = dict(part.split("=") for part in specs["api"].env["REELWAY_HEALTH_PEERS"].split(","))
    assert peers == {
        name: f"http://127.0.0.1:{specs[name].env['REELWAY_HEALTH_PORT']}" for name in SERVICES if name != "api"
    }


@pytest.mark.parametrize("stop_grace_s", [0, 1.5, 6.9, 7, 10, 60.3])
async def test_worker_gives_its_tasks_back_before_the_supervisor_loses_patience(
    wiring: Wiring, monkeypatch: pytest.MonkeyPatch, stop_grace_s: float
) -> None:
    monkeypatch.setenv("REELWAY_GRACE_S", "19")  # the user's own, which need not fit
    spec = next(spec for spec in service_specs(replace(wiring, stop_grace_s=stop_grace_s)) if spec.name == "workers")
    monkeypatch.delenv("REELWAY_GRACE_S")
    for name, value in spec.env.items():
        if name.startswith("REELWAY_"):
            monkeypatch.setenv(name, value)
    settings = WorkerSettings()
    assert settings.stop_timeout_s <= spec.grace_s
    assert spec.env.get("REELWAY_GRACE_S") != "19"
    if stop_grace_s >= 7:
        assert settings.grace_s + 5 <= settings.stop_timeout_s < spec.grace_s
    if stop_grace_s == 10:
        assert (settings.grace_s, settings.stop_timeout_s) == (3, 8)


async def test_every_service_ends_by_itself_before_it_is_killed(wiring: Wiring) -> None:
    for spec in service_specs(wiring):
        assert float(spec.env["REELWAY_STOP_TIMEOUT_S"]) < spec.grace_s


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (200, {"ready": True}, None),
        (503, {"checks": {"bus": "unavailable", "state": "ok"}}, "bus: unavailable"),
        (503, {"checks": {}}, "http://service/healthz answers 503"),
    ],
)
async def test_health_says_what_is_wrong(status: int, body: dict[str, object], reason: str | None) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(status, json=body))
    async with httpx.AsyncClient(transport=transport) as client:
        assert await healthy(client, "http://service/healthz") == reason
