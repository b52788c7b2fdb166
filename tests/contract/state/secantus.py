"""SecantusDB: MongoDB's wire protocol from a Python package."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from services.local.ports import LOOPBACK
from tests.contract.state.wire_server import WireServer


class Secantus(WireServer):
    """One server; in a `with` statement it is started, and gone at the end."""

    def commands(self) -> Sequence[tuple[int, Sequence[str]]]:
        command = [
            str(Path(sys.executable).with_name("secantusd-py")),
            *("--host", LOOPBACK, "--port", str(self.port)),
            *("--storage-path", str(self.folder / "data"), "--cache-size", "128M"),
        ]
        return [(self.port, command)]


@contextlib.contextmanager
def secantus(folder: Path) -> Iterator[Secantus]:
    """A started server, gone at the end."""
    with Secantus(folder) as server:
        yield server
