"""A running stack that faults can reach: its processes, its state, its storage, its clock."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import psutil
import requests

from services.local.ports import PortChoice
from shared.adapters.state_url import open_state
from shared.faults import CLOCK
from shared.model import collections
from shared.model.task import Task, TaskState
from shared.ports.state import StateStore
from shared.state.records import Records
from tests.e2e.stack import ROOT, Stack, wait_for
from tests.fault.arranged import VARIABLE, Arrangement
from tests.fault.background import Background
from tests.fault.s3_proxy import S3Proxy

T = TypeVar("T")

SHORT_LEASE = {"REELWAY_LEASE_S": "4", "REELWAY_HEARTBEAT_S": "1"}
"""For what is about the end of leases; 30 s are only longer."""


@dataclass
class Rig(Stack):
    """`reelway up`, arranged. With `through_proxy` the services reach the storage through `proxy` only."""

    arrangement: Arrangement = field(default_factory=Arrangement)
    through_proxy: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.program = (sys.executable, "-m", "tests.fault.arranged")
        self.faults = self.data.with_name(f"{self.data.name}-faults")
        self.background = Background()
        self._store: StateStore | None = None
        self._proxy: S3Proxy | None = None

    @property
    def proxy(self) -> S3Proxy:
        assert self._proxy is not None, "this rig has no proxy"
        return self._proxy

    def start(self, within_s: float = 90) -> None:
        self.faults.mkdir(parents=True, exist_ok=True)
        if self.through_proxy and self._proxy is None:
            port = PortChoice().take()
            self._proxy = S3Proxy(self.background, f"http://127.0.0.1:{port}")
            self._proxy.start()
            self.arguments = (*self.arguments, "--s3-port", str(port))
            self.arrangement = self.arrangement.model_copy(update={"s3_endpoint": self._proxy.url})
        self.env = {
            **self.env,
            "PYTHONPATH": str(ROOT),
            "REELWAY_FAULT_DIR": str(self.faults),
            VARIABLE: self.arrangement.model_dump_json(),
        }
        super().start(within_s)
        self._store = self.background.do(open_state(self.ready["state"], collections.ALL))

    def stop(self) -> None:
        if self._store is not None:
            self.background.do(self._store.close())
            self._store = None
        try:
            super().stop()
        finally:
            if self._proxy is not None:
                self._proxy.stop()
                self._proxy = None
            self.background.close()

    def state(self, look: Callable[[Records], Awaitable[T]], *, within_s: float = 60) -> T:
        """What is in the store, asked by a client of our own."""
        assert self._store is not None
        records = Records(self._store)

        async def looked() -> T:
            return await look(records)

        return self.background.do(looked(), within_s=within_s)

    # -- processes ------------------------------------------------------------------------------------------------

    def arm(self, point: str, signal_name: str = "") -> None:
        """The next process that passes this point gets the signal (SIGKILL if none is named)."""
        self._put(point, signal_name)

    def reached(self, point: str) -> bool:
        """Whether somebody has passed an armed point since."""
        return not (self.faults / point).exists()

    def put_clock_off(self, seconds: float) -> None:
        """All services see the machine's clock jump there at once."""
        self._put(CLOCK, str(seconds))

    def _put(self, name: str, text: str) -> None:
        """Whole or not at all: a process may look at any moment."""
        made = self.faults / f"{name}.new"
        made.write_text(text)
        made.rename(self.faults / name)

    def wait_healthy(self, within_s: float = 60) -> None:
        """Until all services say that they have all they need: who died before has joined the bus again."""

        def healthy() -> bool:
            try:
                return requests.get(f"{self.ready['api']}/healthz", timeout=10).ok
            except requests.ConnectionError:
                return False

        wait_for("health", healthy, within_s=within_s)

    def running(self, *kinds: str) -> list[Task]:
        """The tasks of these kinds that somebody holds now."""
        found = self.state(lambda records: records.tasks.find({"state": TaskState.RUNNING.value}, limit=1000))
        return [task for task in found if task.kind in kinds]

    def worker_pids(self) -> dict[str, int]:
        """The worker processes by the launcher's names."""
        self.refresh()
        return {name: pid for name, pid in self.ready["pids"].items() if name.startswith("workers")}

    def scratch(self) -> Path:
        """The workers' scratch folder, on the small disk of the first one if they have such."""
        folder = self.data / "scratch"
        if self.arrangement.scratch_bytes is None:
            return folder
        return Path(f"/proc/{self.pid('workers')}/root") / folder.relative_to("/")

    def leftovers_in_scratch(self) -> list[str]:
        """Attempts' folders; what the source cache keeps is no leftover."""
        scratch = self.scratch()
        return [str(path.relative_to(scratch)) for path in scratch.glob("*/attempt-*")]

    def unfinished_uploads(self) -> list[str]:
        """Keys of multipart uploads that were begun and neither completed nor aborted."""
        found = self.s3().list_multipart_uploads(Bucket=self.bucket).get("Uploads", [])
        return [upload["Key"] for upload in found]

    @contextmanager
    def peak_rss(self, *names: str) -> Iterator[dict[str, int]]:
        """The largest resident size of each process during a block, in bytes, by its name in the ready file."""
        peaks: dict[str, int] = {}
        watching = self.background.begin(_watch(self, names, peaks))
        try:
            yield peaks
        finally:
            self.background.end(watching)


async def _watch(rig: Rig, names: tuple[str, ...], peaks: dict[str, int]) -> None:
    import asyncio

    while True:
        rig.refresh()
        for name in names:
            try:
                rss = psutil.Process(rig.ready["pids"][name]).memory_info().rss
            except (psutil.Error, KeyError):
                continue
            peaks[name] = max(peaks.get(name, 0), rss)
        await asyncio.sleep(0.1)


def pid_of(task: Task) -> int:
    """The process that holds a task: its owner is `<worker>/<pid>-<random>`."""
    assert task.owner is not None
    return int(task.owner.rpartition("/")[2].partition("-")[0])


def with_children(pid: int) -> list[psutil.Process]:
    """A process and all it has started."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def freeze(pid: int) -> list[psutil.Process]:
    """Stops a process and all it has started, as the pause of a machine does; returns them."""
    os.kill(pid, signal.SIGSTOP)
    processes = with_children(pid)
    for process in processes[1:]:
        _send(process, signal.SIGSTOP)
    return processes


def thaw(processes: list[psutil.Process]) -> None:
    """Lets them go on."""
    for process in processes:
        _send(process, signal.SIGCONT)


def _send(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
