"""Redis with its append-only file, and one Celery worker, for the time of a round."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import psutil

from services.local.ports import LOOPBACK, PortChoice
from tests.bench.graphs import Graph
from tests.bench.load import Phase
from tests.bench.peer.install import Installed
from tests.bench.processes import kill_tree
from tests.e2e.stack import ROOT, wait_for

START_S = 60.0
STOP_S = 20.0


class Peer:
    """Started as `async with`; `slots` tasks at once, as in one of our workers."""

    name = "Celery + Redis"

    def __init__(self, installed: Installed, folder: Path, slots: int, pool: str = "prefork") -> None:
        self._installed = installed
        self._folder = folder
        self._slots = slots
        self._pool = pool
        self._port = PortChoice().take()
        self._redis: subprocess.Popen[bytes] | None = None
        self._worker: subprocess.Popen[bytes] | None = None
        self._client: asyncio.subprocess.Process | None = None

    @property
    def _env(self) -> dict[str, str]:
        path = os.pathsep.join(str(place) for place in (ROOT,))
        return {**os.environ, "PYTHONPATH": path, "BENCH_REDIS": f"redis://{LOOPBACK}:{self._port}/0"}

    async def __aenter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            await asyncio.to_thread(self._start_servers)
            self._client = await asyncio.create_subprocess_exec(
                *(str(self._installed.python), "-m", "tests.bench.peer.client"),
                cwd=ROOT,
                env=self._env,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=256 * 1024 * 1024,
            )
        except BaseException:
            await self.__aexit__()
            raise
        return self

    def _start_servers(self) -> None:
        with (self._folder / "redis.log").open("ab") as log:
            self._redis = subprocess.Popen(
                [
                    *(str(self._installed.redis_server), "--port", str(self._port), "--bind", LOOPBACK),
                    *("--dir", str(self._folder), "--save", "", "--appendonly", "yes"),
                    *("--appendfsync", "everysec"),
                ],
                stdout=log,
                stderr=log,
            )
        wait_for("redis", self._redis_answers, within_s=START_S)
        self.start_worker()

    def start_worker(self) -> None:
        """Starts the worker and waits until it takes tasks."""
        log_path = self._folder / "worker.log"
        began = log_path.stat().st_size if log_path.exists() else 0
        with log_path.open("ab") as log:
            self._worker = subprocess.Popen(
                [
                    *(str(self._installed.python), "-m", "celery", "-A", "tests.bench.peer.tasks", "worker"),
                    *("--pool", self._pool, "--concurrency", str(self._slots), "--loglevel", "INFO"),
                    *("--without-gossip", "--without-mingle"),
                ],
                cwd=ROOT,
                env=self._env,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_for("celery worker", lambda: b" ready." in log_path.read_bytes()[began:], within_s=START_S)

    def kill_worker(self) -> None:
        """Kills the worker and all its children at once, as if the machine had done it."""
        assert self._worker is not None
        kill_tree(self._worker.pid)
        self._worker.wait(STOP_S)

    def _redis_answers(self) -> bool:
        with suppress(OSError), socket.create_connection((LOOPBACK, self._port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(7).startswith(b"+PONG")
        return False

    async def __aexit__(self, *_: object) -> None:
        if self._client is not None and self._client.stdin is not None:
            self._client.stdin.close()
            await asyncio.wait_for(self._client.wait(), STOP_S)
        await asyncio.to_thread(self._stop_servers)

    def _stop_servers(self) -> None:
        if self._worker is not None and self._worker.poll() is None:
            kill_tree(self._worker.pid)
            self._worker.wait(STOP_S)
        if self._redis is not None:
            self._redis.send_signal(signal.SIGTERM)
            self._redis.wait(STOP_S)

    def pids(self) -> list[int]:
        """The servers' processes; their children are found by who counts them."""
        return [process.pid for process in (self._redis, self._worker) if process is not None]

    async def _order(self, **order: Any) -> Phase:
        assert self._client is not None
        assert self._client.stdin is not None
        assert self._client.stdout is not None
        self._client.stdin.write(json.dumps(order).encode() + b"\n")
        answer = await self._client.stdout.readline()
        if not answer:
            raise RuntimeError(f"the peer's client ended, see {self._folder}")
        return Phase(**json.loads(answer))

    async def at_rate(self, graph: Graph, per_s: float, seconds: float, mark: str) -> Phase:
        """See `load.at_rate`."""
        return await self._order(do="rate", graph=asdict(graph), per_s=per_s, seconds=seconds, mark=mark)

    async def at_once(self, graph: Graph, runs: int, mark: str) -> Phase:
        """See `load.at_once`."""
        return await self._order(do="once", graph=asdict(graph), runs=runs, mark=mark)

    def client_running(self) -> bool:
        """Whether the client process lives."""
        return self._client is not None and psutil.pid_exists(self._client.pid)
