"""A launcher with stand-in services as a child process, for the tests."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil

from services.local import leftovers
from shared.adapters.s3.settings import S3Settings
from shared.adapters.s3.store import S3ObjectStore
from tests.integration.local.eventually import eventually


class Launched:
    """The launcher's process, its output and what its ready file says."""

    def __init__(self, process: asyncio.subprocess.Process, data: Path, output: Path) -> None:
        self.process = process
        self.data = data
        self._output = output

    @property
    def ready_path(self) -> Path:
        return self.data / "run" / "ready.json"

    @property
    def ready(self) -> dict[str, Any]:
        return dict(json.loads(self.ready_path.read_text()))

    @property
    def output(self) -> str:
        return self._output.read_text()

    @property
    def launch(self) -> str:
        """The mark of all its processes."""
        return str(json.loads((self.data / "run" / "launch.json").read_text())["launch"])

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)

    async def ended(self, timeout_s: float = 20) -> int:
        async with asyncio.timeout(timeout_s):
            return await self.process.wait()


async def begin(data: Path, stdout: int | None = None, **env: str) -> Launched:
    """Starts a launcher and returns at once. Its output goes to a file unless a descriptor is given."""
    output = data.with_suffix(".out")
    with output.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.integration.local.standin_launcher",
            stdout=file if stdout is None else stdout,
            stderr=file,
            env={**os.environ, "REELWAY_LOCAL_DATA": str(data), **env},
            start_new_session=True,
            # A suite under nohup ignores this signal, and so would the launcher: on purpose, but not here.
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        )
    return Launched(process, data, output)


@asynccontextmanager
async def launched(data: Path, **env: str) -> AsyncIterator[Launched]:
    """A launcher that is ready; stopped at the end if the test has not done so."""
    stale = _modified_at(data / "run" / "ready.json")  # a killed launcher leaves its ready file
    launcher = await begin(data, **env)
    try:
        await eventually(
            lambda: _modified_at(launcher.ready_path) not in (0, stale) or launcher.process.returncode is not None,
            "ready",
            40,
        )
        assert launcher.process.returncode is None, launcher.output
        yield launcher
    finally:
        if launcher.process.returncode is None:
            launcher.signal(signal.SIGTERM)
            await launcher.ended()


def _modified_at(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


def alive(pids: list[int]) -> list[int]:
    """Those of the processes that still run; one that only waits to be reaped does not."""
    found = []
    for pid in pids:
        try:
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                found.append(pid)
        except psutil.NoSuchProcess:
            continue
    return found


def s3(ready: dict[str, Any]) -> S3ObjectStore:
    return S3ObjectStore(
        S3Settings(
            endpoint_url=ready["s3_endpoint"],
            access_key=ready["s3_access_key"],
            secret_key=ready["s3_secret_key"],
            region=ready["region"],
        )
    )


def processes_of(launch: str) -> list[int]:
    return [process.pid for process in leftovers.find(launch)]


def listeners_of(pids: list[int]) -> list[tuple[str, int]]:
    """(address, port) of every TCP socket that these processes listen on."""
    return [
        (connection.laddr.ip, connection.laddr.port)
        for pid in pids
        for connection in psutil.Process(pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
