"""FerretDB v1 on SQLite: a second reading of MongoDB's wire protocol, by other people, in another language."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from services.local.ports import LOOPBACK
from tests.contract.state.wire_server import WireServer
from tests.peers.ferretdb_binary import binary
from tests.peers.tools import ToolMissing


class FerretDb(WireServer):
    """One server; in a `with` statement it is started, and gone at the end."""

    def __init__(self, folder: Path, program: Path) -> None:
        super().__init__(folder)
        self._program = program

    @classmethod
    def built(cls, folder: Path) -> Self:
        """A server that is not started yet. Raises ToolMissing if `tests.peers.fetch` has not built it."""
        program = binary()
        if program is None:
            raise ToolMissing("FerretDB has not been built; `make test-mongo` does it with Go")
        return cls(folder, program)

    def commands(self) -> Sequence[tuple[int, Sequence[str]]]:
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        command = [
            str(self._program),
            *("--handler=sqlite", f"--sqlite-url=file:{data}/"),
            *(f"--listen-addr={LOOPBACK}:{self.port}", "--debug-addr=-"),
            *("--telemetry=disable", f"--state-dir={self.folder}", "--log-level=ERROR"),
        ]
        return [(self.port, command)]
