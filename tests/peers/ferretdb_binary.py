"""FerretDB v1 with its SQLite backend, built from Go modules; their versions are in `ferretdb/go.mod`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.peers import cache
from tests.peers.tools import tool

MODULE = Path(__file__).with_name("ferretdb")
SOURCES = [MODULE / name for name in ("go.mod", "go.sum", "main.go", "turnstile.go")]
BUILD_S = 1800


def binary() -> Path | None:
    """The program, if it has been built."""
    path = cache.place("ferretdb", SOURCES) / "ferretdb"
    return path if path.is_file() else None


def fetch() -> Path:
    """The program, built if need be (minutes). Raises ToolMissing and SubprocessError."""
    go = tool("go", "FerretDB in tests")

    def build(folder: Path) -> None:
        subprocess.run(
            [go, "build", "-trimpath", "-mod=readonly", "-tags=ferretdb_no_postgresql", "-o", str(folder / "ferretdb")],
            cwd=MODULE,
            env={**os.environ, "CGO_ENABLED": "0"},
            check=True,
            timeout=BUILD_S,
        )

    return cache.made(cache.place("ferretdb", SOURCES), build) / "ferretdb"
