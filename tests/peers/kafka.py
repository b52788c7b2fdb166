"""One Apache Kafka broker, its own KRaft controller, in a JVM of bounded memory on two loopback ports."""

from __future__ import annotations

import asyncio
import base64
import shutil
import signal
import subprocess
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from services.local.ports import LOOPBACK, PortChoice
from shared.bus.answers import kafka_answers
from tests.peers.kafka_jars import POM, WHAT, jars
from tests.peers.tools import ToolMissing, java

START_S = 60.0
STOP_S = 20.0
JVM = ("-Xms64m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError")
"""Memory for a test machine, and a compiler that is quick to start rather than to run."""


class Kafka:
    """A broker with its log folder and ports, which it keeps when it is started again."""

    def __init__(self, folder: Path, jar_folder: Path, java_path: str) -> None:
        ports = PortChoice()
        self.port, self._controller_port = ports.take(), ports.take()
        self.address = f"{LOOPBACK}:{self.port}"
        self._folder = folder
        self._data = folder / "log"
        self._java = [java_path, *JVM, f"-Dlog4j2.configurationFile={POM.with_name('log4j2.properties')}"]
        self._java += ["-cp", f"{jar_folder}/*"]
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self._properties.write_text("".join(f"{name}={value}\n" for name, value in self._settings().items()))

    @classmethod
    def fetched(cls, folder: Path) -> Self:
        """A broker that is not started yet. Raises ToolMissing if `tests.peers.fetch` has not fetched it."""
        jar_folder = jars()
        if jar_folder is None:
            raise ToolMissing("Apache Kafka has not been fetched; `make test-kafka` does it with Java 17+ and Maven")
        return cls(folder, jar_folder, java(WHAT))

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def _properties(self) -> Path:
        return self._folder / "server.properties"

    @property
    def _output(self) -> Path:
        return self._folder / "broker.log"

    def _settings(self) -> dict[str, object]:
        return {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@{LOOPBACK}:{self._controller_port}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "listeners": f"PLAINTEXT://{self.address},CONTROLLER://{LOOPBACK}:{self._controller_port}",
            "advertised.listeners": f"PLAINTEXT://{self.address}",
            "log.dirs": self._data,
            # One node holds everything.
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            # As it is in production: nobody makes a topic by reading one.
            "auto.create.topics.enable": "false",
            # A group waits 3 s for more members before its first assignment.
            "group.initial.rebalance.delay.ms": 0,
            # 128 MB of the heap otherwise.
            "log.cleaner.dedupe.buffer.size": 4_000_000,
            "num.network.threads": 2,
            "num.io.threads": 4,
        }

    def start(self) -> None:
        """Returns when it answers. The first start, and one after `lose`, begins with an empty log."""
        if not self._data.exists():
            self._run("kafka.tools.StorageTool", "format", "-t", _cluster_id(), "-c", str(self._properties))
        with self._output.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._java, "kafka.Kafka", str(self._properties)],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self._folder,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_S
        while reason := _trouble(self.address):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Apache Kafka did not start: {reason}\n{self._output.read_text()[-4000:]}")
            time.sleep(0.1)

    def _run(self, *arguments: str) -> None:
        done = subprocess.run(
            [*self._java, *arguments], capture_output=True, text=True, timeout=START_S, cwd=self._folder, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{arguments[0]}: {done.stdout}{done.stderr}")

    def kill(self) -> None:
        """SIGKILL; the log stays as it is."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, as an administrator would."""
        self._end(signal.SIGTERM)

    def lose(self) -> None:
        """Kills it and starts it with nothing: no topics, no offsets, another cluster id."""
        self.kill()
        shutil.rmtree(self._data)
        self.start()

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_S)


def _trouble(address: str) -> str | None:
    """Why it does not answer yet. In a thread of its own: the caller may be in an event loop."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(kafka_answers(address))).result()


def _cluster_id() -> str:
    """As `kafka-storage random-uuid` makes it: never with a dash in front, which would be an option."""
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return text
