"""A real SeaweedFS for the suite, as small as it runs."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from shared.adapters.s3 import S3Settings

GRPC_OFFSET = 10_000  # each SeaweedFS port has a gRPC twin that far above it
START_TIMEOUT_S = 60.0

FLAGS = (
    "-ip=127.0.0.1",
    "-ip.bind=127.0.0.1",
    "-filer",
    "-s3",
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
    "-s3.autoCreateBucket=false",
    "-master.volumeSizeLimitMB=256",
    "-master.telemetry=false",
    "-volume.max=40",
)


@contextmanager
def seaweed(folder: Path) -> Iterator[S3Settings]:
    """Runs SeaweedFS in `folder` and gives settings that may do everything there."""
    access_key, secret_key = "contract-access", "contract-secret"
    identity = {
        "name": "contract",
        "credentials": [{"accessKey": access_key, "secretKey": secret_key}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [identity]}))
    config.chmod(0o600)
    master, volume, filer, s3 = free_ports(4)
    ports = (f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}", f"-s3.port={s3}")
    weed = Path(sysconfig.get_path("scripts")) / "weed"
    with (folder / "weed.log").open("wb") as log:
        process = subprocess.Popen(
            [str(weed), "server", f"-dir={folder}", f"-s3.config={config}", *ports, *FLAGS],
            cwd=folder,
            env={**os.environ, "GOMEMLIMIT": "256MiB"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        _wait_for_port(s3, process)
        yield S3Settings(
            endpoint_url=f"http://127.0.0.1:{s3}", access_key=access_key, secret_key=secret_key, part_bytes=5 << 20
        )
    finally:
        process.kill()  # it takes its time to stop, and nothing here is to be kept
        process.wait()


def free_ports(count: int) -> list[int]:
    """Ports that are free together with their gRPC twins. All are held until all are found."""
    found: list[int] = []
    with ExitStack() as held:
        while len(found) < count:
            first = held.enter_context(socket.socket())
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            low = port if port + GRPC_OFFSET < 65_536 else port - GRPC_OFFSET
            other = low + GRPC_OFFSET if low == port else low
            twin = held.enter_context(socket.socket())
            try:
                twin.bind(("127.0.0.1", other))
            except OSError:
                continue
            found.append(low)
    return found


def _wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        if process.poll() is not None:
            raise RuntimeError(f"weed ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
