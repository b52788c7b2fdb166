"""A server that speaks MongoDB's wire protocol, as a process with a folder and a port of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from services.local.ports import LOOPBACK, PortChoice

_START_S = 30.0
_STOP_S = 10.0


def free_port() -> int:
    """A port that no outgoing connection takes while its server is away."""
    return PortChoice().take()


class WireServer:
    """Keeps its folder and port when it is started again. Subclasses say which programs it is made of."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._processes: list[subprocess.Popen[bytes]] = []

    def commands(self) -> Sequence[tuple[int, Sequence[str]]]:
        """The programs in the order of their start, each with the port that tells when it is up."""
        raise NotImplementedError

    def url(self, database: str) -> str:
        return f"mongodb://{LOOPBACK}:{self.port}/{database}"

    def start(self) -> None:
        """Returns when the last program accepts connections."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for port, command in self.commands():
            with (self.folder / "server.log").open("ab") as log:
                process = subprocess.Popen(
                    command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env={**os.environ, "DO_NOT_TRACK": "1"}
                )
            self._processes.append(process)
            deadline = time.monotonic() + _START_S
            while not _accepts(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(
                        f"{command[0]} did not start: {(self.folder / 'server.log').read_text()[-4000:]}"
                    )
                time.sleep(0.02)

    def freeze(self) -> None:
        """It answers nobody, and no connection breaks."""
        for process in self._processes:
            process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        for process in self._processes:
            process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL; what is on disk stays."""
        while self._processes:
            process = self._processes.pop()
            process.kill()
            process.wait(_STOP_S)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def _accepts(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1):
        return True
    return False
