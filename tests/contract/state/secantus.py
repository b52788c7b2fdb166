"""SecantusDB as a process: MongoDB's wire protocol without a MongoDB."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

_START_S = 30.0
_STOP_S = 10.0


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class Secantus:
    """One server with its folder and port, which it keeps when it is started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: str) -> str:
        return f"mongodb://127.0.0.1:{self._port}/{database}"

    def start(self) -> None:
        self._folder.mkdir(exist_ok=True)
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    str(Path(sys.executable).with_name("secantusd-py")),
                    *("--host", "127.0.0.1", "--port", str(self._port)),
                    *("--storage-path", str(self._folder / "data"), "--cache-size", "128M"),
                ],
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"SecantusDB did not start: {(self._folder / 'server.log').read_text()}")
            time.sleep(0.02)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=1):
            return True
        return False

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(_STOP_S)
            self._process = None


@contextlib.contextmanager
def secantus(folder: Path) -> Iterator[Secantus]:
    """A started server, gone at the end."""
    server = Secantus(folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()
