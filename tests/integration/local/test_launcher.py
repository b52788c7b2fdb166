"""The launcher with real embedded servers and stand-ins for the services."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiokafka import AIOKafkaProducer

from services.local.broker import broker_spec
from services.local.ports import PortChoice, is_free
from services.local.ready_file import Ready
from shared.adapters.s3.store import S3ObjectStore
from shared.bus.answers import kafka_answers
from shared.ports.objects import ObjectsUnavailable
from tests.integration.local.eventually import eventually
from tests.integration.local.launched import alive, begin, launched, listeners_of, processes_of, s3

producer_of: Any = AIOKafkaProducer  # it has no types
SEED_KEYS = {
    "api",
    "secret_id",
    "secret_key",
    "app_id",
    "region",
    "bucket",
    "s3_endpoint",
    "s3_access_key",
    "s3_secret_key",
    "kafka",
}


async def test_ready_file_says_where_everything_is_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    copy = tmp_path / "asked" / "ready.json"
    async with launched(tmp_path / "data", REELWAY_LOCAL_READY_FILE=str(copy)) as launcher:
        ready = launcher.ready
        assert ready.keys() == SEED_KEYS | {"data", "state", "pids"}
        assert ready.keys() == Ready.model_fields.keys()
        assert launcher.ready_path.stat().st_mode & 0o777 == 0o600
        assert (launcher.data / "credentials.json").stat().st_mode & 0o777 == 0o600
        assert copy.read_bytes() == launcher.ready_path.read_bytes()
        assert ready["bucket"] == f"media-{ready['app_id']}"
        assert len(ready["app_id"]) == 10
        assert ready["pids"].keys() == {"broker", "storage", "volumes", "trigger", "workers", "guard"}
        async with s3(ready) as objects:
            assert await objects.bucket_exists(ready["bucket"])
        producer = producer_of(bootstrap_servers=ready["kafka"])
        await producer.start()
        await producer.stop()
        listeners = listeners_of(processes_of(launcher.launch))
        assert len(listeners) >= 11
        assert {address for address, _ in listeners} == {"127.0.0.1"}
    assert not launcher.ready_path.exists()
    assert not copy.exists()


async def test_objects_and_credentials_survive_kill_9_of_the_launcher_and_a_start_on_other_ports(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    source = tmp_path / "source"
    source.write_bytes(os.urandom(20_000_000))
    async with launched(data) as launcher:
        before = launcher.ready
        pids = processes_of(launcher.launch)
        listeners = listeners_of(pids)
        async with s3(before) as objects:
            await objects.upload(source, before["bucket"], "input/a b+c.bin")
        launcher.signal(signal.SIGKILL)
        await launcher.ended()
        # The next start does not wait for anything of the last one.
        async with launched(data) as again:
            after = again.ready
            assert not alive(pids)
            assert not {port for _, port in listeners} & {port for _, port in listeners_of(processes_of(again.launch))}
            same = ("secret_id", "secret_key", "app_id", "bucket", "s3_access_key", "s3_secret_key", "state")
            assert {name: before[name] for name in same} == {name: after[name] for name in same}
            async with s3(after) as objects:
                target = tmp_path / "target"
                await objects.download(after["bucket"], "input/a b+c.bin", target)
                assert target.read_bytes() == source.read_bytes()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
async def test_no_process_outlives_the_launcher(tmp_path: Path, number: signal.Signals) -> None:
    async with launched(tmp_path / "data") as launcher:
        pids = processes_of(launcher.launch)
        listeners = listeners_of(pids)
        sockets = list(Path("/tmp").glob(f"seaweedfs-*-{launcher.ready['s3_endpoint'].rsplit(':')[-1]}.sock"))
        assert len(pids) >= 8  # the stand-ins have children of their own
        launcher.signal(number)
        code = await launcher.ended()
        assert code == (-signal.SIGKILL if number is signal.SIGKILL else 0)
        await eventually(lambda: not alive(pids), "all processes gone", 5)
        assert all(is_free(port) for _, port in listeners)
        if number is not signal.SIGKILL:
            assert not launcher.ready_path.exists()
            assert sockets
            assert not [path for path in sockets if path.exists()]


async def test_sigterm_during_the_start_ends_it_without_leftovers(tmp_path: Path) -> None:
    launcher = await begin(tmp_path / "data")
    await eventually(lambda: (launcher.data / "logs" / "storage.log").exists(), "the storage has been started")
    launch = launcher.launch
    launcher.signal(signal.SIGTERM)
    assert await launcher.ended() == 0
    assert processes_of(launch) == []
    assert not launcher.ready_path.exists()


async def test_second_launcher_on_the_same_data_is_refused(tmp_path: Path) -> None:
    async with launched(tmp_path / "data") as launcher:
        ready = launcher.ready
        second = await begin(tmp_path / "data")
        assert await second.ended() == 1
        assert f"in use by another `reelway up` (process {launcher.process.pid})" in second.output
        assert launcher.ready == ready


@pytest.mark.parametrize("name", ["workers", "broker", "volumes", "storage"])
async def test_process_that_is_killed_is_restarted_on_the_same_port_and_said_so(tmp_path: Path, name: str) -> None:
    async with launched(tmp_path / "data") as launcher:
        before = launcher.ready
        pid = before["pids"][name]
        family = [child.pid for child in psutil.Process(pid).children(recursive=True)]
        ports = sorted(listeners_of([pid]))
        os.kill(pid, signal.SIGKILL)
        after = await eventually(
            lambda: (ready := launcher.ready)["pids"].get(name) not in (None, pid) and ready, f"new {name}"
        )
        assert after | {"pids": 0} == before | {"pids": 0}
        await eventually(lambda: sorted(listeners_of([after["pids"][name]])) == ports, "the same ports", 30)
        assert not alive(family)
        async with s3(after) as objects:
            await eventually(lambda: _takes_objects(objects, after["bucket"]), "the storage takes objects", 30)
        assert f"{name} died (SIGKILL), restart in 0.2 s" in launcher.output


async def _takes_objects(objects: S3ObjectStore, bucket: str) -> bool:
    try:
        await objects.upload(Path(__file__), bucket, "input/file.py")
    except ObjectsUnavailable:
        return False
    return True


async def test_guard_that_is_killed_is_replaced_and_still_works(tmp_path: Path) -> None:
    async with launched(tmp_path / "data") as launcher:
        pids = launcher.ready["pids"]
        os.kill(pids["guard"], signal.SIGKILL)
        await eventually(lambda: launcher.ready["pids"].get("guard") not in (None, pids["guard"]), "a new guard")
        family = processes_of(launcher.launch)
        launcher.signal(signal.SIGKILL)
        await launcher.ended()
        await eventually(lambda: not alive(family), "all processes gone", 5)


async def test_broker_that_has_grown_too_big_is_restarted_on_its_port(tmp_path: Path) -> None:
    async with launched(tmp_path / "data", REELWAY_LOCAL_BROKER_RSS_LIMIT_MB="60") as launcher:
        ready = launcher.ready
        producer = producer_of(bootstrap_servers=ready["kafka"], max_request_size=2_000_000)
        await producer.start()
        try:
            for _ in range(50):
                await producer.send_and_wait("reelway.big", os.urandom(900_000))
        finally:
            await producer.stop()
        pid = await eventually(
            lambda: (new := launcher.ready["pids"].get("broker")) not in (None, ready["pids"]["broker"]) and new,
            "a new broker",
        )
        host, port = ready["kafka"].split(":")
        assert psutil.Process(pid).memory_info().rss < 60_000_000
        await eventually(lambda: not is_free(int(port)), "the broker listens again")
        with socket.create_connection((host, int(port)), timeout=5):
            pass
        assert "broker is restarted: it has grown to" in launcher.output


async def test_a_kafka_of_the_users_own_is_waited_for_used_and_left_alone(tmp_path: Path) -> None:
    port = PortChoice().take()
    kafka = f"127.0.0.1:{port}"
    spec = broker_spec(tmp_path, tmp_path / "broker.log", port, 1_000_000_000)
    launcher = await begin(tmp_path / "data", REELWAY_LOCAL_KAFKA=kafka)
    await eventually(lambda: f"waiting for Kafka: no Kafka metadata from {kafka}" in launcher.output, "it waits", 40)
    assert not launcher.ready_path.exists()
    broker = await asyncio.create_subprocess_exec(*spec.argv, cwd=spec.cwd, env=dict(spec.env))
    try:
        await eventually(launcher.ready_path.exists, "ready", 40)
        assert launcher.ready["kafka"] == kafka
        assert launcher.ready["pids"].keys() == {"storage", "volumes", "trigger", "workers", "guard"}
        environment = psutil.Process(launcher.ready["pids"]["trigger"]).environ()
        assert (environment["REELWAY_KAFKA"], environment["REELWAY_IDEMPOTENT_PRODUCER"]) == (kafka, "true")
        launcher.signal(signal.SIGTERM)
        assert await launcher.ended() == 0
        assert broker.returncode is None
        assert await kafka_answers(kafka) is None
    finally:
        broker.kill()
        await broker.wait()


async def test_a_kafka_that_never_answers_is_named(tmp_path: Path) -> None:
    kafka = f"127.0.0.1:{PortChoice().take()}"
    launcher = await begin(tmp_path / "data", REELWAY_LOCAL_KAFKA=kafka, REELWAY_LOCAL_READY_TIMEOUT_S="12")
    assert await launcher.ended(40) == 1
    assert "not ready: kafka" in launcher.output
    assert f"no Kafka metadata from {kafka} (ConnectionRefusedError)" in launcher.output


async def test_port_that_is_in_use_is_refused_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        launcher = await begin(tmp_path / "data", REELWAY_LOCAL_API_PORT=str(port))
        assert await launcher.ended() == 1
        assert f"port {port} on 127.0.0.1 is in use" in launcher.output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_everything_is_stopped_although_nobody_can_be_told(tmp_path: Path, number: signal.Signals) -> None:
    reading, writing = os.pipe()
    try:
        launcher = await begin(tmp_path / "data", writing)
    finally:
        os.close(writing)
        os.close(reading)  # from now on every line of the launcher breaks the pipe
    await eventually(launcher.ready_path.exists, "ready", 40)
    pids = processes_of(launcher.launch)
    launcher.signal(number)
    assert await launcher.ended() == 0
    assert not alive(pids)
    assert not launcher.ready_path.exists()
    assert b'"stopped"' in (launcher.data / "logs" / "launcher.log").read_bytes()
