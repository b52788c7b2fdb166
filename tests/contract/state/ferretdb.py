"""FerretDB v1 on SQLite: a second reading of MongoDB's wire protocol, by other people, in another language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from services.local.ports import LOOPBACK
from tests.contract.state.wire_server import WireServer
from tests.peers.ferretdb_binary import binary
from tests.peers.tools import ToolMissing

_NESTED = "FerretDB v1 refuses arrays in arrays"
_UPDATE = "FerretDB v1 answers an update that breaks a unique rule with an internal error"

CANNOT: Mapping[str, str] = {
    "test_a_document_comes_back_as_it_was_written": _NESTED,
    "test_documents_are_there_after_reopening": _NESTED,
    "test_replace_obeys_unique_rules_and_then_changes_nothing": _UPDATE,
    "test_replace_many_tries_all_before_it_raises_duplicate_key": _UPDATE,
    "test_unique_rules_skip_documents_with_a_null_or_absent_field": "FerretDB v1 has no partial indexes",
}
"""Tests of the store's contract that fail on it, and why. All of them pass on SecantusDB."""


class FerretDb(WireServer):
    """One server; in a `with` statement it is started, and gone at the end.

    It checks the version of a document in one step and writes in another, so it is given one command at a time: then
    a compare-and-set is one. `test_ferretdb.py` shows what happens without.
    """

    def __init__(self, folder: Path, program: Path, *, one_at_a_time: bool = True) -> None:
        super().__init__(folder)
        self._program = program
        self._one_at_a_time = one_at_a_time

    @classmethod
    def built(cls, folder: Path, *, one_at_a_time: bool = True) -> Self:
        """A server that is not started yet. Raises ToolMissing if `tests.peers.fetch` has not built it."""
        program = binary()
        if program is None:
            raise ToolMissing("FerretDB has not been built; `make test-mongo` does it with Go")
        return cls(folder, program, one_at_a_time=one_at_a_time)

    def commands(self) -> Sequence[tuple[int, Sequence[str]]]:
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        mode = ["-one-at-a-time"] if self._one_at_a_time else []
        command = [str(self._program), *mode, f"{LOOPBACK}:{self.port}", str(data)]
        return [(self.port, command)]
