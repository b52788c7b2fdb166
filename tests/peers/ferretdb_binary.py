"""FerretDB v1 with its SQLite backend, built from the Go module proxy; versions are in `ferretdb/go.mod`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.peers import cache
from tests.peers.tools import tool

MODULE = Path(__file__).with_name("ferretdb")
PINS = [MODULE / "go.mod", MODULE / "go.sum"]
PROGRAM = "github.com/FerretDB/FerretDB/cmd/ferretdb"
BUILD_S = 1800


def binary() -> Path | None:
    """The program, if it has been built."""
    path = cache.place("ferretdb", PINS) / "ferretdb"
    return path if path.is_file() else None


def fetch() -> Path:
    """The program, built if need be (minutes). Raises ToolMissing and SubprocessError."""
    go = tool("go", "FerretDB in tests")

    def build(folder: Path) -> None:
        subprocess.run(
            [go, "build", "-trimpath", "-mod=readonly", "-o", str(folder / "ferretdb"), PROGRAM],
            cwd=MODULE,
            env={**os.environ, "CGO_ENABLED": "0"},
            check=True,
            timeout=BUILD_S,
        )

    return cache.made(cache.place("ferretdb", PINS), build) / "ferretdb"
